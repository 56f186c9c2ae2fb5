"""Boxes from the masks and the box lists of data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import Size
from lesioncare.boxes.formats.bounds import make_box, parse_number
from lesioncare.boxes.formats.folder import stem_of
from lesioncare.boxes.formats.format import Reading
from lesioncare.boxes.formats.masks import MASK_NAME, read_masks
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError
from lesioncare.images import image_size
from lesioncare.progress import track

__all__ = ["Scale", "box_of_cells", "boxes_of_masks", "masks_by_image"]


def masks_by_image(masks: Sequence[str]) -> dict[str, list[str]]:
    """The masks of each image, by the image's stem."""
    found: dict[str, list[str]] = {}
    for path in masks:
        found.setdefault(MASK_NAME.sub("", stem_of(path.rpartition("/")[2])), []).append(path)
    return found


def boxes_of_masks(tree: Tree, masks: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> list[Box]:
    """The box around each mask that is not black, in pixels of the image, whose size the mask need not have.

    Args:
        tree: the files.
        masks: of each image, by its path.
        labels: of each image, by its path; "" for none.

    Raises:
        DataError: a mask has other proportions than its image, so that it does not lie upon it.
    """
    boxes = []
    for image, paths in track(masks.items(), "Reading masks", "images"):
        for path in paths:
            found = read_masks(tree.root / path, Reading())
            (drawn_on,) = found.images.values()
            # A black mask has no box, and need not fit.
            factors = _onto(tree.root / image, tree.root / path, drawn_on) if found.boxes else (1.0, 1.0)
            boxes += [
                replace(scaled(box, *factors), image=image, label=labels.get(image) or None)
                for box in found.boxes
            ]
    return boxes


def scaled(box: Box, x: float, y: float) -> Box:
    """The box with its edges multiplied, as on a copy of its image in another size."""
    return replace(box, x1=box.x1 * x, y1=box.y1 * y, x2=box.x2 * x, y2=box.y2 * y)


def _onto(image: Path, mask: Path, drawn_on: Size | None) -> tuple[float, float]:
    """What brings a mask's width and height to those of its image."""
    size = image_size(image)
    width, height = drawn_on or size
    # The same proportions, but for the rounding of a side to whole pixels.
    if abs(size[0] * height - size[1] * width) > max(*size, width, height):
        raise DataError(
            f"{mask}: {width} x {height} pixels, and its image {image.name} has {size[0]} x {size[1]}: other "
            "proportions, so one of them was cut or squashed. Take both as they were published."
        )
    return size[0] / width, size[1] / height


class Scale:
    """Brings boxes that were drawn on images of one size onto copies of another."""

    def __init__(self, root: Path) -> None:
        self._size = cache(lambda image: image_size(root / image))

    def __call__(self, box: Box, drawn_on: tuple[float, float]) -> Box:
        """The same box in pixels of the image that is there; `drawn_on` is width and height of the first."""
        width, height = self._size(box.image)
        return scaled(box, width / drawn_on[0], height / drawn_on[1])


def box_of_cells(where: str, image: str, cells: Sequence[str], label: str | None, *, sized: bool) -> Box:
    """A box from text cells: left, top, then right and bottom, or with `sized` width and height.

    Raises:
        DataError: a cell is no number, or there is no box; the message begins with `where`.
    """
    x, y, right, bottom = (parse_number(cell, where) for cell in cells)
    corners = (x, y, x + right, y + bottom) if sized else (x, y, right, bottom)
    return make_box(where, image, corners, label=label)
