"""What makes a box: the protocol, and what it gives."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lesioncare.boxes.saliency.base import Image

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""

__all__ = ["BoxMaker", "Corners", "Found", "box_iou"]


@dataclass(frozen=True)
class Found:
    """A box on an image and how far to trust it.

    Args:
        corners: in pixels of the image.
        score: in [0, 1].
    """

    corners: Corners
    score: float


class BoxMaker(Protocol):
    """Finds the lesion on an RGB image of uint8 [H, W, 3], or nothing.

    A maker is a pure function of the image. It can be pickled, so that it runs in other processes, and its
    `repr` tells its parameters, so that a run is not resumed with others.
    """

    @property
    def name(self) -> str:
        """What the boxes' `source` says."""

    def __call__(self, image: Image, /) -> Found | None:
        """Give the box, or None where nothing stands out."""


def box_iou(box: Corners, others: list[Corners]) -> NDArray[np.float64]:
    """Intersection over union of one box with each of n others [n]."""
    one, many = np.asarray(box, np.float64), np.asarray(others, np.float64).reshape(-1, 4)
    sides = np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=1)
    areas = np.prod(one[2:] - one[:2]) + np.prod(many[:, 2:] - many[:, :2], axis=1)
    return np.asarray(shared / (areas - shared))
