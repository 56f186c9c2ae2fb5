"""What a box format is: how it is read and written, and what it can hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.formats.folder import ImageFolder

__all__ = ["EVERYTHING", "Format", "Reading"]

EVERYTHING = frozenset({"label", "source", "score", "unlabelled", "size", "classes", "id"})
"""What a format may hold: class, source and score of a box, a box without class, the images' sizes, the list
of classes with its order, and image ids as they are. Corners are held by all, to a millionth of a pixel."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading may need besides the path.

    Args:
        images: where the images are, for formats that need their sizes.
        columns: column of each field, for tables.
        components: one box per connected component of a mask, not per mask.
    """

    images: ImageFolder | None = None
    columns: Mapping[str, str] | None = None
    components: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """One box format.

    Args:
        read: reads a file or folder.
        write: writes to a path that is not there yet, or into an empty folder; None if it can only be read.
        holds: the part of `EVERYTHING` that survives a round trip.
        folder: suffixes of the files of a folder that it is written as; none if it is written as a file.
        needs_sizes: cannot be written while the size of an image is unknown.
    """

    read: Callable[[Path, Reading], BoxSet]
    write: Callable[[BoxSet, Path], None] | None
    holds: frozenset[str]
    folder: frozenset[str] = frozenset()
    needs_sizes: bool = False
