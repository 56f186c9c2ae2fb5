"""Saliency that can be laid over an image, made on demand."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesioncare.boxes.saliency import BlueDarkness, BorderColour, MinimumBarrier, Saliency
from lesioncare.review.pictures import MapOf

_SALIENCY: Mapping[str, Saliency] = {
    "mbd": MinimumBarrier(),
    "border": BorderColour(),
    "otsu": BlueDarkness(),
}

__all__ = ["saliency_maps"]


def saliency_maps() -> dict[str, MapOf]:
    """Maps by the name of their method."""
    return {name: _map_of(method) for name, method in _SALIENCY.items()}


def _map_of(method: Saliency) -> MapOf:
    def saliency(image: Image.Image, label: str | None) -> NDArray[np.floating]:  # noqa: ARG001
        return method(np.asarray(image, dtype=np.uint8))

    return saliency
