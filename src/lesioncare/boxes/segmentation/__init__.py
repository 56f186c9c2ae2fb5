"""Segmentation: masks of the lesion from a trained network, of one's own or the small one that is shipped.

The names below are loaded when they are first used: some need torch.
"""

from typing import TYPE_CHECKING

from lesioncare.lazy import load_later

if TYPE_CHECKING:
    from lesioncare.boxes.segmentation.base import NetworkSegmenter, Segmenter
    from lesioncare.boxes.segmentation.file import SegmenterSpec, load_segmenter_file, save_segmenter
    from lesioncare.boxes.segmentation.load import open_segmenter
    from lesioncare.boxes.segmentation.map import OwnSegmentation, SegmentationMap
    from lesioncare.boxes.segmentation.tiny import TinyUNet

_HOME = {
    "NetworkSegmenter": "base",
    "OwnSegmentation": "map",
    "SegmentationMap": "map",
    "Segmenter": "base",
    "SegmenterSpec": "file",
    "TinyUNet": "tiny",
    "load_segmenter_file": "file",
    "open_segmenter": "load",
    "save_segmenter": "file",
}

__all__ = [
    "NetworkSegmenter",
    "OwnSegmentation",
    "SegmentationMap",
    "Segmenter",
    "SegmenterSpec",
    "TinyUNet",
    "load_segmenter_file",
    "open_segmenter",
    "save_segmenter",
]

__getattr__ = load_later(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
