"""Finding images by id in a folder, and their sizes."""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from lesioncare.boxes.boxset import Size
from lesioncare.errors import DataError
from lesioncare.images import IMAGE_SUFFIXES, image_size

__all__ = ["ImageFolder", "files_below", "stem_of"]


class ImageFolder:
    """The images below a folder, by id: a path relative to it, with or without the image's suffix.

    An id that is no such path is looked for by its file name alone, and found if only one file has it.

    Raises:
        DataError: `root` is no folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root}: no such folder of images. Check the path.")
        self.root = root

    def find(self, image: str) -> str | None:
        """Path of an image relative to the root with "/" between folders; None if there is none.

        Raises:
            DataError: the id fits several files.
        """
        wanted = str(PurePosixPath(image.replace("\\", "/")))
        has_suffix = stem_of(wanted) != wanted
        for key in (wanted, wanted.rsplit("/", 1)[-1]):
            found = self._index.get(key, [])
            found = [path for path in found if not has_suffix or path.endswith(key)]
            if len(found) > 1:
                two = " and ".join(found[:2])
                raise DataError(f"{self.root}: image {image!r} fits {two}. Use full ids.")
            if found:
                return found[0]
        return None

    def size(self, image: str) -> Size | None:
        """Width and height in pixels; None if there is no such image."""
        found = self.find(image)
        return None if found is None else image_size(self.root / found)

    def sizes(self, images: Iterable[str]) -> dict[str, Size | None]:
        """Size of each image, None where it is missing."""
        return {image: self.size(image) for image in images}

    @cached_property
    def _index(self) -> dict[str, list[str]]:
        """Paths by themselves, by stem, and both without their folders; listed once."""
        index: dict[str, list[str]] = {}
        for path in files_below(self.root, IMAGE_SUFFIXES):
            for key in {path, stem_of(path), path.rsplit("/", 1)[-1], stem_of(path.rsplit("/", 1)[-1])}:
                index.setdefault(key, []).append(path)
        return index


def files_below(root: Path, suffixes: Iterable[str]) -> list[str]:
    """Sorted paths, relative to `root` with "/", of the files below it that have one of the suffixes.

    Raises:
        DataError: a folder cannot be read.
    """
    wanted = tuple(suffixes)
    found = []
    for folder, _, names in os.walk(root, onerror=_refuse):
        # Text, since a Path for each of a million files costs seconds.
        before = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if before == "." else f"{before}/"
        found += [prefix + name for name in names if name.lower().endswith(wanted)]
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: the folder cannot be read ({error.strerror}).") from error


def stem_of(image: str) -> str:
    """An image id without the suffix of an image file; other suffixes stay, as in `"lesion.1"`."""
    stem, dot, suffix = image.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in IMAGE_SUFFIXES else image
