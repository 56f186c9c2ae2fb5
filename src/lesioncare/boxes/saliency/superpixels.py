"""Superpixels and their neighbourhood, which the region-based methods share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import segmentation

from lesioncare.boxes.saliency.base import lab

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Labels = NDArray[np.intp]

__all__ = ["Bools", "Floats", "Labels", "Superpixels", "describe", "distances", "number", "segment"]


@dataclass(frozen=True, eq=False)
class Superpixels:
    """N regions of an image.

    Args:
        labels: [h, w], the region of each pixel, 0 to N - 1.
        colours: [N, 3], mean Lab colour.
        centres: [N, 2], mean (x, y), divided by the image's longer side.
        sizes: [N], pixels.
        adjacent: [N, N], whether two regions share an edge; False on the diagonal.
        sides: [4, N], whether a region touches the top, bottom, left, right of the image.
    """

    labels: Labels
    colours: Floats
    centres: Floats
    sizes: Floats
    adjacent: Bools
    sides: Bools

    def paint(self, values: Floats) -> Floats:
        """Map [h, w] in which each pixel has its region's value."""
        return np.asarray(values[self.labels])


def segment(image: NDArray[np.uint8], count: int, compactness: float = 20.0) -> Superpixels:
    """Cut an RGB image [h, w, 3] into about `count` SLIC superpixels.

    Source: Achanta et al., SLIC superpixels, PAMI 2012; `skimage.segmentation.slic`.
    """
    raw = segmentation.slic(image, n_segments=count, compactness=compactness, start_label=0, max_num_iter=5)
    return describe(number(raw), lab(image))


def number(values: NDArray[np.integer[Any]]) -> Labels:
    """Replace the values of [h, w] by 0 to N - 1, in their order and without gaps."""
    return np.asarray(np.unique(values, return_inverse=True)[1].reshape(values.shape), np.intp)


def describe(labels: Labels, colours: NDArray[np.float32]) -> Superpixels:
    """Measure the regions of a label image [h, w] with labels 0 to N - 1 over Lab colours [h, w, 3]."""
    height, width = labels.shape
    flat = labels.ravel()
    count = int(flat.max()) + 1
    sizes = np.bincount(flat, minlength=count).astype(np.float64)
    rows, columns = np.divmod(np.arange(flat.size), width)

    def mean(values: NDArray[np.generic]) -> Floats:
        return np.bincount(flat, weights=values, minlength=count) / sizes

    adjacent = np.zeros((count, count), bool)
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        adjacent[one.ravel(), other.ravel()] = True
    adjacent |= adjacent.T
    np.fill_diagonal(adjacent, False)
    sides = np.zeros((4, count), bool)
    for side, edge in zip(sides, (labels[0], labels[-1], labels[:, 0], labels[:, -1]), strict=True):
        side[edge] = True
    return Superpixels(
        labels=labels,
        colours=np.stack([mean(colours[..., channel].ravel()) for channel in range(3)], axis=1),
        centres=np.stack([mean(columns), mean(rows)], axis=1) / max(height, width),
        sizes=sizes,
        adjacent=adjacent,
        sides=sides,
    )


def distances(points: Floats) -> Floats:
    """Euclidean distances [N, N] between the rows of [N, d]."""
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=2))
