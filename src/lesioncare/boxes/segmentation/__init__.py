"""Segmentation: masks of the lesion from a trained network, of one's own or the small one that is shipped.

The names below are loaded when they are first used: some need torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
