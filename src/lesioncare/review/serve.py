"""Starting the server on this machine, and on no other address."""

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from lesioncare.errors import ConfigError
from lesioncare.review.guard import Guard

HOST = "127.0.0.1"
PORT = 8017
_TRIES = 20

__all__ = ["HOST", "PORT", "bind", "serve"]


def bind(port: int | None) -> socket.socket:
    """Open a port on this machine; without one, `PORT` or one of the next that is free.

    Raises:
        ConfigError: the port is taken, or none is free.
    """
    ports = [port] if port is not None else range(PORT, PORT + _TRIES)
    for one in ports:
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((HOST, one))
        except OSError:
            opened.close()
        else:
            return opened
    raise ConfigError(f"port {ports[0]} is taken. Name another with --port.")


def serve(app: FastAPI, token: str, port: int | None, started: Callable[[str], None]) -> None:
    """Serve an app until Ctrl-C.

    Args:
        app: what is served, behind `Guard`.
        token: the secret part of the address.
        port: see `bind`.
        started: called with the address as soon as the port is open.

    Raises:
        ConfigError: see `bind`.
    """
    with bind(port) as opened:
        number = opened.getsockname()[1]
        config = uvicorn.Config(
            Guard(app, token, number),
            log_level="warning",
            access_log=False,  # the token is part of every address
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
        )
        opened.listen(128)
        started(f"http://{HOST}:{number}/{token}/")
        uvicorn.Server(config).run(sockets=[opened])
