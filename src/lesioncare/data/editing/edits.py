"""The edits, each a function of an image and its boxes.

An image is uint8 [H, W, 3], RGB, and is never changed in place; boxes are [n, 4] xyxy in its pixels. "The
lesion's region" is the union of the boxes, each edge moved outward by `margin` of the box's side there.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from lesioncare.data.editing.versions import ARTEFACTS
from lesioncare.errors import DataError

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Boxes = NDArray[np.floating]

__all__ = [
    "Boxes",
    "Pixels",
    "covered",
    "hide_lesion",
    "lesion_weight",
    "only_lesion",
    "paste_artefact",
    "swap_background",
]

_FILL_SIDE = 160
"""In-painting works on a copy whose longer side has so many pixels: what is filled in is smooth anyway, and
at full size Telea's method takes seconds and draws streaks."""
_RADIUS = 5  # pixels of that copy which each filled pixel is made of
_FINE = 1.5  # standard deviation in pixels: what is finer than this blur is grain


def grown(boxes: Boxes, shape: tuple[int, ...], margin: float) -> NDArray[np.float64]:
    """Boxes with each edge moved outward by `margin` of their sides, cut at the image [H, W, ...]."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    limits = np.array([shape[1], shape[0], shape[1], shape[0]])
    return np.clip(boxes + margin * sides * [-1, -1, 1, 1], 0, limits)


def region(boxes: Boxes, shape: tuple[int, ...], margin: float) -> NDArray[np.bool_]:
    """The pixels [H, W] that the lesion's region touches."""
    inside = np.zeros(shape[:2], dtype=bool)
    for x1, y1, x2, y2 in grown(boxes, shape, margin):
        inside[int(np.floor(y1)) : int(np.ceil(y2)), int(np.floor(x1)) : int(np.ceil(x2))] = True
    return inside


def covered(boxes: Boxes, shape: tuple[int, ...], margin: float) -> float:
    """Share of the image [H, W, ...] that the lesion's region covers, in [0, 1]."""
    return float(region(boxes, shape, margin).mean())


def lesion_weight(boxes: Boxes, shape: tuple[int, ...], margin: float) -> Floats:
    """1 in the boxes, falling linearly to 0 at the edge of the lesion's region, [H, W]."""
    weight = np.zeros(shape[:2], dtype=np.float32)
    for x1, y1, x2, y2 in np.asarray(boxes, dtype=np.float64).reshape(-1, 4):
        across = _ramp(shape[1], x1, x2, margin)
        down = _ramp(shape[0], y1, y2, margin)
        np.maximum(weight, np.minimum(down[:, None], across[None, :]), out=weight)
    return weight


def _ramp(length: int, low: float, high: float, margin: float) -> Floats:
    """1 on the pixels that [low, high) touches, falling to 0 over `margin` of its length on each side."""
    low, high = np.floor(low), np.ceil(high)
    centres = np.arange(length) + 0.5
    beyond = np.maximum(np.maximum(low - centres, centres - high), 0)
    ramp: Floats = np.clip(1 - beyond / max(margin * (high - low), 1e-6), 0, 1).astype(np.float32)
    return ramp


def hide_lesion(image: Pixels, boxes: Boxes, margin: float, rng: np.random.Generator) -> Pixels:
    """The lesion's region in-painted from what surrounds it, with grain as strong as there.

    Source: Telea, An image inpainting technique based on the fast marching method, J. Graphics Tools 9, 2004.

    Args:
        image: uint8 [H, W, 3].
        boxes: [n, 4].
        margin: see the module.
        rng: of the grain.

    Raises:
        DataError: the lesion's region fills the image.
    """
    hidden = region(boxes, image.shape, margin)
    _refuse_full(hidden)
    filled = np.where(hidden[..., None], _filled(image, hidden), image)
    grain = _grain(filled, hidden) * rng.standard_normal((*hidden.shape, 1), dtype=np.float32)
    return np.where(hidden[..., None], _bytes(filled + grain), image)


def _refuse_full(hidden: NDArray[np.bool_]) -> None:
    if hidden.all():
        raise DataError("the lesion's box fills the image, so nothing is left around it to fill it in from.")


def _filled(image: Pixels, hidden: NDArray[np.bool_]) -> Floats:
    """What in-painting makes of the hidden pixels, [H, W, 3]; the others are only roughly kept."""
    height, width = hidden.shape
    scale = min(1.0, _FILL_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # A small pixel counts as hidden if any of its pixels is: none may carry the lesion's colour.
    share = cv2.resize(hidden.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mask = (share > 0).astype(np.uint8)
    if mask.all():  # a thin rim is all that is left: its mean colour
        return np.broadcast_to(image[~hidden].mean(axis=0, dtype=np.float32), image.shape)
    small = cv2.inpaint(small, mask, _RADIUS, cv2.INPAINT_TELEA)
    filled: Floats = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return filled


def _grain(filled: Floats, hidden: NDArray[np.bool_]) -> float:
    """Standard deviation of the fine structure in grey levels; by the median: hairs are no grain."""
    grey = filled.mean(axis=2, dtype=np.float32)  # not the image: the lesion's edge is no grain either
    fine = grey - cv2.GaussianBlur(grey, (0, 0), _FINE)
    return float(1.4826 * np.median(np.abs(fine[~hidden])))


def only_lesion(image: Pixels, boxes: Boxes, margin: float) -> Pixels:
    """Everything outside the lesion's region in one colour, the median of what was there.

    The median and not the mean, so that rulers, hairs and dark corners do not tint it. Within the margin the
    skin fades into that colour, so that no edge is drawn around the lesion.

    Raises:
        DataError: the lesion's region fills the image.
    """
    inside = region(boxes, image.shape, margin)
    _refuse_full(inside)
    skin = np.median(image[~inside], axis=0).astype(np.float32)
    return _blend(image, np.broadcast_to(skin, image.shape), lesion_weight(boxes, image.shape, margin))


def swap_background(image: Pixels, boxes: Boxes, background: Pixels, margin: float) -> Pixels:
    """The lesion before another background, which is resized to the image; its edge fades over the margin.

    Args:
        image: uint8 [H, W, 3].
        boxes: [n, 4], of the image.
        background: uint8 [h, w, 3], without a lesion of its own (`hide_lesion`).
        margin: see the module.
    """
    height, width = image.shape[:2]
    shrinks = background.shape[0] >= height and background.shape[1] >= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(background, (width, height), interpolation=method)
    return _blend(image, resized, lesion_weight(boxes, image.shape, margin))


def paste_artefact(image: Pixels, boxes: Boxes, name: str, margin: float, rng: np.random.Generator) -> Pixels:
    """One of `ARTEFACTS` pasted over the image, but not over the boxes; it fades in over the margin.

    The artefacts are drawn for square pictures. So they are drawn twice, on black and on white, which tells
    the opacity o and the colour c of each of their pixels (c o on black, 1 - o + c o on white); stretched to
    the image, they are laid on it as (1 - o) image + c o.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    state = rng.bit_generator.state
    lesion = _in_square(boxes, image.shape, side)
    layers = []
    for shade in (0.0, 1.0):
        rng.bit_generator.state = state  # the same artefact both times
        canvas = np.full((side, side, 3), shade, dtype=np.float32)
        ARTEFACTS[name](canvas, rng, lesion)
        layers.append(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_LINEAR))
    on_black, on_white = layers
    opacity = np.clip(1 - (on_white - on_black), 0, 1)
    pasted = (1 - opacity) * image + 255 * on_black
    return _blend(image, pasted, lesion_weight(boxes, image.shape, margin))


def _in_square(boxes: Boxes, shape: tuple[int, ...], side: int) -> tuple[int, int, int, int]:
    """The one box around all boxes, stretched to a square of `side` pixels."""
    corners = grown(boxes, shape, 0.0)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    scale = side / np.array([shape[1], shape[0]])
    x1, y1 = np.floor(low * scale).astype(int).tolist()
    x2, y2 = np.ceil(high * scale).astype(int).tolist()
    return x1, y1, x2, y2


def _blend(image: Pixels, other: NDArray[np.number], weight: Floats) -> Pixels:
    """The image where the weight is 1, the other where it is 0; exactly so."""
    mixed = weight[..., None] * image + (1 - weight[..., None]) * other
    return np.where(weight[..., None] == 1, image, _bytes(mixed))


def _bytes(values: NDArray[np.number]) -> Pixels:
    pixels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels
