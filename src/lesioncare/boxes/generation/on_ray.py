"""The same work on a Ray cluster."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from lesioncare.boxes.generation.maker import BoxMaker
from lesioncare.boxes.generation.outcome import Outcome
from lesioncare.boxes.generation.workers import Chunk, outcomes_of, single_thread
from lesioncare.errors import ConfigError, LesionCareError, RunError

_TELEMETRY = "RAY_USAGE_STATS_ENABLED"

__all__ = ["run_on_ray"]


class _Worker:
    """One Ray actor: the maker is handed over once."""

    def __init__(self, maker: BoxMaker) -> None:
        self._maker = maker

    def work(self, chunk: Chunk) -> list[Outcome]:
        with single_thread():
            return outcomes_of(self._maker, chunk)


def run_on_ray(
    maker: BoxMaker, chunks: Sequence[Chunk], workers: int, address: str = "auto"
) -> Iterator[list[Outcome]]:
    """Give the outcomes of each chunk in order, by at most `workers` Ray actors of one CPU each.

    All nodes must see the images, and the segmenter's file, under the same paths, and have lesioncare.

    Args:
        maker: of the boxes.
        chunks: images.
        workers: actors; no more than the cluster has CPUs.
        address: "local" starts a Ray here, without telemetry, that is shut down at the end; "auto" uses the
            Ray that runs in this process, else the cluster that RAY_ADDRESS names, else is as "local"; or the
            address of a cluster.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers at the address.
        RunError: a worker died.
    """
    try:
        ray: Any = import_module("ray")
        pool: Any = import_module("ray.util").ActorPool
    except ImportError as error:
        raise ConfigError("running on Ray needs the package ray: pip install 'lesioncare[ray]'.") from error
    parts = [[(image, path.absolute()) for image, path in chunk] for chunk in chunks]
    with _connected(ray, address, workers):
        count = min(workers, len(parts), int(ray.cluster_resources().get("CPU", 1)))
        actor = ray.remote(num_cpus=1)(_Worker)
        actors = [actor.remote(maker) for _ in range(max(1, count))]
        try:
            yield from pool(actors).map(lambda worker, chunk: worker.work.remote(chunk), parts)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, LesionCareError):
                raise error.cause from error
            raise
        except ray.exceptions.RayActorError as error:
            raise RunError(f"a Ray worker died ({error}). Run again to go on from there.") from error


@contextmanager
def _connected(ray: Any, address: str, workers: int) -> Iterator[None]:
    """A Ray to work on; what is started here is shut down."""
    if address == "auto" and ray.is_initialized():
        yield
        return
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "local")
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address == "local":
        quiet |= {"num_cpus": workers, "include_dashboard": False}
    try:
        with _without_telemetry():
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"no Ray can be used at {address!r}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """A Ray that is started within sends no statistics, unless the environment already says otherwise."""
    said = os.environ.get(_TELEMETRY)
    os.environ[_TELEMETRY] = said or "0"
    try:
        yield
    finally:
        if said is None:
            del os.environ[_TELEMETRY]
