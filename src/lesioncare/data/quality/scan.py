"""One pass over all images: size, brightness, contrast, a fingerprint and a thumbnail of each."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesioncare.errors import DataError
from lesioncare.images import read_image
from lesioncare.progress import track

THUMBNAIL = 16
"""Side of a thumbnail: coarse enough to forget JPEG noise and scaling, fine enough to tell patients apart."""

__all__ = ["THUMBNAIL", "Scan", "scan_images"]


@dataclass(frozen=True)
class Scan:
    """What the pixels of n images tell.

    Args:
        sizes: width and height [n, 2]; 0 where an image is unreadable.
        brightness: mean grey [n] in 0 .. 255; NaN where unreadable.
        contrast: standard deviation of grey [n]; NaN where unreadable.
        thumbnails: grey means [n, 256] of 16 x 16 fields, less their mean and of length 1; 0 where there is
            no contrast or no image.
        digests: of the pixels; "" where unreadable.
        complaints: why an image cannot be read; "" where it can.
    """

    sizes: npt.NDArray[np.int64]
    brightness: npt.NDArray[np.float64]
    contrast: npt.NDArray[np.float64]
    thumbnails: npt.NDArray[np.float32]
    digests: tuple[str, ...]
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _One:
    size: tuple[int, int] = (0, 0)
    brightness: float = float("nan")
    contrast: float = float("nan")
    thumbnail: npt.NDArray[np.float32] | None = None
    digest: str = ""
    complaint: str = ""


def scan_images(paths: Sequence[str], *, workers: int = 2) -> Scan:
    """Decode each image once; "" stands for an image that is not there."""
    with ThreadPoolExecutor(workers) as pool:
        found = list(track(pool.map(_look, paths), "Reading", "images", total=len(paths)))
    empty = np.zeros(THUMBNAIL**2, np.float32)
    return Scan(
        sizes=np.array([one.size for one in found], np.int64).reshape(-1, 2),
        brightness=np.array([one.brightness for one in found]),
        contrast=np.array([one.contrast for one in found]),
        thumbnails=np.array([empty if one.thumbnail is None else one.thumbnail for one in found]),
        digests=tuple(one.digest for one in found),
        complaints=tuple(one.complaint for one in found),
    )


def _look(path: str) -> _One:
    if not path:
        return _One()
    try:
        image = read_image(Path(path))
    except DataError as error:
        # Without the path: it may name a patient, and the row is told.
        return _One(complaint=str(error).replace(path, "").lstrip(": "))
    grey = image.convert("L")
    values = np.asarray(grey, np.float64)
    small = grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    digest = hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()
    return _One(image.size, values.mean(), values.std(), normalised(np.asarray(small)), digest)


def normalised(thumbnail: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Less its mean and of length 1, so that a product of two is their correlation; 0 without contrast."""
    values = thumbnail.astype(np.float32).ravel()
    values -= values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length > THUMBNAIL * 0.5 else np.zeros_like(values)
