"""Reading one image file, DICOM included: upright, 8-bit RGB, or a clear error."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from lesioncare.dicom import DICOM_SUFFIXES, dicom_size, is_dicom, read_dicom
from lesioncare.errors import DataError

_PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
IMAGE_SUFFIXES = _PICTURE_SUFFIXES | DICOM_SUFFIXES
MAX_PIXELS = 170_000_000
"""Larger images are refused before their pixels are decoded."""

# What Pillow's decoders raise on damaged files.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, struct.error, zlib.error)

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "image_size", "is_image", "read_image"]


def is_image(path: Path) -> bool:
    """Whether a file found in a folder is taken for an image: by its suffix, or as DICOM without one.

    Archives of hospitals (PACS) name files IM000001 or 1.2.840.113619.2; their DICOMDIR is a list.
    """
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return True
    bare = not suffix or suffix[1:].isdigit()
    return bare and path.name.upper() != "DICOMDIR" and path.is_file() and is_dicom(path)


def read_image(path: Path) -> Image.Image:
    """Decode an image file completely, turned upright by its EXIF tag, as 8-bit RGB.

    A grey image of more than 8 bits is stretched linearly from its own darkest and brightest pixel
    to 0 and 255, because its unit is unknown; one without any contrast keeps its brightness (see
    `_even`). For DICOM see `lesioncare.dicom.read_dicom`.

    Raises:
        DataError: the file is missing, is not an image, is truncated or claims more than
            `MAX_PIXELS` pixels. The message names the file.
    """
    if _is_dicom(path):
        return Image.fromarray(read_dicom(path, MAX_PIXELS))
    with _open(path) as image:
        try:
            return _eight_bit(ImageOps.exif_transpose(image)).convert("RGB")
        except _DAMAGE as error:
            raise DataError(f"{path}: the image is damaged ({error}). Replace the file.") from error


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright image; reads the header only.

    Raises:
        DataError: as for `read_image`.
    """
    if _is_dicom(path):
        return dicom_size(path, MAX_PIXELS)
    with _open(path) as image:
        try:
            width, height = _stored_size(image)
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        except _DAMAGE as error:
            raise DataError(f"{path}: the image is damaged ({error}). Replace the file.") from error
        return (height, width) if turned else (width, height)


def _is_dicom(path: Path) -> bool:
    # The files of most data sets need not be opened to know.
    return path.suffix.lower() not in _PICTURE_SUFFIXES and is_dicom(path)


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such image file.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: the image claims too many pixels ({error}).") from error
    except UnidentifiedImageError as error:  # its own message is the path once more
        raise DataError(
            f"{path}: not a readable image (no known format, or damaged at its beginning). Replace the file."
        ) from error
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: not a readable image ({reason}). Replace the file.") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise DataError(
            f"{path}: the image claims {image.width}x{image.height} pixels; the limit is {MAX_PIXELS}."
        )
    return image


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Size before turning; some versions of Pillow give a TIFF's size after it."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return (int(image.tag_v2[256]), int(image.tag_v2[257]))  # ImageWidth, ImageLength
    return image.size


def _eight_bit(image: Image.Image) -> Image.Image:
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, dtype=np.float64)
    low, high = values.min(), values.max()
    if not np.isfinite([low, high]).all():
        raise ValueError("pixels that are not finite numbers")
    if low == high:
        return Image.new("L", image.size, _even(float(low), image.mode))
    scaled = (values - low) * (255 / (high - low))
    return Image.fromarray(scaled.round().astype(np.uint8))


def _even(value: float, mode: str) -> int:
    """Brightness 0 to 255 of an image whose pixels all have this value.

    The range is [0, 1] where a float fits, and 16 bits otherwise: an all-white image stays white.
    """
    largest = 1.0 if mode.startswith("F") and value <= 1 else 65535.0
    return round(255 * min(max(value / largest, 0.0), 1.0))
