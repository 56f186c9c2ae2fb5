"""The cells of a comparison on a Ray cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lesioncare.allocator import keep_freed_memory
from lesioncare.data.workers import limit_cores
from lesioncare.errors import ConfigError, RunError
from lesioncare.experiment.plan import Cell
from lesioncare.experiment.runners import Context, Outcome, Outcomes, train_cell, use_threads

__all__ = ["OnRay"]


class _Worker:
    """One Ray actor: the tables are handed over once."""

    def __init__(self, context: Context, threads: int) -> None:
        keep_freed_memory()
        limit_cores(threads)
        self._context = context
        self._threads = threads

    def train(self, cell: Cell) -> Outcome:
        with use_threads(self._threads):
            return train_cell(cell, self._context)


@dataclass(frozen=True)
class OnRay:
    """Several cells at a time, by Ray actors, each with its CPUs and, where there are some, a GPU.

    All nodes must see the table, the images, the output and the cache under the same paths.

    Attributes:
        address: "local" starts Ray on this machine and ends it afterwards; else a cluster's address, or
            "auto" for the one that runs here. Where this process is connected already, that is used.
        workers: actors; None: as many as the cluster has CPUs for, or GPUs.
        threads: CPUs of each; None shares this machine's cores among the workers.
    """

    address: str = "local"
    workers: int | None = None
    threads: int | None = None

    def __call__(self, cells: Sequence[Cell], context: Context) -> Outcomes:
        """Give the outcomes as they come.

        Raises:
            ConfigError: Ray is not installed, or there is no cluster at the address.
            RunError: an actor died.
        """
        ray = _ray()
        own = not ray.is_initialized()
        if not cells:
            return
        if own:
            self._connect(ray)
        try:
            yield from self._train(ray, cells, context)
        except ray.exceptions.RayActorError as error:
            raise RunError(
                f"A Ray worker died ({' '.join(str(error).split())[:300]}). Finished cells are kept: "
                "the same command goes on from there."
            ) from error
        finally:
            if own:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        try:
            ray.init(self.address, include_dashboard=False, log_to_driver=False, configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(f"--ray {self.address}: no cluster to be reached: {error}") from error

    def _train(self, ray: Any, cells: Sequence[Cell], context: Context) -> Outcomes:
        has = ray.cluster_resources()
        gpus = (
            int(has.get("GPU", 0)) if any(cell.config.schedule.accelerator != "cpu" for cell in cells) else 0
        )
        cpus = int(has.get("CPU", 1))
        workers = min(self.workers or gpus or cpus, cpus // (self.threads or 1), len(cells))
        largest = max(int(node["Resources"].get("CPU", 0)) for node in ray.nodes())
        threads = self.threads or max(1, min(cpus // max(1, workers), largest))
        if not 0 < threads <= largest or not workers:
            raise ConfigError(f"--threads {threads}: no machine of the cluster has so many CPUs ({largest}).")
        actor = ray.remote(num_cpus=threads, num_gpus=1 if gpus else 0)(_Worker)
        handed = ray.put(context)
        idle = [actor.remote(handed, threads) for _ in range(workers)]
        waiting: dict[Any, Any] = {}
        todo = list(cells)
        while todo or waiting:
            while todo and idle:
                one = idle.pop()
                waiting[one.train.remote(todo.pop(0))] = one
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            idle.append(waiting.pop(done))
            yield ray.get(done)


def _ray() -> Any:
    try:
        ray = import_module("ray")
        import_module("ray.exceptions")
    except ImportError as error:
        raise ConfigError("--ray needs the package ray: pip install 'lesioncare[ray]'.") from error
    return ray
