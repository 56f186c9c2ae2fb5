"""What lies on the skin and says nothing by itself: hairs, rulers, bubbles; and the planted markers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from PIL import ImageDraw

from lesioncare.data.synthetic.frame import Field, drawn

__all__ = ["MARKERS", "Marker", "PixelBox", "add_bubbles", "add_hairs", "add_marker", "add_ruler", "vignette"]

PixelBox = tuple[int, int, int, int]
"""Corners (x1, y1, x2, y2) in pixels, x2 and y2 exclusive."""


def add_hairs(rgb: Field, rng: np.random.Generator) -> None:
    """Draw a few curved strokes, all dark or all fair, over the image in place, [size, size, 3] in [0, 1]."""
    size = rgb.shape[0]
    t = np.linspace(0, 1, 9)[:, None]
    strokes = []
    for _ in range(int(rng.integers(2, 14))):
        start, angle = rng.uniform(-0.1, 1.1, 2), rng.uniform(0, 2 * np.pi)
        end = start + rng.uniform(0.3, 0.9) * np.array([np.cos(angle), np.sin(angle)])
        bend = (start + end) / 2 + rng.normal(0, 0.1, 2)
        strokes.append((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end)
    width = rng.uniform(0.006, 0.014) * size

    def draw(canvas: ImageDraw.ImageDraw, scale: int) -> None:
        for stroke in strokes:
            canvas.line(
                (stroke * size * scale).ravel().tolist(), fill=255, width=max(1, round(width * scale))
            )

    colour = (0.16, 0.11, 0.09) if rng.random() < 0.75 else (0.80, 0.68, 0.50)
    _blend(rgb, colour, drawn(size, draw) * rng.uniform(0.55, 0.9))


def add_ruler(rgb: Field, rng: np.random.Generator) -> None:
    """Draw dark tick marks along one border, in place."""
    size = rgb.shape[0]
    step, first = rng.uniform(0.035, 0.06), rng.uniform(0, 0.05)
    short, long = rng.uniform(0.03, 0.05), rng.uniform(0.06, 0.08)
    side, edge = int(rng.integers(4)), rng.uniform(0, 0.02)

    def draw(canvas: ImageDraw.ImageDraw, scale: int) -> None:
        full = size * scale
        for i in range(int((1 - first) / step) + 1):
            along, near = (first + i * step) * full, edge * full
            far = near + (long if i % 5 == 0 else short) * full
            if side % 2:
                near, far = full - near, full - far
            line = (along, near, along, far) if side < 2 else (near, along, far, along)
            canvas.line(line, fill=255, width=max(1, round(0.008 * full)))

    _blend(rgb, (0.13, 0.12, 0.14), drawn(size, draw) * 0.8)


def add_bubbles(rgb: Field, rng: np.random.Generator) -> None:
    """Draw a few bright rings of trapped air, in place."""
    size = rgb.shape[0]
    n = int(rng.integers(1, 6))
    centres, radii = rng.uniform(0, 1, (n, 2)), rng.uniform(0.015, 0.06, n)

    def draw(canvas: ImageDraw.ImageDraw, scale: int) -> None:
        for (x, y), r in zip(centres * size * scale, radii * size * scale, strict=True):
            canvas.ellipse((x - r, y - r, x + r, y + r), outline=255, width=scale)

    _blend(rgb, (1.0, 1.0, 1.0), drawn(size, draw) * rng.uniform(0.35, 0.65))


def vignette(size: int, rng: np.random.Generator) -> Field:
    """Brightness factor in [0, 1], [size, size]: a dark surround, soft or with the hard rim of the lens."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = rng.normal(0, 0.03, 2).tolist()
    distance = np.hypot(axis[None, :] - x, axis[:, None] - y)
    if rng.random() < 0.3:
        lens = 0.5 * (1 - np.tanh((distance - rng.uniform(0.52, 0.62)) * 60))
        return np.asarray(0.06 + 0.94 * lens)
    return np.asarray(1 - rng.uniform(0.25, 0.8) * np.maximum(distance - 0.3, 0))


@dataclass(frozen=True, slots=True)
class Marker:
    """An object on the skin: its colour in [0, 1], its opacity, and how its shape fills a box."""

    colour: tuple[float, float, float]
    opacity: float
    draw: Callable[[ImageDraw.ImageDraw, PixelBox], None]


def _disc(canvas: ImageDraw.ImageDraw, box: PixelBox) -> None:
    canvas.ellipse(box, fill=255)


def _square(canvas: ImageDraw.ImageDraw, box: PixelBox) -> None:
    inset = (box[2] - box[0]) // 10
    canvas.rectangle((box[0] + inset, box[1] + inset, box[2] - inset, box[3] - inset), fill=255)


def _pen_cross(canvas: ImageDraw.ImageDraw, box: PixelBox) -> None:
    x1, y1, x2, y2 = box
    width = max(1, (x2 - x1) // 4)
    inset = width // 2
    canvas.line((x1 + inset, y1 + inset, x2 - inset, y2 - inset), fill=255, width=width)
    canvas.line((x1 + inset, y2 - inset, x2 - inset, y1 + inset), fill=255, width=width)


MARKERS: dict[str, Marker] = {
    "green-sticker": Marker((0.15, 0.66, 0.36), 0.95, _disc),
    "purple-pen": Marker((0.38, 0.16, 0.62), 0.85, _pen_cross),
    "yellow-label": Marker((0.96, 0.84, 0.12), 0.95, _square),
}
"""The planted shortcuts: objects on the skin beside the lesion."""


def add_marker(rgb: Field, rng: np.random.Generator, name: str, lesion: PixelBox) -> PixelBox:
    """Put one of `MARKERS` on the skin in place, wholly outside the lesion's box; returns the marker's box.

    The image may cut the marker.
    """
    size, marker = rgb.shape[0], MARKERS[name]
    box = _place(rng, size, lesion)

    def draw(canvas: ImageDraw.ImageDraw, scale: int) -> None:
        x1, y1, x2, y2 = (value * scale for value in box)
        marker.draw(canvas, (x1, y1, x2 - 1, y2 - 1))

    colour = np.clip(np.array(marker.colour) * rng.uniform(0.88, 1.08, 3), 0, 1)
    _blend(rgb, colour, drawn(size, draw) * marker.opacity * rng.uniform(0.9, 1.0))
    return box


def _place(rng: np.random.Generator, size: int, lesion: PixelBox) -> PixelBox:
    """A square beside the lesion's box, at random; in the widest strip beside it where none of 60 fits."""
    side = max(3, round(rng.uniform(0.18, 0.28) * size))
    low, high = -side // 6, size - side + side // 6
    for x, y in rng.integers(low, high + 1, (60, 2)).tolist():
        if x >= lesion[2] or y >= lesion[3] or x + side <= lesion[0] or y + side <= lesion[1]:
            return (x, y, x + side, y + side)
    return _beside(size, side, lesion)


def _beside(size: int, side: int, lesion: PixelBox) -> PixelBox:
    strips = {"left": lesion[0], "top": lesion[1], "right": size - lesion[2], "bottom": size - lesion[3]}
    where = max(strips, key=strips.__getitem__)
    side = min(side, strips[where])
    x = {"left": 0, "right": size - side}.get(where, 0)
    y = {"top": 0, "bottom": size - side}.get(where, 0)
    return (x, y, x + side, y + side)


def _blend(rgb: Field, colour: ArrayLike, opacity: Field) -> None:
    rgb += opacity[..., None] * (np.asarray(colour, dtype=np.float32) - rgb)
