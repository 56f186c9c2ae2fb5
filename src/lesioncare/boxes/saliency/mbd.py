"""Minimum barrier distance to the image's border."""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lesioncare.boxes.saliency.base import Image, Map, finish, shrink, smooth

Byte = TypeVar("Byte", np.uint8, np.uint16)
Bytes = NDArray[np.uint8]
Keys = NDArray[np.uint16]
UNREACHED = 0xFFFF

__all__ = ["MinimumBarrier", "barrier_distance"]


@dataclass(frozen=True)
class MinimumBarrier:
    r"""The least range of values that a path from the border has to cross, summed over the Lab channels.

        D_c(x) = min over paths p from the border to x of (max_{y in p} I_c(y) - min_{y in p} I_c(y))
        S(x)   = D_L(x) + chroma (D_a(x) + D_b(x))

    I_c is channel c of 8-bit Lab. Light that changes slowly costs little; the edge around a lesion has
    to be crossed once, by every path. What is connected to the border (vignette, sticker, ruler) is near it,
    and so, wrongly, is a lesion that touches the border. The distance is approximated by sweeps
    (see `barrier_distance`).

    Source: Strand et al., The minimum barrier distance, CVIU 2013; as saliency: Zhang et al.,
    Minimum barrier salient object detection at 80 FPS, ICCV 2015. The readme of another implementation
    (pyimgsaliency) says that the authors of the latter call it patent-pending and not free for
    commercial use; this is not confirmed.

    Args:
        size: longer side in pixels at which the map is computed.
        rounds: sweeps in all four directions.
        blur: standard deviation of the Gaussian blur before, as a share of the longer side.
        chroma: weight of a and b; 8-bit Lab stretches L alone to the full range.
    """

    size: int = 64
    rounds: int = 2
    blur: float = 0.008
    chroma: float = 2.0

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""
        small = smooth(shrink(image, self.size), self.blur)
        channels = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), np.uint8)
        weights = np.array([1.0, self.chroma, self.chroma], np.float32)
        return finish(barrier_distance(channels, self.rounds) @ weights, image.shape)


def barrier_distance(channels: Bytes, rounds: int = 2) -> Bytes:
    """Approximate minimum barrier distance [h, w, c] of each channel of [h, w, c] to the border.

    Each pixel keeps U and L, the highest and lowest value of the best path that has reached it. A sweep
    takes from the pixel before in its direction

        u = max(U_before, I),  l = min(L_before, I),  and where u - l < U - L:  U = u, L = l.

    Whole rows (then columns) of all channels move at once, opposite directions side by side. U - L and U
    share one 16-bit number, the distance in the upper byte, so that the conditional update is one minimum.
    Every U - L is that of a real path, so the result is never below the exact distance.

    Args:
        channels: image [h, w, c], h and w at least 1.
        rounds: sweeps in all four directions.
    """
    keys = np.full(channels.shape, UNREACHED, np.uint16)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        keys[edge] = channels[edge]  # distance 0, U = I
    rows, columns = _both_ways(channels), _both_ways(channels.swapaxes(0, 1))
    for _ in range(rounds):
        keys = _sweep_both(keys, rows)
        keys = _sweep_both(keys.swapaxes(0, 1), columns).swapaxes(0, 1)
    return np.asarray(keys >> 8, np.uint8)


def _both_ways(values: NDArray[Byte], kind: str = "u1") -> NDArray[Byte]:
    """Rows of [n, m, c] and, behind each, the row that comes as late from the end: [n, 2 m c], contiguous."""
    pair = np.empty((len(values), 2, *values.shape[1:]), kind)
    pair[:, 0], pair[:, 1] = values, values[::-1]
    return pair.reshape(len(values), -1)


def _sweep_both(keys: Keys, values: Bytes) -> Keys:
    """Sweep keys [n, m, c] along the first axis over values [n, 2 m c], and keep the better of both ways."""
    pair = _both_ways(keys, "<u2")
    _sweep(pair, values)
    pair = pair.reshape(len(keys), 2, *keys.shape[1:])
    return np.asarray(np.minimum(pair[:, 0], pair[::-1, 1]))


def _sweep(keys: Keys, values: Bytes) -> None:
    """Carry the keys [n, m], little-endian, from each row to the next, in place."""
    halves = keys.view(np.uint8).reshape(*keys.shape, 2)
    highs, spans = list(halves[..., 0]), list(halves[..., 1])
    candidate = np.empty(keys.shape[1], "<u2")
    high, span = candidate.view(np.uint8).reshape(-1, 2).T
    low = np.empty(keys.shape[1], np.uint8)
    rows, pixels = list(keys), list(values)
    for before, here in zip(range(len(rows) - 1), range(1, len(rows)), strict=True):
        np.subtract(highs[before], spans[before], out=low)
        np.maximum(highs[before], pixels[here], out=high)
        np.minimum(low, pixels[here], out=low)
        np.subtract(high, low, out=span)
        np.minimum(rows[here], candidate, out=rows[here])
