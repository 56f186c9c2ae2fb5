"""The files of a data set, listed once and found by name, wherever below the folder they lie."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import pandas as pd

from lesioncare.boxes.formats.folder import files_below, stem_of
from lesioncare.boxes.formats.masks import MASK_NAME
from lesioncare.errors import DataError
from lesioncare.images import IMAGE_SUFFIXES, is_image
from lesioncare.rawtable import first_few, read_raw_table
from lesioncare.words import noun, several

_MASK_FOLDERS = ("mask", "groundtruth", "segmentation")

__all__ = ["Tree", "partial_copy"]


def partial_copy(missing: int, which: str) -> list[str]:
    """What to tell of images that are not there, `which` in words: one note, or none."""
    gone = noun(missing, "is not there and was", "are not there and were")
    return [f"Partial copy: {which} {gone} left out."] if missing else []


class Tree:
    """What is below a folder, or one archive.

    Args:
        path: the folder, or a .npz file; then `root` is the file's folder.

    Raises:
        DataError: the path is neither.
    """

    def __init__(self, path: Path) -> None:
        self.file = path if path.suffix.lower() == ".npz" and path.is_file() else None
        if self.file is None and not path.is_dir():
            raise DataError(f"{path}: no such folder. Name the folder of the unpacked data set.")
        self.root = path.parent if self.file else path

    @cached_property
    def images(self) -> tuple[str, ...]:
        """Paths of all image files that are no masks, relative to the root."""
        return tuple(path for path in self.pictures if not is_mask(path))

    @cached_property
    def masks(self) -> tuple[str, ...]:
        """Paths of the image files that are masks, by their name or their folder's."""
        return tuple(path for path in self.pictures if is_mask(path))

    def image(self, name: str, within: str = "") -> str | None:
        """Path of the image of this file name or stem, the first of several; None where there is none.

        A mask of its name is none, unless all pictures look like masks by their folder.

        Args:
            name: file name, with or without its suffix.
            within: text that a folder of the path has, to tell parts that number alike.
        """
        found = [path for path in self.all_of(name) if not self.images or not is_mask(path)]
        return next((path for path in found if not within or within in path.rpartition("/")[0]), None)

    def all_of(self, name: str) -> list[str]:
        """Paths of all pictures of this file name or stem, masks last."""
        return self._by_name.get(name, [])

    def find(self, *names: str) -> Path | None:
        """The first file that has one of these names, whatever its case; nearer to the root wins."""
        for name in names:
            found = self._others.get(name.lower())
            if found is not None:
                return self.root / found
        return None

    def table(self, names: Iterable[str], columns: Iterable[str]) -> pd.DataFrame:
        """Read the first of these tables that is there; its path is in `attrs["path"]`.

        Raises:
            DataError: none is there, or it lacks a column.
        """
        names = tuple(names)
        path = self.find(*names)
        if path is None:
            raise DataError(f"{self.root}: no file {' or '.join(names)} in it. Is the data set complete?")
        frame = read_raw_table(path)
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            raise DataError(
                f"{path}: no column {missing[0]!r}; the columns are {', '.join(frame.columns)}. Take the "
                "file as it was published."
            )
        frame.attrs["path"] = path
        return frame

    def locate(self, names: Iterable[str], within: str = "") -> tuple[dict[str, str], list[str]]:
        """Paths of the images that are there, by name, and a sentence about those that are not.

        Args:
            names: file names or stems.
            within: as for `image`.

        Raises:
            DataError: none is there.
        """
        wanted = list(dict.fromkeys(names))
        found = {name: path for name in wanted if (path := self.image(name, within)) is not None}
        missing = [name for name in wanted if name not in found]
        if not found:
            raise DataError(
                f"{self.root}: none of the {len(wanted)} images of the tables is there, first "
                f"{first_few(missing, 1)}. Unpack the images below this folder."
            )
        return found, partial_copy(len(missing), f"{len(missing)} of {several(len(wanted), 'image')}")

    @cached_property
    def pictures(self) -> list[str]:
        """Paths of all image files, masks or not."""
        found = files_below(self.root, IMAGE_SUFFIXES)
        return [path for path in found if not _hidden(path)]

    @cached_property
    def bare_dicoms(self) -> list[str]:
        """Paths of the DICOM files without a suffix, as the archives of hospitals write them."""
        others = (path for path in self._files if not path.lower().endswith(tuple(IMAGE_SUFFIXES)))
        return [path for path in others if not _hidden(path) and is_image(self.root / path)]

    @cached_property
    def _by_name(self) -> Mapping[str, list[str]]:
        named: dict[str, list[str]] = {}
        for path in (*self.images, *self.masks):
            name = path.rpartition("/")[2]
            for key in {name, stem_of(name)}:
                named.setdefault(key, []).append(path)
        return named

    @cached_property
    def _files(self) -> list[str]:
        return files_below(self.root, [""])

    @cached_property
    def _others(self) -> Mapping[str, str]:
        paths = [path for path in self._files if not path.endswith(tuple(IMAGE_SUFFIXES))]
        paths.sort(key=lambda path: -path.count("/"))
        return {path.rpartition("/")[2].lower(): path for path in paths}


def _hidden(path: str) -> bool:
    """Whether a file is not the user's: macOS and notebooks keep copies, with the images' names."""
    return any(part.startswith(".") for part in path.split("/"))


def is_mask(path: str) -> bool:
    """Whether a picture is a mask: its name ends as one, or a folder's name says so."""
    folder, _, name = path.lower().rpartition("/")
    return bool(MASK_NAME.search(stem_of(name))) or any(
        word in part for part in folder.split("/") for word in _MASK_FOLDERS
    )
