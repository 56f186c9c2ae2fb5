"""Who trains the cells of a comparison: this process, or several on this machine."""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import torch

from lesioncare.allocator import keep_freed_memory
from lesioncare.data.workers import limit_cores, usable_cores
from lesioncare.errors import LesionCareError, RunError
from lesioncare.experiment.plan import Cell
from lesioncare.training import RunDirectory, train
from lesioncare.training.shared import SharedInputs

__all__ = [
    "Context",
    "InOrder",
    "InProcesses",
    "Outcome",
    "Outcomes",
    "Runner",
    "gpu_of",
    "share_of_cores",
    "train_cell",
    "use_threads",
]


@dataclass(frozen=True)
class Context:
    """What all cells have in common.

    Attributes:
        directory: of the comparison.
        cache_dir: where the frozen features are.
        shared: the tables and splits.
        drop_weights: whether each cell's weights are deleted when it was tested.
    """

    directory: Path
    cache_dir: Path
    shared: SharedInputs
    drop_weights: bool = False


@dataclass(frozen=True)
class Outcome:
    """A cell after its turn: trained, or why it could not be."""

    cell: Cell
    error: LesionCareError | None = None


Outcomes = Generator[Outcome, None, None]


class Runner(Protocol):
    """Trains cells; the results do not depend on which one does, given the same number of threads."""

    def __call__(self, cells: Sequence[Cell], context: Context) -> Outcomes:
        """Give the outcome of each cell as it comes.

        Raises:
            RunError: a process died; what it had finished is kept.
        """


def train_cell(cell: Cell, context: Context) -> Outcome:
    """Train one cell, or only look whether it is complete."""
    place = context.directory / cell.path
    try:
        train(cell.config, place, cache_dir=context.cache_dir, shared=context.shared)
        if context.drop_weights:
            RunDirectory(place).drop_weights()
    except LesionCareError as error:
        return Outcome(cell, error)
    finally:
        gc.collect()  # a trainer and its loaders refer to each other, and to the kept features' files
    return Outcome(cell)


@dataclass(frozen=True)
class InOrder:
    """One cell after the other, in this process.

    Attributes:
        threads: of each training; None leaves torch's own number.
    """

    threads: int | None = None

    def __call__(self, cells: Sequence[Cell], context: Context) -> Outcomes:
        """Give the outcomes in the order of the cells."""
        with use_threads(self.threads):
            yield from (train_cell(cell, context) for cell in cells)


@dataclass(frozen=True)
class InProcesses:
    """Several cells at a time, in processes on this machine; of several GPUs each has its own.

    A script that uses it needs `if __name__ == "__main__":` around what it does, as for every use of
    processes.

    Attributes:
        workers: processes.
        threads: of each; None shares the cores among them.
    """

    workers: int
    threads: int | None = None

    def __call__(self, cells: Sequence[Cell], context: Context) -> Outcomes:
        """Give the outcomes as they come.

        Raises:
            RunError: a process died, killed by the system for its memory, say.
        """
        if not cells:
            return
        workers = min(self.workers, len(cells))
        spawn = get_context("spawn")  # not forked: a fork of a process with threads may hang
        # When this end is closed, or gone with this process, the workers end at once: a cell may take hours.
        listening, lifeline = spawn.Pipe(duplex=False)
        place = spawn.Value("i", 0)
        setting = (context, self.threads or share_of_cores(workers), listening, place)
        pool = ProcessPoolExecutor(workers, spawn, _start, setting)
        try:
            waiting = {pool.submit(_work, cell): cell for cell in cells}
            for future in as_completed(waiting):
                yield Outcome(waiting.pop(future), future.result())
            pool.shutdown()
        except BrokenProcessPool as error:
            raise RunError(
                "A worker process died (out of memory?). Finished cells are kept: the same command goes on "
                "from there, with fewer --workers if memory is short."
            ) from error
        finally:
            lifeline.close()
            pool.shutdown(cancel_futures=True)
            listening.close()


def share_of_cores(workers: int) -> int:
    """Threads of each of so many workers: together they use once the cores that this process may use."""
    return max(1, usable_cores() // workers)


def gpu_of(worker: int, gpus: int) -> str:
    """The name of the one GPU that a worker sees, where there are several: they are dealt in turn.

    Args:
        worker: its number, from 0.
        gpus: how many this process sees; where CUDA_VISIBLE_DEVICES names them, it is one of these.
    """
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = named[:gpus] or [str(number) for number in range(gpus)]
    return names[worker % len(names)]


@contextmanager
def use_threads(threads: int | None) -> Iterator[None]:
    """Compute with so many threads: sums in another order would give other last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_context: Context  # of this worker process; handed over once, for it holds the table


def _start(context: Context, threads: int, lifeline: Connection, place: Any) -> None:
    global _context  # noqa: PLW0603
    _context = context
    with place.get_lock():
        own, place.value = int(place.value), place.value + 1
    if torch.cuda.device_count() > 1:  # before CUDA starts in this process
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu_of(own, torch.cuda.device_count())
    keep_freed_memory()
    torch.set_num_threads(threads)
    limit_cores(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and that ends the workers
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  for good: bars of several trainings
    sys.path.append("")  # as the command line does: models may be in the current folder
    Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _work(cell: Cell) -> LesionCareError | None:
    return train_cell(cell, _context).error


def _end_with_parent(lifeline: Connection) -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel, lifeline])
        os._exit(1)
