"""Decoded images at one size: made from the files, or kept on disk so that each file is decoded once.

Kept images lie in files of some hundred each, memory-mapped, which all epochs, runs and processes share.
A file's name tells what it is made of, so that images that were changed are made anew.
"""

import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, from_numpy
from torchvision.transforms.v2 import functional

from lesioncare.data.partial import new_array, open_array, partial_file, remove_left_over
from lesioncare.data.table import ImageTable
from lesioncare.data.workers import usable_cores
from lesioncare.errors import DataError, RunError
from lesioncare.images import read_image
from lesioncare.progress import counting

IMAGES_IN_FILE = 256
_SPARED = 0.5
"""Share of the free disk that kept images leave alone."""

__all__ = [
    "DecodedImage",
    "FilePixels",
    "KeptPixels",
    "Pixels",
    "decode",
    "file_key",
    "has_room",
    "keep_pixels",
]


class DecodedImage(NamedTuple):
    """An image uint8 [3, h, w], and the height and width of its file, in whose pixels boxes are given."""

    image: Tensor
    file_size: tuple[int, int]


class Pixels(Protocol):
    """Gives the images of a table at one size (h, w), the same ones wherever they come from."""

    size: tuple[int, int]

    def read(self, position: int) -> DecodedImage:
        """Give the image of a frame position."""


class FilePixels:
    """Decodes and resizes (bilinear, antialiased, to the whole of `size`) each time.

    Args:
        table: the images.
        size: height and width, in pixels.
    """

    def __init__(self, table: ImageTable, size: tuple[int, int]) -> None:
        self.size = size
        self._table = table

    def read(self, position: int) -> DecodedImage:
        """Give the image of a frame position.

        Raises:
            DataError: the image is damaged; the message names the file and the table's row.
        """
        image, file_size = decode(self._table, position)
        return DecodedImage(functional.resize(image, list(self.size), antialias=True), file_size)


class KeptPixels:
    """Reads what `keep_pixels` has written; the files are opened when they are first read.

    Args:
        files: each with the images of so many positions, in order.
        positions: frame positions.
        size: height and width, in pixels.
    """

    def __init__(
        self, files: Sequence[Path], positions: npt.NDArray[np.int64], size: tuple[int, int]
    ) -> None:
        self.size = size
        self._files = list(files)
        self._rows = {position: row for row, position in enumerate(positions.tolist())}
        self._open: dict[int, npt.NDArray[Any]] = {}

    def read(self, position: int) -> DecodedImage:
        """Give the image of a frame position.

        Raises:
            RunError: a file is damaged.
        """
        number, row = divmod(self._rows[position], IMAGES_IN_FILE)
        if number not in self._open:
            images = min(IMAGES_IN_FILE, len(self._rows) - number * IMAGES_IN_FILE)
            self._open[number] = open_array(self._files[number], images, _kind(self.size))
        kept = self._open[number][row]
        height, width = kept["file_size"].tolist()
        return DecodedImage(from_numpy(np.array(kept["pixels"])), (height, width))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}  # a map would be handed to another process as all its bytes


def keep_pixels(
    table: ImageTable, positions: npt.ArrayLike, size: tuple[int, int], directory: Path
) -> KeptPixels:
    """Decode and resize images once and keep them; those that are there are not made again.

    Threads decode (Pillow and torch work outside Python's lock), with a progress bar that tells how much disk
    is used. After a kill, files that were whole are used.

    Args:
        table: the images.
        positions: frame positions of those that are wanted.
        size: height and width, in pixels.
        directory: where the files go; may hold those of other tables and sizes.

    Raises:
        DataError: an image is damaged.
        RunError: the directory cannot be written.
    """
    wanted = np.asarray(positions, dtype=np.int64)
    blocks = list(_blocks(table, wanted, size, directory))
    missing = [(path, block) for path, block in blocks if not path.exists()]
    if missing:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            remove_left_over(directory)
            _make(FilePixels(table, size), missing)
        except OSError as error:
            raise RunError(
                f"{directory}: the decoded images cannot be written ({error}). "
                "Free some space, choose another --cache-dir, or train with --cache never."
            ) from error
    return KeptPixels([path for path, _ in blocks], wanted, size)


def has_room(table: ImageTable, positions: npt.ArrayLike, size: tuple[int, int], directory: Path) -> bool:
    """Say whether what is not kept yet fits into half of the disk's free room."""
    blocks = _blocks(table, np.asarray(positions, dtype=np.int64), size, directory)
    need = sum(len(block) for path, block in blocks if not path.exists()) * _kind(size).itemsize
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    return need <= shutil.disk_usage(place).free * (1 - _SPARED)


def decode(table: ImageTable, position: int) -> DecodedImage:
    """Decode the image of a frame position at its file's size.

    Raises:
        DataError: the image is damaged; the message names the file and the table's row.
    """
    try:
        image: Tensor = functional.to_image(read_image(Path(table.frame["path"].iloc[position])))
    except DataError as error:
        row = table.frame["row"].iloc[position]
        raise DataError(f"{table.source}, row {row}: {error}") from error
    return DecodedImage(image.as_subclass(Tensor), (image.shape[-2], image.shape[-1]))


def file_key(path: str) -> str:
    """Name a file's content by its path, size and time of change."""
    path = os.path.abspath(path)  # noqa: PTH100  of ten thousand images, Path takes a second
    stat = os.stat(path)  # noqa: PTH116
    return f"{path}|{stat.st_size}|{stat.st_mtime_ns}"


def _kind(size: tuple[int, int]) -> np.dtype[Any]:
    return np.dtype([("file_size", "<i4", (2,)), ("pixels", "u1", (3, *size))])


def _blocks(
    table: ImageTable, positions: npt.NDArray[np.int64], size: tuple[int, int], directory: Path
) -> Iterator[tuple[Path, npt.NDArray[np.int64]]]:
    """The files, and the positions of the images in each."""
    paths = table.frame["path"].to_numpy()
    for start in range(0, len(positions), IMAGES_IN_FILE):
        block = positions[start : start + IMAGES_IN_FILE]
        keys = "|".join(file_key(paths[position]) for position in block.tolist())
        name = hashlib.sha256(f"{size}|{keys}".encode()).hexdigest()[:16]
        yield directory / f"{size[0]}x{size[1]}-{name}.npy", block


def _make(source: FilePixels, missing: Sequence[tuple[Path, npt.NDArray[np.int64]]]) -> None:
    images = sum(len(block) for _, block in missing)
    kind = _kind(source.size)
    megabytes = images * kind.itemsize / 1e6
    size = f"{megabytes / 1e3:.1f} GB" if megabytes >= 1e3 else f"{math.ceil(megabytes)} MB"
    title = f"Keeping images ({size})"
    with (
        ThreadPoolExecutor(usable_cores()) as pool,
        counting(title, images, "images") as advance,
    ):
        for path, block in missing:
            partial = partial_file(path)
            kept = new_array(partial, kind, (len(block),))
            for row, (image, file_size) in enumerate(pool.map(source.read, block.tolist())):
                kept[row] = (file_size, image.numpy())
                advance(1)
            kept.flush()
            partial.replace(path)
