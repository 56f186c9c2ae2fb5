"""Looking for boxes that can hardly be meant: outside the image, tiny, doubled, of no image or class."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet, Size
from lesioncare.boxes.formats.folder import ImageFolder
from lesioncare.errors import DataError

OUTSIDE_SLACK = 1.0
"""A box may leave its image by this many pixels: labelling tools round in different ways."""
SAME_BOX = 0.95
"""Boxes of one image and class with at least this intersection over union are one box drawn twice."""

__all__ = ["OUTSIDE_SLACK", "SAME_BOX", "Finding", "check_boxes"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at.

    Args:
        kind: "outside image", "tiny", "duplicate", "unknown class", "no class", "image missing",
            "image unreadable" or "other size".
        image: the image's id.
        detail: the box or the numbers, in words.
    """

    kind: str
    image: str
    detail: str


def check_boxes(
    boxset: BoxSet,
    *,
    image_root: Path | None = None,
    classes: Collection[str] | None = None,
    min_side: float = 4.0,
) -> tuple[Finding, ...]:
    """List what looks wrong, image by image.

    Args:
        boxset: the boxes.
        image_root: folder of the images; without it no image is looked for.
        classes: names that a class may have; without them any is known.
        min_side: a box with a side shorter than this, in pixels, is tiny.

    Raises:
        DataError: `image_root` is no folder.
    """
    images = None if image_root is None else ImageFolder(image_root)
    return tuple(_findings(boxset, images, classes, min_side))


def _findings(
    boxset: BoxSet, images: ImageFolder | None, classes: Collection[str] | None, min_side: float
) -> Iterator[Finding]:
    some_class = any(box.label is not None for box in boxset.boxes)
    for image, boxes in boxset.by_image().items():
        size = boxset.images[image]
        if images is not None:
            found, finding = _look_at(images, image, size)
            size = found or size
            if finding is not None:
                yield finding
        yield from _duplicates(boxes)
        for box in boxes:
            yield from _check_place(box, size, min_side)
            if classes is not None and box.label is not None and box.label not in classes:
                yield Finding("unknown class", image, f"{box.label!r}")
            if some_class and box.label is None:
                yield Finding("no class", image, _shown(box))


def _look_at(images: ImageFolder, image: str, size: Size | None) -> tuple[Size | None, Finding | None]:
    """The image's own size, and what is wrong with it."""
    try:
        actual = images.size(image)
    except DataError as error:
        return None, Finding("image unreadable", image, str(error))
    if actual is None:
        return None, Finding("image missing", image, f"not in {images.root}")
    if size not in {None, actual}:
        return actual, Finding("other size", image, f"the file says {size}, the image has {actual}")
    return actual, None


def _check_place(box: Box, size: Size | None, min_side: float) -> Iterator[Finding]:
    if size is not None:
        over = max(-box.x1, -box.y1, box.x2 - size[0], box.y2 - size[1])
        if over > OUTSIDE_SLACK:
            yield Finding(
                "outside image", box.image, f"{_shown(box)} by {over:.1f} px of {size[0]} x {size[1]}"
            )
    if min(box.x2 - box.x1, box.y2 - box.y1) < min_side:
        yield Finding("tiny", box.image, _shown(box))


def _duplicates(boxes: list[Box]) -> Iterator[Finding]:
    """Each box that repeats an earlier one of the image."""
    corners = np.array([box.xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
    for number, box in enumerate(boxes[1:], start=1):
        shared = np.minimum(corners[:number, 2:], corners[number, 2:])
        shared = shared - np.maximum(corners[:number, :2], corners[number, :2])
        inner = shared.clip(min=0).prod(axis=1)
        areas = (corners[:number, 2:] - corners[:number, :2]).prod(axis=1)
        same = inner >= SAME_BOX * (areas + box.area - inner)
        if any(boxes[other].label == box.label for other in np.flatnonzero(same)):
            yield Finding("duplicate", box.image, _shown(box))


def _shown(box: Box) -> str:
    return "box " + ", ".join(f"{value:.1f}" for value in box.xyxy)
