"""Binary masks, png, to boxes: one box around each mask, or around each of its connected parts.

A mask belongs to the image of the same name, perhaps followed by `_mask`, `_segmentation` or the like and a
number, so that an image may have several. Where a folder has such names, its other files are taken for the
images themselves. A black mask says that the image has no box. Masks can be read only.
"""

import re
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet, Size
from lesioncare.boxes.formats.bounds import check_count, make_box, read_start
from lesioncare.boxes.formats.folder import ImageFolder, files_below, stem_of
from lesioncare.boxes.formats.format import Reading
from lesioncare.errors import DataError
from lesioncare.images import read_image

MASK_NAME = re.compile(r"_(mask|masks|segmentation|seg|lesion|gt|groundtruth)(_\d+)?$", re.IGNORECASE)
PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_RATIO = 1032
"""Deflate, PNG's compression, makes nothing smaller by more than this factor."""
MOST_GREY = 0.5
"""Share of pixels that may be neither dark nor bright: soft edges have few, photographs many."""
_SAMPLE, _FEW_GREY, _FEW_VALUES = 5, 0.05, 16
"""Of what is guessed to be masks so many files are looked at; a mask has as few grey pixels, or values."""
MAX_PARTS = 1000
"""Most connected parts of a mask; more is noise, not lesions."""

__all__ = ["are_masks", "image_of_mask", "mask_files", "read_masks"]


def read_masks(path: Path, reading: Reading) -> BoxSet:
    """Read one mask, or all below a folder; foreground is what is brighter than half of the brightest pixel.

    The image id is the mask's name without such an ending, or the image's path if `reading.images` has it.
    A box's right and bottom edges lie behind its last pixel: one pixel makes a box of 1 x 1.

    Raises:
        DataError: a mask is no png, is damaged or too large, has another size than its image or than the
            image's other masks, is a photograph, or has more than 1000 connected parts.
    """
    root = path if path.is_dir() else path.parent
    boxes: list[Box] = []
    images: dict[str, Size | None] = {}
    for name in mask_files(path) if path.is_dir() else [path.name]:
        image = image_of_mask(name, reading.images) or MASK_NAME.sub("", stem_of(name))
        size, corners = _read_one(root / name, components=reading.components)
        expected = images.get(image) or (reading.images.size(image) if reading.images else None) or size
        if size != expected:
            raise DataError(
                f"{root / name}: {size} pixels; its image or other mask has {expected}. Resize it."
            )
        images[image] = size
        boxes += [make_box(f"{root / name}", image, four, source="mask") for four in corners]
        check_count(len(boxes), path, "boxes")
    return BoxSet.of(boxes, images)


def mask_files(folder: Path) -> list[str]:
    """The masks below a folder, relative to it: of its .png files those named as masks, or else all.

    Raises:
        DataError: there are none, or too many.
    """
    names = files_below(folder, {".png"})
    if not names:
        raise DataError(f"{folder}: no .png file in this folder. Name the folder of the masks.")
    check_count(len(names), folder, "files")
    return [name for name in names if MASK_NAME.search(stem_of(name))] or names


def are_masks(path: Path) -> bool:
    """Whether a file or folder that nobody called masks holds some: by the names, or black and white pixels.

    Of a folder a few files are looked at. What cannot be read is for the reader to say.

    Raises:
        DataError: the folder holds no .png file.
    """
    names = mask_files(path) if path.is_dir() else [path.name]
    root = path if path.is_dir() else path.parent
    if MASK_NAME.search(stem_of(names[0])):
        return True
    return all(_is_black_and_white(root / name) for name in names[:: -(-len(names) // _SAMPLE)])


def _is_black_and_white(file: Path) -> bool:
    try:
        _check_png(file)
        pixels = np.asarray(read_image(file).convert("L"))
    except DataError:
        return True
    return _grey_share(pixels) <= _FEW_GREY or len(np.unique(pixels)) <= _FEW_VALUES


def _grey_share(pixels: npt.NDArray[np.uint8]) -> float:
    """Share of the pixels that are neither dark nor as bright as the brightest."""
    brightest = int(pixels.max())
    return float(((pixels > 0.1 * brightest) & (pixels < 0.9 * brightest)).mean())


def image_of_mask(name: str, images: ImageFolder | None) -> str | None:
    """Path of a mask's image: that of the same name, else of the name without its ending; None if unknown."""
    if images is None:
        return None
    stem = stem_of(name)
    return images.find(stem) or images.find(MASK_NAME.sub("", stem))


def _read_one(file: Path, *, components: bool) -> tuple[Size, list[tuple[float, float, float, float]]]:
    _check_png(file)
    mask = np.asarray(read_image(file).convert("L"))
    brightest = int(mask.max())
    height, width = mask.shape
    if not brightest:
        return (width, height), []
    if _grey_share(mask) > MOST_GREY:
        raise DataError(
            f"{file}: most of its pixels are neither black nor white, so this is a photograph, not a mask. "
            "Name the folder of the masks."
        )
    parts = mask > brightest / 2
    if components:
        labels, count = ndimage.label(parts, structure=np.ones((3, 3)))
        if count > MAX_PARTS:
            raise DataError(f"{file}: {count} connected parts; clean the mask, or take one box per mask.")
    else:
        labels = parts.astype(np.uint8)
    found = ndimage.find_objects(labels)
    return (width, height), [
        (float(x.start), float(y.start), float(x.stop), float(y.stop)) for y, x in filter(None, found)
    ]


def _check_png(file: Path) -> None:
    """Only PNG reaches the decoder, as others start older code, and no more pixels than can be."""
    start = read_start(file, 26)
    if not start.startswith(PNG_START):
        raise DataError(f"{file}: not a PNG image. Convert the mask to PNG.")
    width, height, depth = struct.unpack(">IIB", start[16:25].ljust(9, b"\0"))
    if width * height * depth > 8 * MAX_RATIO * file.stat().st_size:
        raise DataError(
            f"{file}: the image claims {width}x{height} pixels, more than a file of its length can hold."
        )
