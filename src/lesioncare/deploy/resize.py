"""Resizing as the training does it, without torch: bilinear with antialiasing, to the last bit."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Arithmetic = Literal["int16", "float"]
Pixels = NDArray[np.uint8]

__all__ = ["Arithmetic", "resize_image"]


def resize_image(image: Pixels, size: tuple[int, int], arithmetic: Arithmetic) -> Pixels:
    """Resize both sides, first the width, with a triangle filter that widens where the image shrinks.

    Output pixel o of n, from m input pixels with s = m/n, is the sum of w_i x_i over the input pixels i with

        w_i ~ max(0, 1 - |i + 1/2 - s (o + 1/2)| / max(s, 1)),  normalised to sum 1.

    Source: torchvision's `resize` of a uint8 image with `antialias=True`; torch rounds in one of two ways,
    depending on the processor, and an export records which.

    Args:
        image: uint8 [H, W, 3].
        size: (height, width) of the result, in pixels.
        arithmetic: "int16": weights are 16-bit fixed-point numbers and each of the two passes rounds to
            8 bits; "float": rounded once, at the end.
    """
    for axis in (1, 0):
        if image.shape[axis] != size[axis]:
            image = _resize_axis(image, size[axis], axis, arithmetic)
    if image.dtype == np.uint8:
        return image
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)


def _resize_axis(image: NDArray[Any], n_out: int, axis: int, arithmetic: Arithmetic) -> NDArray[Any]:
    rows = np.moveaxis(image, axis, 0)
    weights = _weights(len(rows), n_out)
    flat = rows.reshape(len(rows), -1)
    if arithmetic == "float":
        resized = weights @ flat.astype(np.float64)
    else:
        bits = _fraction_bits(float(weights.max()))
        weights.data = np.floor(weights.data * (1 << bits) + 0.5).astype(np.int32)
        sums = weights.astype(np.int32) @ flat.astype(np.int32) + (1 << bits >> 1)  # below 2^30
        resized = np.clip(sums >> bits, 0, 255).astype(np.uint8)
    return np.moveaxis(resized.reshape(n_out, *rows.shape[1:]), 0, axis)


def _weights(n_in: int, n_out: int) -> Any:
    """The filter as a sparse matrix, [n_out, n_in]."""
    scale = n_in / n_out
    support = max(scale, 1.0)
    centre = scale * (np.arange(n_out) + 0.5)
    first = np.maximum(np.trunc(centre - support + 0.5), 0).astype(int)
    last = np.minimum(np.trunc(centre + support + 0.5), n_in).astype(int)
    row = np.repeat(np.arange(n_out), last - first)
    start = np.concatenate([[0], np.cumsum(last - first)[:-1]])
    column = np.arange(len(row)) - np.repeat(start - first, last - first)
    weight = np.clip(1 - np.abs(column - centre[row] + 0.5) / support, 0, None)
    weight /= np.bincount(row, weights=weight, minlength=n_out)[row]
    return csr_array((weight, (row, column)), shape=(n_out, n_in))


def _fraction_bits(largest: float) -> int:
    """As many as 16 bits hold, of at most 22, for the largest weight."""
    bits = 0
    while bits < 21 and int(0.5 + largest * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    return bits
