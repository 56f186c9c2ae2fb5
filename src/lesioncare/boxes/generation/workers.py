"""Working through chunks of images, here or in processes of one thread each."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from lesioncare.boxes.generation.maker import BoxMaker, Corners, Found
from lesioncare.boxes.generation.outcome import Outcome
from lesioncare.errors import DataError, RunError
from lesioncare.images import read_image

Chunk = list[tuple[str, Path]]
"""Id and path of some images."""

__all__ = ["Chunk", "outcomes_of", "run_in_processes", "single_thread"]


def run_in_processes(maker: BoxMaker, chunks: Sequence[Chunk], workers: int) -> Iterator[list[Outcome]]:
    """Give the outcomes of each chunk in order, by `workers` processes, or in this one if that is 1.

    Raises:
        RunError: a process died, killed by the system for its memory, say.
    """
    if workers == 1:
        with single_thread():
            yield from (outcomes_of(maker, chunk) for chunk in chunks)
        return
    # Spawned, not forked: a fork of a process with threads (OpenCV's, torch's) may hang.
    pool = ProcessPoolExecutor(min(workers, max(1, len(chunks))), get_context("spawn"), _start, (maker,))
    try:
        yield from pool.map(_work, chunks)
    except BrokenProcessPool as error:
        raise RunError("a worker process died (out of memory?). Run again to go on from there.") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def outcomes_of(maker: BoxMaker, chunk: Chunk) -> list[Outcome]:
    """Make the boxes of a chunk; an image that cannot be read becomes an outcome with an error."""
    return [_outcome(maker, image, path) for image, path in chunk]


@contextmanager
def single_thread() -> Iterator[None]:
    """OpenCV, BLAS and OpenMP with one thread each: sums in another order would give other last digits."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(threads)


def _outcome(maker: BoxMaker, image: str, path: Path) -> Outcome:
    try:
        pixels = np.asarray(read_image(path), np.uint8)
    except DataError as error:
        return Outcome(image, error=str(error).removeprefix(f"{path}: "))  # its id is told with it
    found = maker(pixels)
    size = (pixels.shape[1], pixels.shape[0])
    return Outcome(image, size, found and Found(_rounded(found.corners), round(found.score, 4)))


def _rounded(corners: Corners) -> Corners:
    x1, y1, x2, y2 = (round(float(value), 2) for value in corners)
    return (x1, y1, x2, y2)


_maker: BoxMaker  # of this worker process; handed over once, for a maker may hold a network


def _start(maker: BoxMaker) -> None:
    global _maker  # noqa: PLW0603
    _maker = maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and that ends the workers
    Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    threadpool_limits(1)


def _work(chunk: Chunk) -> list[Outcome]:
    return outcomes_of(_maker, chunk)


def _end_with_parent() -> None:
    """A killed parent cannot end its workers, and they would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
