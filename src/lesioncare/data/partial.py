"""Files that are being made, beside other processes that may make the same, and read when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lesioncare.errors import RunError
from lesioncare.leftover import is_left_over, owned

__all__ = ["new_array", "open_array", "partial_file", "reading_kept", "remove_left_over"]


def partial_file(path: Path) -> Path:
    """A name that no other process uses, while the file is not whole."""
    return path.with_name(owned(path.name) + ".part")


def new_array(path: Path, kind: np.dtype[Any], shape: tuple[int, ...]) -> "np.memmap[Any, np.dtype[Any]]":
    """Make an array in a file, with its room on the disk: a full disk would end the process at a later write.

    Raises:
        OSError: the disk has no room for it; no file is left.
    """
    try:
        array: np.memmap[Any, np.dtype[Any]] = np.lib.format.open_memmap(
            path, mode="w+", dtype=kind, shape=shape
        )
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return array


def open_array(
    path: Path, length: int, kind: "np.dtype[Any] | None" = None
) -> "np.memmap[Any, np.dtype[Any]]":
    """Map an array that `new_array` made, to be read.

    Args:
        path: the file.
        length: rows that it must have.
        kind: of its values; None: floats.

    Raises:
        RunError: the file is damaged, or holds another array.
    """
    with reading_kept(path):
        array: np.memmap[Any, np.dtype[Any]] = np.load(path, mmap_mode="r", allow_pickle=False)
        right = np.issubdtype(array.dtype, np.floating) if kind is None else array.dtype == kind
        if not right or not array.ndim or len(array) != length:
            raise ValueError(f"{array.dtype} {array.shape} in place of {length} rows")
    return array


@contextmanager
def reading_kept(path: Path) -> Iterator[None]:
    """Say in one message that a file that is kept to save time is damaged, whatever the reason.

    Raises:
        RunError: in place of what its reader raises.
    """
    try:
        yield
    except Exception as error:
        raise RunError(
            f"{path}: what was kept there is damaged ({error}). Delete this file; the same command makes it "
            "anew."
        ) from error


def remove_left_over(directory: Path) -> None:
    """Delete what killed processes of this machine have begun: it may be large."""
    for path in directory.glob("*.part"):
        name = path.name.removesuffix(".part")
        if "@" not in name or is_left_over(name):
            path.unlink(missing_ok=True)
