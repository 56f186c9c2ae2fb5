"""Region contrast."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage import segmentation

from lesioncare.boxes.saliency.base import Image, Map, finish, lab, shrink
from lesioncare.boxes.saliency.superpixels import Floats, Labels, Superpixels, describe, distances, number

__all__ = ["RegionContrast"]


@dataclass(frozen=True)
class RegionContrast:
    r"""Colour contrast of each region to all others, nearer and larger regions counting more.

        S(r_k) = sum_{i != k} exp(-D_s(r_k, r_i) / sigma2) w(r_i) D_r(r_k, r_i)          (eq. 7)
        D_r(r_1, r_2) = sum_i sum_j f(c_1i) f(c_2j) D(c_1i, c_2j)                        (eq. 6)

    w(r) is the region's pixels, D_s the distance of centres in longer sides of the image, f(c) the
    share of colour c in its region, D the distance of colours in Lab. Regions come from the
    graph-based segmentation of Felzenszwalb & Huttenlocher; colours are quantised to `bins` per RGB channel.

    Source: Cheng et al., Global contrast based salient region detection, CVPR 2011.

    Args:
        size: longer side in pixels at which the map is computed.
        scale: of the segmentation: larger gives larger regions.
        blur: standard deviation in pixels of the Gaussian blur before the segmentation.
        sigma2: reach of the contrast.
        bins: colours per channel.
    """

    size: int = 96
    scale: float = 20.0
    blur: float = 0.8
    sigma2: float = 0.4
    bins: int = 12

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""
        small = shrink(image, self.size)
        if min(small.shape[:2]) < 2:  # the segmentation needs a neighbourhood
            return np.zeros(image.shape[:2], np.float32)
        colours = lab(small)
        least = small.shape[0] * small.shape[1] // 200
        labels = segmentation.felzenszwalb(small, scale=self.scale, sigma=self.blur, min_size=least)
        regions = describe(labels, colours)
        contrast = _colour_contrast(labels, _quantise(small, self.bins), colours)
        return finish(regions.paint(_weighted(regions, contrast, self.sigma2)), image.shape)


def _weighted(regions: Superpixels, contrast: Floats, sigma2: float) -> Floats:
    """S [N] of equation 7, of the contrasts D_r [N, N]."""
    near = np.exp(-distances(regions.centres) / sigma2)
    np.fill_diagonal(near, 0.0)
    return np.asarray((near * contrast) @ regions.sizes)


def _quantise(image: Image, bins: int) -> Labels:
    """Number of each pixel's colour [h, w], counted from 0 without gaps."""
    levels = image.astype(np.intp) * bins // 256
    codes = (levels[..., 0] * bins + levels[..., 1]) * bins + levels[..., 2]
    return number(codes)


def _colour_contrast(labels: Labels, codes: Labels, colours: NDArray[np.float32]) -> Floats:
    """D_r [N, N] between regions."""
    histogram = np.zeros((int(labels.max()) + 1, int(codes.max()) + 1))
    np.add.at(histogram, (labels.ravel(), codes.ravel()), 1.0)
    histogram /= histogram.sum(axis=1, keepdims=True)
    palette = describe(codes, colours).colours
    return np.asarray(histogram @ distances(palette) @ histogram.T)
