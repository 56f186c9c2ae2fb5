"""Pictures for the page: an image of the review, reduced, by its number and never by a path."""

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesioncare.boxes.formats.folder import ImageFolder
from lesioncare.errors import DataError
from lesioncare.images import image_size, read_image
from lesioncare.overlay import overlay

SIDES = (512, 1024, 2048, 4096)
"""Longer sides in pixels that a picture is reduced to; the next larger one of these is sent."""
_QUALITY = 90
_KEPT = 128
"""Pictures kept in memory; at most about 100 MB."""

MapOf = Callable[[Image.Image, str | None], NDArray[np.floating]]
"""RGB image and class of its box -> map [h, w] in [0, 1] of where something looks."""

__all__ = ["SIDES", "MapOf", "Pictures", "to_jpeg"]


class Pictures:
    """The images below a folder, as JPEG.

    Args:
        root: the folder.
        maps: by name, what can be laid over an image.

    Raises:
        DataError: `root` is no folder.
    """

    def __init__(self, root: Path, maps: dict[str, MapOf] | None = None) -> None:
        self._folder = ImageFolder(root)
        self._root = root.resolve()
        self.maps = dict(maps or {})
        self._plain = lru_cache(_KEPT)(self._draw)
        self._mapped = lru_cache(_KEPT)(self._draw_map)

    def size(self, image: str) -> tuple[int, int]:
        """Width and height in pixels of the upright image.

        Raises:
            DataError: see `path`, or it cannot be read.
        """
        return image_size(self.path(image))

    def path(self, image: str) -> Path:
        """The file of an image.

        Raises:
            DataError: there is none, or it is a link that leads out of the folder.
        """
        found = self._folder.find(image)
        if found is None:
            raise DataError(f"{image!r}: there is no such image in {self._folder.root}. Check --images.")
        path = (self._root / found).resolve()
        if not path.is_relative_to(self._root):
            raise DataError(
                f"{image!r}: is a link that leads out of {self._folder.root}. Give the folder that it leads "
                "to with --images."
            )
        return path

    def jpeg(self, image: str, side: int) -> bytes:
        """The image with a longer side of about `side` pixels, see `SIDES`; never enlarged.

        Raises:
            DataError: there is no such image, or it cannot be read.
        """
        return self._plain(image, _rounded(side))

    def jpeg_with_map(self, image: str, side: int, name: str, label: str | None) -> bytes:
        """The image under a map.

        Args:
            image: its id.
            side: see `jpeg`.
            name: a key of `maps`.
            label: class of the image's box, if it has one.

        Raises:
            DataError: there is no such map or image, or it cannot be read.
        """
        if name not in self.maps:
            raise DataError(f"there is no map {name!r}. Choose from {', '.join(self.maps) or 'none'}.")
        return self._mapped(image, _rounded(side), name, label)

    def _draw(self, image: str, side: int) -> bytes:
        return to_jpeg(self._reduced(image, side))

    def _draw_map(self, image: str, side: int, name: str, label: str | None) -> bytes:
        picture = self._reduced(image, side)
        return to_jpeg(overlay(picture, self.maps[name](picture, label)))

    def _reduced(self, image: str, side: int) -> Image.Image:
        picture = read_image(self.path(image))
        picture.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        return picture


def _rounded(side: int) -> int:
    return next((one for one in SIDES if one >= side), SIDES[-1])


def to_jpeg(picture: Image.Image) -> bytes:
    """An RGB image as a JPEG file, without anything else that the original file holds."""
    buffer = io.BytesIO()
    # The comment is emptied: by default the original file's, which may name a patient, would be copied.
    picture.save(buffer, "JPEG", quality=_QUALITY, comment="")
    return buffer.getvalue()
