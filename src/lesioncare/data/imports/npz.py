"""Reading an array of an .npz file row by row: a zip archive of .npy files, which need not fit into memory.

Format: numpy.lib.format (versions 1.0 and 2.0). Nothing is unpickled.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from lesioncare.errors import DataError
from lesioncare.images import MAX_PIXELS

Shape = tuple[int, ...]
_DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)
_LONGEST = 4 * MAX_PIXELS
"""Bytes of one row, or of an array that is read as a whole."""

__all__ = ["Shape", "npz_array", "npz_rows", "npz_shape"]


def npz_shape(path: Path, name: str) -> tuple[np.dtype[Any], Shape]:
    """Kind of the values and shape of an array, from its header.

    Raises:
        DataError: the file is no .npz, lacks the array, or its header is damaged.
    """
    with _opened(path, name) as (_, kind, shape):
        return kind, shape


def npz_array(path: Path, name: str) -> npt.NDArray[Any]:
    """A small array as a whole.

    Raises:
        DataError: as for `npz_rows`.
    """
    with _opened(path, name) as (file, kind, shape):
        return _values(file, kind, shape)


def npz_rows(path: Path, name: str) -> Iterator[npt.NDArray[Any]]:
    """The rows of an array, one after the other; one is held at a time.

    Raises:
        DataError: as for `npz_shape`, or the array ends early, or one row is larger than an image may be.
    """
    with _opened(path, name) as (file, kind, shape):
        for _ in range(shape[0]):
            yield _values(file, kind, shape[1:])
        if file.read(1):  # the zip archive's checksum is compared at the end only
            raise ValueError(f"{name} is longer than its header says")


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[IO[bytes], np.dtype[Any], Shape]]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            yield file, *_header(file, name)
    except _DAMAGE as error:
        raise DataError(f"{path}: not the archive that it should be ({error}). Download it again.") from error


def _header(file: IO[bytes], name: str) -> tuple[np.dtype[Any], Shape]:
    version = npy.read_magic(file)
    if version not in {(1, 0), (2, 0)}:
        raise ValueError(f"{name} has version {version} of the format")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, kind = read(file)
    if kind.hasobject or by_columns or not shape:
        raise ValueError(f"{name} is no array of numbers by rows")
    return kind, shape


def _values(file: IO[bytes], kind: np.dtype[Any], shape: Shape) -> npt.NDArray[Any]:
    size = math.prod(shape) * kind.itemsize
    if not 0 <= size <= _LONGEST:
        raise ValueError(f"{size} bytes at once")
    found = file.read(size)
    if len(found) < size:
        raise EOFError("it ends early")
    return np.frombuffer(found, kind).reshape(shape)
