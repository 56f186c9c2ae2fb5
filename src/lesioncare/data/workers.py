"""How many processes load images, where nobody says."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lesioncare.errors import RunError

__all__ = ["auto_workers", "limit_cores", "reporting_dead_workers", "usable_cores"]

MOST_WORKERS = 16
FEW_IMAGES = 300
"""Up to so many images, starting processes costs more than it saves."""
_AHEAD = 3
"""Batches of a worker in shared memory: two that wait for the trainer, one that is being made."""
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  only its room is asked for


_limit: int | None = None  # of this process


def limit_cores(cores: int) -> None:
    """Let this process, one of several that share the machine, use so many cores."""
    global _limit  # noqa: PLW0603
    _limit = cores


def usable_cores() -> int:
    """Cores that this process may use; `os.cpu_count` also counts those that it was not given."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if _limit is None else min(cores, _limit)


def auto_workers(images: int, batch_bytes: int, *, on_cpu: bool, sharing: int = 1) -> int:
    """Give the number of worker processes of a loader: the cores less one, at most 16.

    None for a few hundred images, in a process that may have no children, and none more than shared memory
    has room for: containers often have 64 MB of it, and a batch that does not fit kills the run. On a CPU of
    two cores, which the network's threads use both, a worker would only be in their way.

    Args:
        images: how many are loaded.
        batch_bytes: size of a batch, in bytes.
        on_cpu: whether the network runs on the CPU, too.
        sharing: how many processes train together on this machine.
    """
    cores = max(1, usable_cores() // sharing)
    busy = on_cpu and cores <= min(2, torch.get_num_threads())
    if images <= FEW_IMAGES or busy or multiprocessing.current_process().daemon:
        return 0
    return max(0, min(cores - 1, MOST_WORKERS, _room() // max(1, _AHEAD * batch_bytes)))


@contextmanager
def reporting_dead_workers() -> Iterator[None]:
    """Say in one message that a process of a torch `DataLoader` died.

    Raises:
        RunError: in place of torch's `RuntimeError`.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise RunError(
            "A process that loads images died (out of memory?). The same command goes on from here; "
            "give fewer --workers if memory is short."
        ) from error


def _room() -> int:
    """Bytes that are free in shared memory; half of it, for others use it too."""
    try:
        free = os.statvfs(_SHARED_MEMORY)
    except (OSError, AttributeError):  # a system that has no such folder, and no such limit
        return 2**62
    return free.f_bavail * free.f_frsize // 2
