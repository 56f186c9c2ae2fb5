"""What a layout is: how a data set lies on disk, how it is read, and what was published of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lesioncare.boxes.box import Box
from lesioncare.data.imports.labels import LabelRule
from lesioncare.data.imports.tree import Tree

__all__ = ["Count", "Found", "Layout", "Record", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user decides.

    Args:
        rule: how several findings of one image become one label.
        official_split: whether the official parts are kept as the table's split.
    """

    rule: LabelRule = field(default_factory=LabelRule)
    official_split: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """One image of the table.

    Args:
        image: its path below the folder that is imported, with "/" between folders.
        label: its class; "" in a data set without classes.
        group: its lesion or patient; None where that is not known.
        split: train, val or test; None where there are no official parts.
    """

    image: str
    label: str
    group: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A number that was found, beside the one that the authors published (None: not published)."""

    what: str
    found: int
    published: int | None = None

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return self.published in {None, self.found}


@dataclass(frozen=True)
class Found:
    """What reading a folder gave.

    Args:
        records: the images with one label each.
        boxes: lesions by the images' names in `records`.
        counts: to compare with the published ones.
        notes: sentences for the user: what was left out and why, which rule made the labels.
        patients: whether the groups are patients; their ids are hashed before they are written.
        labels: images of each class to compare with the published ones; by default those of `records`.
        pixels: where the images are not files yet: gives name and pixels, grey [h, w] or RGB [h, w, 3],
            of one image after the other, also of those that are not in `records`.
    """

    records: tuple[Record, ...]
    boxes: tuple[Box, ...] = ()
    counts: tuple[Count, ...] = ()
    notes: tuple[str, ...] = ()
    patients: bool = False
    labels: Mapping[str, int] | None = None
    pixels: Callable[[], Iterator[tuple[str, npt.NDArray[np.uint8]]]] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """One data set, or one way of keeping images, as people have it on disk.

    Args:
        title: its full name.
        expects: the files, in one line.
        read: reads what is below a folder; raises `DataError` where it is not this layout.
        source: where to get it.
        licence: under which licence, as its authors state it.
        classes: published images of each class; empty where labels depend on the user or the copy.
        multi_label: whether `Settings.rule` matters.
    """

    title: str
    expects: str
    read: Callable[[Tree, Settings], Found]
    source: str = "your own images"
    licence: str = "yours"
    classes: Mapping[str, int] = field(default_factory=dict)
    multi_label: bool = False
