"""Finding the file of each image id."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lesioncare.errors import DataError
from lesioncare.images import IMAGE_SUFFIXES
from lesioncare.rawtable import first_few
from lesioncare.words import noun, several

NAME_FOLDER = "name the images' folder (--images)"
"""What to do where the images lie elsewhere; a command with another option for it replaces these words."""

__all__ = ["NAME_FOLDER", "ImageFinder", "locate_images"]


def locate_images(images: pd.Series, roots: Sequence[Path], source: Path) -> pd.Series:
    """Find the file of each image id, with or without its extension.

    Args:
        images: ids (file names or paths, relative to a root or absolute), indexed by row.
        roots: folders to look in, the first that has the file wins.
        source: the table, for messages.

    Raises:
        DataError: an image is in no root, or an id without extension fits two files.
    """
    finder = ImageFinder(roots)
    found = {image: finder.find(image) for image in images.unique()}
    wrong = images[images.map({image: len(paths) != 1 for image, paths in found.items()})]
    if len(wrong):
        lines = [f"row {row}: {_complaint(image, found[image])}" for row, image in wrong.items()]
        where = " or ".join(str(root) for root in roots)
        raise DataError(
            f"{source}: {len(lines)} of {several(len(images), 'row')} {noun(len(lines), 'does', 'do')} "
            f"not name one image in {where}: "
            f"{first_few(lines)}. Correct the table, or {NAME_FOLDER}."
        )
    return images.map({image: paths[0] for image, paths in found.items()})


class ImageFinder:
    """Lists each folder once, for a look-up per image; text, since a `Path` per image costs too much."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = roots
        self.folders: dict[tuple[Path, str], dict[str, list[str]]] = {}

    def find(self, image: str) -> list[str]:
        """Files of this name, else images of this stem, in the first root that has any."""
        relative = image.replace("\\", "/")
        cut = relative.rfind("/") + 1
        folder, name = relative[:cut], relative[cut:]
        for root in self.roots:
            if (root, folder) not in self.folders:
                self.folders[root, folder] = _index(root / folder)
            paths = self.folders[root, folder].get(name)
            if paths:
                return paths
        return []


def _complaint(image: str, candidates: Sequence[str]) -> str:
    if candidates:
        return f"{image!r} fits {' and '.join(candidates)}"
    return f"no file {image!r}" if image else "the image is empty"


def _index(folder: Path) -> dict[str, list[str]]:
    """Paths of a folder's files by their name, and of images also by their stem."""
    folder = folder.resolve()
    try:
        with os.scandir(folder) as entries:
            files = sorted((entry.name, entry.path) for entry in entries if entry.is_file())
    except OSError:
        return {}
    index: dict[str, list[str]] = {}
    for name, path in files:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122  a Path per file costs seconds at a million
        if suffix.lower() in IMAGE_SUFFIXES:
            index.setdefault(stem, []).append(path)
    return index | {name: [path] for name, path in files}
