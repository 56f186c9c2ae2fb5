"""The same work on a Ray cluster."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from lesioncare.boxes.generation.maker import BoxMaker
from lesioncare.boxes.generation.outcome import Outcome
from lesioncare.boxes.generation.workers import Chunk, outcomes_of, single_thread
from lesioncare.errors import ConfigError

__all__ = ["run_on_ray"]


class _Worker:
    """One Ray actor: the maker is handed over once."""

    def __init__(self, maker: BoxMaker) -> None:
        self._maker = maker

    def work(self, chunk: Chunk) -> list[Outcome]:
        with single_thread():
            return outcomes_of(self._maker, chunk)


def run_on_ray(maker: BoxMaker, chunks: Sequence[Chunk], workers: int) -> Iterator[list[Outcome]]:
    """Give the outcomes of each chunk in order, by `workers` Ray actors of one CPU each.

    Uses the Ray that runs in this process, else the cluster that RAY_ADDRESS names, else a local one that
    is shut down at the end. All nodes must see the images under the same paths.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        ray: Any = import_module("ray")
        pool: Any = import_module("ray.util").ActorPool
    except ImportError as error:
        raise ConfigError("running on Ray needs the package ray: pip install 'lesioncare[ray]'.") from error
    own = not ray.is_initialized()
    if own:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        actor = ray.remote(num_cpus=1)(_Worker)
        actors = [actor.remote(maker) for _ in range(min(workers, max(1, len(chunks))))]
        yield from pool(actors).map(lambda worker, chunk: worker.work.remote(chunk), list(chunks))
    finally:
        if own:
            ray.shutdown()
