"""Files that are being made, beside other processes that may make the same."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["new_array", "partial_file", "remove_left_over"]


def partial_file(path: Path) -> Path:
    """A name that no other process uses, while the file is not whole."""
    return path.with_name(f"{path.name}@{platform.node()}@{os.getpid()}.part")


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


def remove_left_over(directory: Path) -> None:
    """Delete what killed processes of this machine have begun: it may be large."""
    for path in directory.glob("*.part"):
        _, _, owner = path.name.removesuffix(".part").partition("@")
        node, _, process = owner.rpartition("@")
        if not owner or (node == platform.node() and not _runs(int(process))):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
