"""The gate before the server: only pages of this server that know the token come through.

The server listens on this machine only, but any web page that is open in a browser here can send requests to
it, directly or under a name that it makes point here (DNS rebinding). So the `Host` and the `Origin` of a
request must be the server's own, the first part of its path must be the token, and changes must come as json,
which a foreign page cannot send without asking first.
"""

import secrets
from collections.abc import MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 512 * 1024
"""Largest body of a request in bytes; 500 boxes take a third of it."""
_TOO_LARGE = "the request is too large"

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

__all__ = ["MAX_BODY", "Guard"]


class Guard:
    """ASGI middleware that refuses foreign, tokenless, oversized and non-json requests.

    Args:
        app: what lies behind; it sees paths without the token.
        token: the first part of every path.
        port: the server's port, a part of its host name.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # a web socket is closed by the server when nobody answers
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        _, token, rest = (scope["path"] + "//").split("/", 2)
        refused = self._refusal(headers, token, scope["method"])
        if refused is not None:
            await refused(scope, receive, send)
            return
        if scope["path"] == f"/{token}":  # the page's own addresses go on from the slash
            await RedirectResponse(f"/{token}/")(scope, receive, send)
            return
        path = "/" + rest.removesuffix("/").removesuffix("/")
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await self._app(inner, _limited(receive), _with_headers(send))

    def _refusal(
        self, headers: MutableMapping[bytes, str], token: str, method: str
    ) -> PlainTextResponse | None:
        if headers.get(b"host", "") not in self._hosts:
            return PlainTextResponse("this name is not the server's", 421)
        origin = headers.get(b"origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return PlainTextResponse("another page may not use this server", 403)
        if not secrets.compare_digest(token.encode(), self._token):
            return PlainTextResponse(
                "The address lacks its secret part: copy all of it from the terminal.", 403
            )
        if method in ("GET", "HEAD"):
            return None
        return self._refusal_of_body(headers)

    @staticmethod
    def _refusal_of_body(headers: MutableMapping[bytes, str]) -> PlainTextResponse | None:
        if headers.get(b"content-type", "").partition(";")[0].strip() != "application/json":
            return PlainTextResponse("changes must be sent as application/json", 415)
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return PlainTextResponse(_TOO_LARGE, 413)
        return None


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY:
            raise HTTPException(413, _TOO_LARGE)  # the app turns it into an answer
        return message

    return limited


def _with_headers(send: Send) -> Send:
    extra: list[Any] = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return with_headers
