"""Frequency-tuned saliency."""

from dataclasses import dataclass

import cv2
import numpy as np

from lesioncare.boxes.saliency.base import Image, Map, finish, lab, shrink

__all__ = ["FrequencyTuned"]


@dataclass(frozen=True)
class FrequencyTuned:
    r"""Distance of each pixel's blurred colour to the image's mean colour.

        S(x) = || I_mu - I_whc(x) ||

    I_mu is the mean Lab colour of the image, I_whc(x) the Lab colour at x after a 5 x 5 binomial
    blur, || . || the Euclidean norm. Fast; wrong where the lesion is larger than the skin around it.

    Source: Achanta et al., Frequency-tuned salient region detection, CVPR 2009, equation 4.

    Args:
        size: longer side in pixels at which the map is computed.
    """

    size: int = 256

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""
        colours = lab(shrink(image, self.size))
        binomial = np.array([1, 4, 6, 4, 1], np.float32) / 16
        blurred = cv2.sepFilter2D(colours, -1, binomial, binomial, borderType=cv2.BORDER_REFLECT_101)
        distance = np.linalg.norm(colours.mean(axis=(0, 1)) - blurred, axis=2)
        return finish(distance, image.shape)
