"""Whose finding a box shows: a table has one label for each image, a box file may have boxes of several."""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from lesioncare.boxes.box import Box
from lesioncare.rawtable import first_few

_LOG = logging.getLogger(__name__)
_JOINED = re.compile(r"[+|]")

Labels = Callable[[str], str | None]
"""The class of an image by its name; None, or "", where it has none."""

__all__ = ["boxes_of_other_classes", "own_boxes"]


def boxes_of_other_classes(boxes: Sequence[Box], label_of: Labels, classes: Collection[str]) -> list[Box]:
    """The boxes whose label says that they are not of their image's label.

    Only the name of another class says so: a name that is no class, as "lesion" or "opacity", may describe
    what the image has. A class that joins findings, as "active+latent" or "mass|edema", has those of each.
    Where all boxes have one number as their label, as detectors of one class write it, it is no class.

    Args:
        boxes: of one file.
        label_of: the class of each image.
        classes: all classes.

    Example:
        >>> boxes = [Box("a.png", 1, 1, 9, 9, label=name) for name in ("mass", "edema", "lesion", None)]
        >>> [box.label for box in boxes_of_other_classes(boxes, lambda image: "mass", ("edema", "mass"))]
        ['edema']
        >>> boxes_of_other_classes(boxes, lambda image: "mass+edema", ("edema", "mass", "mass+edema"))
        []
    """
    names = {box.label for box in boxes if box.label}
    if len(names) == 1 and all(name.isdecimal() for name in names):
        return []
    return [box for box in boxes if box.label in classes and _differs(box, label_of)]


def own_boxes(boxes: Sequence[Box], label_of: Labels, classes: Collection[str], source: Path) -> list[Box]:
    """Leave out the boxes that are named after another class than their image's, and warn with their number.

    An attention loss pulls the map of the image's class into its boxes: not into that of another finding.
    Boxes whose label is no class are kept; where others in the file have classes, their number is warned of.

    Args:
        boxes: of a file, on images of the table.
        label_of: the class of each image.
        classes: of the table.
        source: the file, for messages.
    """
    others = boxes_of_other_classes(boxes, label_of, classes)
    if others:
        _LOG.warning(
            "%s: left out %d box(es) that are named after another class than their image's: %s. If they show "
            "what the image's class means, correct the label of the box or of the image.",
            *(source, len(others), _told(others, label_of)),
        )
    strange = [box for box in boxes if box.label not in classes and _differs(box, label_of)]
    if strange and any(box.label in classes for box in boxes):
        _LOG.warning(
            "%s: %d box(es) have a label that is no class of the table, beside others that have: %s. They "
            "are used as the lesions of their images; remove those of another finding.",
            *(source, len(strange), _told(strange, label_of)),
        )
    left = set(map(id, others))
    return [box for box in boxes if id(box) not in left]


def _differs(box: Box, label_of: Labels) -> bool:
    label = label_of(box.image)
    return bool(box.label and label) and box.label not in {label, *_JOINED.split(label or "")}


def _told(boxes: Sequence[Box], label_of: Labels) -> str:
    return first_few([f"{box.image!r} is {label_of(box.image)!r}, its box {box.label!r}" for box in boxes], 3)
