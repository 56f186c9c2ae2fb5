"""Reading one image file: upright, 8-bit RGB, or a clear error."""

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from lesioncare.errors import DataError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 200_000_000
"""Larger images are refused before their pixels are decoded."""

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "image_size", "read_image"]


def read_image(path: Path) -> Image.Image:
    """Decode an image file completely, turned upright by its EXIF tag, as 8-bit RGB.

    Raises:
        DataError: the file is missing, is not an image, is truncated or claims more than
            `MAX_PIXELS` pixels. The message names the file.
    """
    with _open(path) as image:
        try:
            return ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"{path}: the image is damaged ({error}). Replace the file.") from error


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright image; reads the header only.

    Raises:
        DataError: as for `read_image`.
    """
    with _open(path) as image:
        width, height = image.size
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (height, width) if turned else (width, height)


def _open(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such image file.") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: the image claims too many pixels ({error}).") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: not a readable image ({error}).") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise DataError(f"{path}: the image claims {image.width}x{image.height} pixels; the limit is {MAX_PIXELS}.")
    return image
