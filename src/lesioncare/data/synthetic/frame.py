"""The geometry of one synthetic photograph: where the lesion lies, and fields in its own coordinates."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

__all__ = ["GRID_HALF_WIDTH", "Field", "Frame", "drawn", "smooth_noise"]

Field = NDArray[np.floating]
"""One number per pixel, [size, size]."""

GRID_HALF_WIDTH = 1.8
"""A noise grid covers this many lesion radii on each side of the lesion's centre."""

_SUPERSAMPLING = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """How a camera frames a lesion: pixel = centre + radius * rotation(angle) * mirrored lesion coordinates.

    Args:
        size: side of the square image in pixels.
        x: the lesion's centre in pixels.
        y: the lesion's centre in pixels.
        radius: the lesion's mean radius in pixels; one lesion coordinate unit.
        angle: rotation in radians.
        mirrored: whether the lesion's first axis is flipped.
    """

    size: int
    x: float
    y: float
    radius: float
    angle: float
    mirrored: bool = False

    def coordinates(self) -> tuple[Field, Field]:
        """Lesion coordinates (u, v) of every pixel centre, each [size, size], in lesion radii."""
        a, b, c, d, e, f = self._pixel_to_lesion()
        axis = np.arange(self.size, dtype=np.float32) + 0.5
        x, y = axis[None, :], axis[:, None]
        return a * x + b * y + c, d * x + e * y + f

    def sample(self, grid: Field) -> Field:
        """The field of a square grid fixed to the lesion, bicubic; 0 beyond `GRID_HALF_WIDTH` radii."""
        scale = grid.shape[0] / (2 * GRID_HALF_WIDTH)
        a, b, c, d, e, f = (scale * value for value in self._pixel_to_lesion())
        middle = scale * GRID_HALF_WIDTH
        coefficients = (a, b, c + middle, d, e, f + middle)
        moved = Image.fromarray(grid.astype(np.float32)).transform(
            (self.size, self.size), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
        )
        return np.asarray(moved)

    def noise(self, rng: np.random.Generator, cells: float) -> Field:
        """Smooth noise fixed to the lesion, about unit variance; `cells` bumps per lesion radius."""
        n = max(4, round(2 * GRID_HALF_WIDTH * cells))
        return self.sample(rng.standard_normal((n, n), dtype=np.float32))

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixel positions of lesion coordinates, [n, 2] to [n, 2]."""
        mirror = np.array([-1.0 if self.mirrored else 1.0, 1.0])
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        rotation = np.array([[cos, -sin], [sin, cos]])
        return np.asarray((points * mirror) @ rotation.T * self.radius + [self.x, self.y])

    def _pixel_to_lesion(self) -> tuple[float, float, float, float, float, float]:
        cos, sin = math.cos(self.angle) / self.radius, math.sin(self.angle) / self.radius
        mirror = -1.0 if self.mirrored else 1.0
        a, b = mirror * cos, mirror * sin
        return a, b, -a * self.x - b * self.y, -sin, cos, sin * self.x - cos * self.y


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Field:
    """Smooth noise of about unit variance over an image, [size, size], with `cells` bumps along a side."""
    grid = rng.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def drawn(size: int, draw: Callable[[ImageDraw.ImageDraw, int], None]) -> Field:
    """Coverage in [0, 1], [size, size], of what `draw` paints.

    `draw` is called with a canvas and with how many canvas pixels make one image pixel; it paints with 255.
    """
    canvas = Image.new("L", (size * _SUPERSAMPLING, size * _SUPERSAMPLING))
    draw(ImageDraw.Draw(canvas), _SUPERSAMPLING)
    return np.asarray(canvas.reduce(_SUPERSAMPLING), dtype=np.float32) / 255
