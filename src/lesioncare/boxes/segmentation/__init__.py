"""Segmentation: masks of the lesion from a trained network, of one's own or the small one that is shipped."""

from lesioncare.boxes.segmentation.base import NetworkSegmenter, Segmenter
from lesioncare.boxes.segmentation.file import SegmenterSpec, load_segmenter_file, save_segmenter
from lesioncare.boxes.segmentation.tiny import TinyUNet

__all__ = [
    "NetworkSegmenter",
    "Segmenter",
    "SegmenterSpec",
    "TinyUNet",
    "load_segmenter_file",
    "save_segmenter",
]
