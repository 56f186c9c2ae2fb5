"""What every saliency method shares: the protocol, the working size, Lab colours and the [0, 1] finish."""

from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lesioncare.errors import DataError

Image = NDArray[np.uint8]
"""RGB image [H, W, 3]."""
Map = NDArray[np.float32]
"""Saliency [H, W] in [0, 1]."""
Number = TypeVar("Number", np.uint8, np.float32)

__all__ = ["Image", "Map", "Saliency", "border_pixels", "finish", "is_flat", "lab", "shrink", "smooth"]


class Saliency(Protocol):
    """Maps an RGB image [H, W, 3] to how much each pixel stands out: [H, W], float32, in [0, 1].

    A method is a pure function of the image: the same image gives the same bytes, in any process.
    An image in which nothing stands out gives zeros.
    """

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""


def shrink(image: Image, size: int) -> Image:
    """The image with its longer side at most `size` pixels, by area averaging; each side at least 1.

    Raises:
        DataError: the array is not uint8 [H, W, 3] with at least one pixel.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        got = f"{image.dtype} {list(image.shape)}"
        raise DataError(f"expected an RGB image of uint8 [H, W, 3], but got {got}.")
    height, width = image.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_AREA), np.uint8)


def lab(image: Image) -> NDArray[np.float32]:
    """CIE Lab of an 8-bit RGB image [H, W, 3]: L in [0, 100], a and b about -127 to 127."""
    scaled = np.multiply(image, np.float32(1 / 255), dtype=np.float32)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2Lab), np.float32)


def is_flat(image: NDArray[np.uint8]) -> bool:
    """Whether all pixels of [H, W] or [H, W, 3] are equal: then nothing stands out, whatever the method."""
    return bool((image == image[0, 0]).all())


def smooth(values: NDArray[Number], share: float) -> NDArray[Number]:
    """Gaussian blur of [H, W] or [H, W, C] with standard deviation `share` longer sides; 0 does nothing."""
    if share <= 0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), share * max(values.shape[:2])), values.dtype)


def border_pixels(values: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Pixels [n, C] of the frame of [H, W, C], as wide as `share` of the shorter side, at least 1 pixel."""
    height, width = values.shape[:2]
    frame = max(1, round(share * min(height, width)))
    inside = np.zeros((height, width), bool)
    inside[frame : height - frame, frame : width - frame] = True
    return np.asarray(values[~inside])


def finish(raw: NDArray[np.floating], shape: tuple[int, ...]) -> Map:
    """Stretch to [0, 1] and enlarge (bilinear) to the image's height and width; a constant becomes zeros."""
    low, high = float(raw.min()), float(raw.max())
    if not high - low > 1e-6 * max(abs(high), abs(low), 1e-6):
        return np.zeros(shape[:2], np.float32)
    scaled = ((raw - low) * (1.0 / (high - low))).astype(np.float32)
    if scaled.shape != shape[:2]:
        scaled = np.asarray(cv2.resize(scaled, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))
    return np.clip(scaled, 0.0, 1.0)
