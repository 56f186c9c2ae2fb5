"""Boxes for a control: of the same sizes, wherever the lesions are.

An arm of a comparison that learns from these boxes has all that the attention loss does to a network, but
knows no lesion. What it gains is not gained by looking at them.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet, Size
from lesioncare.errors import ConfigError, DataError

Place = Literal["anywhere", "centre"]

DECIMALS = 4
"""Of the corners, in pixels; more would look like exactness."""
_SOURCE = "control, "

__all__ = ["Place", "control_boxes", "covered_shares", "is_control"]


def is_control(source: str) -> bool:
    """Whether boxes of this source are of `control_boxes`."""
    return source.startswith(_SOURCE)


def control_boxes(boxset: BoxSet, place: Place = "anywhere", *, seed: int = 0) -> BoxSet:
    """Move every box within its image; sizes, classes and scores stay. Corners have four decimals.

    Args:
        boxset: boxes in pixels, all images with boxes of known size.
        place: "anywhere", at random, each place in which the box lies in the image being as likely; or
            "centre", the middle of the image.
        seed: of the places.

    Returns:
        The boxes in the same order. Their source is "control, anywhere" or "control, centre".

    Raises:
        ConfigError: an unknown place.
        DataError: the size of an image is not known, or the boxes are a control already.
    """
    if place not in ("anywhere", "centre"):
        raise ConfigError(f"Expected `place` to be 'anywhere' or 'centre', but got {place!r}.")
    if any(is_control(box.source) for box in boxset.boxes):
        raise DataError(
            "These boxes are a control already, and tell nothing of where the lesions are. Give the lesions' "
            "own boxes."
        )
    rng, boxes = np.random.default_rng(seed), []
    for box in boxset.boxes:
        size = boxset.images[box.image]
        if size is None:
            raise DataError(
                f"The size of {box.image!r} is not known: the file does not tell it, and no such image was "
                "read. Give the folder of the images (--images)."
            )
        right, down = rng.random(2).tolist() if place == "anywhere" else (0.5, 0.5)
        boxes.append(replace(_moved(box, size, (right, down)), source=f"{_SOURCE}{place}"))
    return replace(boxset, boxes=tuple(boxes))


def covered_shares(true: BoxSet, moved: BoxSet) -> list[float]:
    """How much of each true box its moved one still covers, in [0, 1]: 0 is no overlap, 1 is no control.

    Args:
        true: the boxes before.
        moved: the same boxes, in the same order, of `control_boxes`.
    """
    shares = []
    for a, b in zip(true.boxes, moved.boxes, strict=True):
        width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
        shares.append(max(0.0, width) * max(0.0, height) / a.area)
    return shares


def _moved(box: Box, size: Size, spot: tuple[float, float]) -> Box:
    """The box with its free room at the left and at the top in these shares; cut to the image if larger."""
    # Sides are rounded first, and to no less than the last decimal: so the box stays in the image, and a box.
    sides = [min(box.x2 - box.x1, size[0]), min(box.y2 - box.y1, size[1])]
    width, height = (max(10**-DECIMALS, round(side, DECIMALS)) for side in sides)
    x1, y1 = round((size[0] - width) * spot[0], DECIMALS), round((size[1] - height) * spot[1], DECIMALS)
    return replace(box, x1=x1, y1=y1, x2=round(x1 + width, DECIMALS), y2=round(y1 + height, DECIMALS))
