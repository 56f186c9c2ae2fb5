"""The formulas of the attention layer in plain float64 loops, written from the formulas, not the code."""

from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]


def overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    return max(0.0, min(end, other_end) - max(start, other_start))


def pixel_mask(boxes: Sequence[Box], height: int, width: int) -> np.ndarray:
    """The share of each pixel inside a box; the largest of several."""
    mask = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for x1, y1, x2, y2 in boxes:
                share = overlap(x1, x2, column, column + 1) * overlap(y1, y2, row, row + 1)
                mask[row, column] = max(mask[row, column], share)
    return mask


def pixel_distance(boxes: Sequence[Box], height: int, width: int) -> np.ndarray:
    """The L1 distance of each pixel's centre to the nearest box."""
    distance = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5, row + 0.5
            distance[row, column] = min(
                max(x1 - x, 0, x - x2) + max(y1 - y, 0, y - y2) for x1, y1, x2, y2 in boxes
            )
    return distance


def cell_sums(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sum pixels over the area of each of height x width equal cells."""
    rows, columns = pixels.shape
    sums = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            for row in range(rows):
                tall = overlap(i * rows / height, (i + 1) * rows / height, row, row + 1)
                for column in range(columns) if tall > 0 else ():
                    wide = overlap(j * columns / width, (j + 1) * columns / width, column, column + 1)
                    sums[i, j] += tall * wide * pixels[row, column]
    return sums


def normalised(cam: np.ndarray) -> np.ndarray:
    return (cam - cam.min()) / (cam.max() - cam.min())


def positive(cam: np.ndarray) -> np.ndarray:
    return np.maximum(cam, 0) / np.maximum(cam, 0).max()


def care(mn: np.ndarray, inside: np.ndarray, outer: np.ndarray, tau: float) -> float:
    """sum(Mn O) - min(sum(Mn I), tau); an outside of no weight counts 0."""
    o = (mn * outer).sum() / outer.sum() if outer.sum() > 0 else 0.0
    return float(o - min((mn * inside).sum() / inside.sum(), tau))


def energy(cam: np.ndarray, mask: np.ndarray) -> float:
    plus = np.maximum(cam, 0)
    return float(1 - (mask * plus).sum() / plus.sum())


def l1(cam: np.ndarray, mask: np.ndarray) -> float:
    return float(np.mean(np.abs(positive(cam) - mask)))


def outside_square(cam: np.ndarray, mask: np.ndarray) -> float:
    return float((((1 - mask) * normalised(cam)) ** 2).sum())


def in_box_cross_entropy(cam: np.ndarray, mask: np.ndarray, eps: float) -> float:
    return float(-(mask * np.log(np.maximum(positive(cam), eps))).sum() / mask.sum())


def input_gradient(gradient: np.ndarray, mask: np.ndarray) -> float:
    return float(sum((((1 - mask) * channel) ** 2).sum() for channel in gradient))


def numeric_gradient(function, values: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of a scalar function of one array."""
    gradient = np.zeros_like(values)
    for index in np.ndindex(*values.shape):
        up, down = values.copy(), values.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient
