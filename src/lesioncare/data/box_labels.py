"""Whose finding a box shows: a table has one label for each image, a box file may have boxes of several."""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from lesioncare.boxes.box import Box
from lesioncare.rawtable import first_few

_LOG = logging.getLogger(__name__)
_JOINED = re.compile(r"[+|]")

__all__ = ["is_of_another_class", "own_boxes"]


def is_of_another_class(box: str | None, image: str | None, classes: Collection[str]) -> bool:
    """Whether a box's label says that the box is not of its image's label.

    Only the name of another class says so: a name that is no class, as "lesion" or "opacity", may describe
    what the image has. A class that joins findings, as "active+latent" or "mass|edema", has those of each.

    Args:
        box: label of the box; None for none.
        image: label of its image; None or "" for none.
        classes: all classes.

    Example:
        >>> [is_of_another_class(box, "mass", ("edema", "mass")) for box in ("edema", "mass", "lesion", None)]
        [True, False, False, False]
        >>> is_of_another_class("active", "active+latent", ("active", "active+latent", "health"))
        False
    """
    return _differs(box, image) and box in classes


def own_boxes(
    boxes: Sequence[Box], label_of: Callable[[str], str | None], classes: Collection[str], source: Path
) -> list[Box]:
    """Leave out the boxes that are named after another class than their image's, and warn with their number.

    An attention loss pulls the map of the image's class into its boxes: not into that of another finding.
    Boxes whose label is no class are kept; where others in the file have classes, their number is warned of.

    Args:
        boxes: of a file, on images of the table.
        label_of: the class of an image; None where it has none.
        classes: of the table.
        source: the file, for messages.
    """
    labels = {image: label_of(image) for image in dict.fromkeys(box.image for box in boxes)}
    others = [box for box in boxes if is_of_another_class(box.label, labels[box.image], classes)]
    if others:
        _LOG.warning(
            "%s: left out %d box(es) that are named after another class than their image's: %s. If they show "
            "what the image's class means, correct the label of the box or of the image.",
            *(source, len(others), _told(others, labels)),
        )
    strange = [box for box in boxes if _differs(box.label, labels[box.image]) and box.label not in classes]
    if strange and any(box.label in classes for box in boxes):
        _LOG.warning(
            "%s: %d box(es) have a label that is no class of the table, beside others that have: %s. They "
            "are used as the lesions of their images; remove those of another finding.",
            *(source, len(strange), _told(strange, labels)),
        )
    return [box for box in boxes if not is_of_another_class(box.label, labels[box.image], classes)]


def _differs(box: str | None, image: str | None) -> bool:
    return bool(box and image) and box not in {image, *_JOINED.split(image or "")}


def _told(boxes: Sequence[Box], labels: dict[str, str | None]) -> str:
    return first_few([f"{box.image!r} is {labels[box.image]!r}, its box {box.label!r}" for box in boxes], 3)
