"""Robust background detection."""

from dataclasses import dataclass

import numpy as np
import scipy

from lesioncare.boxes.saliency.base import Image, Map, finish, is_flat, shrink
from lesioncare.boxes.saliency.superpixels import Bools, Floats, Superpixels, distances, segment

__all__ = ["RobustBackground"]


@dataclass(frozen=True)
class RobustBackground:
    r"""Contrast to regions that belong to the background because much of their outline is the image's border.

    On superpixels p with mean Lab colours, d_app the colour distance, d_geo the shortest path of
    d_app over neighbours (border superpixels are neighbours of one another), d_spa the distance of centres:

        Area(p)    = sum_i exp(-d_geo(p, p_i)^2 / (2 sigma_clr^2))
        Len(p)     = sum_{i on border} exp(-d_geo(p, p_i)^2 / (2 sigma_clr^2))
        BndCon(p)  = Len(p) / sqrt(Area(p))
        w_bg(p)    = 1 - exp(-BndCon(p)^2 / (2 sigma_bnd^2))
        w_fg(p)    = sum_i d_app(p, p_i) exp(-d_spa(p, p_i)^2 / (2 sigma_spa^2)) w_bg(p_i)

    and the saliency s minimises

        sum_i w_bg(i) s_i^2 + sum_i w_fg(i) (s_i - 1)^2 + sum_{i,j adjacent} w_ij (s_i - s_j)^2,
        w_ij = exp(-d_app(p_i, p_j)^2 / (2 sigma_clr^2)) + mu,

    each pair once, which is one linear system. w_fg is divided by its maximum first.

    Source: Zhu et al., Saliency optimization from robust background detection, CVPR 2014, sections 3 to 5.

    Args:
        size: longer side in pixels at which the map is computed.
        count: superpixels.
        sigma_clr: colour distance in Lab that separates regions.
        sigma_bnd: boundary connectivity above which a region is background.
        sigma_spa: reach of the contrast, in longer sides of the image.
        mu: smoothing between all neighbours.
    """

    size: int = 128
    count: int = 200
    sigma_clr: float = 10.0
    sigma_bnd: float = 1.0
    sigma_spa: float = 0.4
    mu: float = 0.1

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""
        small = shrink(image, self.size)
        if is_flat(small):
            return np.zeros(image.shape[:2], np.float32)
        regions = segment(small, self.count)
        apart = distances(regions.colours)
        background = self.background(regions, apart)
        near = np.exp(-(distances(regions.centres) ** 2) / (2 * self.sigma_spa**2))
        contrast = (apart * near) @ background
        foreground = contrast / max(float(contrast.max()), 1e-9)
        weights = np.where(regions.adjacent, np.exp(-(apart**2) / (2 * self.sigma_clr**2)) + self.mu, 0.0)
        return finish(regions.paint(_optimise(weights, background, foreground)), image.shape)

    def background(self, regions: Superpixels, apart: Floats) -> Floats:
        """Probability w_bg [N] that a region is background, of colour distances [N, N]."""
        border = regions.sides.any(axis=0)
        geodesic = _geodesic(regions.adjacent | np.logical_and.outer(border, border), apart)
        similar = np.exp(-(geodesic**2) / (2 * self.sigma_clr**2))
        connectivity = similar[:, border].sum(axis=1) / np.sqrt(similar.sum(axis=1))
        return np.asarray(1 - np.exp(-(connectivity**2) / (2 * self.sigma_bnd**2)))


def _optimise(weights: Floats, background: Floats, foreground: Floats) -> Floats:
    """The minimising s [N], of the neighbours' weights w_ij [N, N], w_bg [N] and w_fg [N]."""
    laplacian = np.diag(weights.sum(axis=1)) - weights
    # A tiny ridge keeps the system solvable where nothing is foreground or background.
    system = np.diag(background + foreground + 1e-9) + laplacian
    return np.asarray(np.linalg.solve(system, foreground))


def _geodesic(linked: Bools, apart: Floats) -> Floats:
    """Shortest paths [N, N] over linked pairs; a step between equal colours is a step, if a short one."""
    np.fill_diagonal(linked, False)
    steps = np.where(linked, np.maximum(apart, 1e-6), 0.0)
    return np.asarray(scipy.sparse.csgraph.shortest_path(steps, method="D", directed=False))
