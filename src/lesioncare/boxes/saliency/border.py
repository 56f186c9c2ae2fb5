"""Distance to the border's colour."""

from dataclasses import dataclass

import numpy as np

from lesioncare.boxes.saliency.base import Image, Map, border_pixels, finish, lab, shrink, smooth

__all__ = ["BorderColour"]


@dataclass(frozen=True)
class BorderColour:
    r"""Mahalanobis distance in Lab between each pixel and the colours of the image's frame.

        S(x) = sqrt((c(x) - mu)^T (Sigma + ridge E)^-1 (c(x) - mu))

    c(x) is the blurred Lab colour at x, mu and Sigma the mean and covariance of the colours of the frame,
    E the identity. The frame is taken as skin; its ordinary variation counts little, a hue that it
    lacks counts much. One model is made of the whole frame, so a lesion that touches one side is
    outvoted by the others.

    Source: the distance of Mahalanobis, 1936; the border as background as in Wei et al., ECCV 2012.

    Args:
        size: longer side in pixels at which the map is computed.
        frame: width of the frame as a share of the shorter side.
        blur: standard deviation of the Gaussian blur as a share of the longer side.
        ridge: variance in squared Lab units that is added to each channel.
    """

    size: int = 96
    frame: float = 0.05
    blur: float = 0.01
    ridge: float = 4.0

    def __call__(self, image: Image, /) -> Map:
        """Give the saliency of each pixel."""
        colours = smooth(lab(shrink(image, self.size)), self.blur)
        frame = border_pixels(colours, self.frame).astype(np.float64)
        centred = frame - frame.mean(axis=0)
        covariance = centred.T @ centred / len(frame) + self.ridge * np.eye(3)
        difference = colours.reshape(-1, 3) - frame.mean(axis=0)
        squared = np.sum(difference @ np.linalg.inv(covariance) * difference, axis=1)
        return finish(np.sqrt(np.maximum(squared, 0)).reshape(colours.shape[:2]), image.shape)
