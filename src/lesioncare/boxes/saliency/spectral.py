"""Spectral residual saliency, by OpenCV contrib."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lesioncare.boxes.saliency.base import Image, Map, finish, is_flat, shrink
from lesioncare.errors import ConfigError

__all__ = ["SpectralResidual"]


@dataclass(frozen=True)
class SpectralResidual:
    r"""What is unexpected in the image's log spectrum.

        A(f) = |F[I](f)|,  P(f) = phase of F[I](f),  L(f) = log A(f)
        R(f) = L(f) - h_n(f) * L(f)
        S(x) = g(x) * |F^-1[exp(R(f) + i P(f))](x)|^2

    F is the Fourier transform of the grey image at 64 x 64, h_n an n x n mean filter, g a Gaussian.
    Finds small unusual things; large lesions are found by their edges only.

    Source: Hou & Zhang, Saliency detection: a spectral residual approach, CVPR 2007, equations 4 to 8.
    The map is `cv2.saliency.StaticSaliencySpectralResidual` of opencv-contrib.

    Args:
        size: longer side in pixels of what OpenCV is given; it works at 64 x 64 in any case.
    """

    size: int = 256

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel.

        Raises:
            ConfigError: the installed OpenCV lacks the contrib modules.
        """
        small = shrink(image, self.size)
        contrib: Any = getattr(cv2, "saliency", None)
        if contrib is None:
            raise ConfigError(
                "spectral residual needs the contrib modules of OpenCV: "
                "install opencv-contrib-python-headless in place of opencv-python."
            )
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if is_flat(grey):
            return np.zeros(image.shape[:2], np.float32)
        _, raw = contrib.StaticSaliencySpectralResidual_create().computeSaliency(grey)
        return finish(np.asarray(raw), image.shape)
