"""Saliency: maps of what stands out in an image, made without training."""

from lesioncare.boxes.saliency.base import Image, Map, Saliency
from lesioncare.boxes.saliency.blue import BlueDarkness
from lesioncare.boxes.saliency.border import BorderColour
from lesioncare.boxes.saliency.ft import FrequencyTuned
from lesioncare.boxes.saliency.gmr import ManifoldRanking
from lesioncare.boxes.saliency.mbd import MinimumBarrier
from lesioncare.boxes.saliency.rbd import RobustBackground
from lesioncare.boxes.saliency.rc import RegionContrast
from lesioncare.boxes.saliency.spectral import SpectralResidual

__all__ = [
    "BlueDarkness",
    "BorderColour",
    "FrequencyTuned",
    "Image",
    "ManifoldRanking",
    "Map",
    "MinimumBarrier",
    "RegionContrast",
    "RobustBackground",
    "Saliency",
    "SpectralResidual",
]
