"""A map drawn over its image."""

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

COLOURMAP = "viridis"
"""Perceptually uniform, and readable with every common colour vision."""

__all__ = ["COLOURMAP", "overlay"]


def overlay(image: Image.Image, cam: NDArray[np.floating]) -> Image.Image:
    """A map over an image, stretched to it bilinearly; the weaker the map, the more the image shows.

    Args:
        image: RGB.
        cam: map [h, w] in [0, 1]; NaN counts as 0.
    """
    clean = np.clip(np.nan_to_num(np.asarray(cam, dtype=np.float32)), 0, 1)
    value = np.asarray(Image.fromarray(clean).resize(image.size, Image.Resampling.BILINEAR))
    colour = colormaps[COLOURMAP](value)[..., :3] * 255
    opacity = (0.2 + 0.45 * value)[..., None]
    blended = (1 - opacity) * np.asarray(image, dtype=np.float32) + opacity * colour
    return Image.fromarray(blended.round().astype(np.uint8))
