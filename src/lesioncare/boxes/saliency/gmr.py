"""Graph-based manifold ranking."""

from dataclasses import dataclass

import numpy as np

from lesioncare.boxes.saliency.base import Image, Map, finish, is_flat, shrink
from lesioncare.boxes.saliency.superpixels import Bools, Floats, Superpixels, distances, segment

__all__ = ["ManifoldRanking"]


@dataclass(frozen=True)
class ManifoldRanking:
    r"""How unlike the four sides of the image each superpixel ranks, then how like what that leaves.

    On a graph of superpixels that joins neighbours, neighbours of neighbours, and all border superpixels,

        w_ij = exp(-||c_i - c_j|| / sigma^2),  D = diag(sum_j w_ij)                (eq. 4)
        f*(y) = (D - alpha W)^-1 y, its diagonal set to 0 so that a query does not rank itself   (eq. 3)

    with c the mean Lab colours, in units of the largest distance between linked regions. Stage one ranks
    against each side:

        S_side = 1 - f*(y_side) / max f*(y_side),  S_1 = S_top S_bottom S_left S_right   (eq. 5, 6)

    Stage two queries with the regions above the mean of S_1: S = f*(S_1 > mean S_1), in [0, 1] (eq. 7).

    Source: Yang et al., Saliency detection via graph-based manifold ranking, CVPR 2013.

    Args:
        size: longer side in pixels at which the map is computed.
        count: superpixels.
        sigma2: sigma^2, how far colours may differ.
        alpha: how far rank spreads, in (0, 1).
    """

    size: int = 128
    count: int = 200
    sigma2: float = 0.05
    alpha: float = 0.99

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""
        small = shrink(image, self.size)
        if is_flat(small):
            return np.zeros(image.shape[:2], np.float32)
        regions = segment(small, self.count)
        ranking = self.ranking(regions)
        first = np.ones(len(regions.sizes))
        for side in regions.sides:
            first *= 1 - _unit(ranking @ side)
        second = _unit(ranking @ (first > first.mean()))
        return finish(regions.paint(second), image.shape)

    def ranking(self, regions: Superpixels) -> Floats:
        """The matrix [N, N] that turns queries into ranks: (D - alpha W)^-1 without its diagonal."""
        linked = _links(regions)
        apart = distances(regions.colours)
        apart /= max(float(apart[linked].max(initial=0.0)), 1e-9)
        weights = np.where(linked, np.exp(-apart / self.sigma2), 0.0)
        # The ridge matters only to a region without any neighbour.
        matrix = np.linalg.inv(np.diag(weights.sum(axis=1) + 1e-9) - self.alpha * weights)
        np.fill_diagonal(matrix, 0.0)
        return np.asarray(matrix)


def _links(regions: Superpixels) -> Bools:
    border = regions.sides.any(axis=0)
    near = regions.adjacent.astype(np.float64)
    linked = regions.adjacent | (near @ near > 0) | np.logical_and.outer(border, border)
    np.fill_diagonal(linked, False)
    return np.asarray(linked)


def _unit(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    return (values - low) / max(high - low, 1e-12)
