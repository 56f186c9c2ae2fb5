"""Darkness of the blue channel: the classical baseline for pigmented lesions."""

from dataclasses import dataclass

import numpy as np

from lesioncare.boxes.saliency.base import Image, Map, finish, shrink

__all__ = ["BlueDarkness"]


@dataclass(frozen=True)
class BlueDarkness:
    r"""How dark the blue channel is, in which melanin and haemoglobin absorb most.

        S(x) = (max B - B(x)) / (max B - min B)

    B is the blue channel. With Otsu's threshold this is a classical segmentation of pigmented lesions, and
    the baseline that the other methods have to beat. What is brighter than the skin it does not find.

    Source: Otsu, IEEE Trans. SMC 1979, for the threshold.

    Args:
        size: longer side in pixels at which the map is computed.
    """

    size: int = 256

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""
        blue = shrink(image, self.size)[..., 2].astype(np.float32)
        return finish(-blue, image.shape)
