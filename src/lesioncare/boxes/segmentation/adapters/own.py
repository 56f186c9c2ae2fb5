"""The file of `lesioncare segmenter train`."""

from lesioncare.boxes.segmentation.base import Segmenter
from lesioncare.boxes.segmentation.file import load_segmenter_file
from lesioncare.boxes.segmentation.source import Source

__all__ = ["open_own"]


def open_own(source: Source) -> Segmenter:
    """The segmenter of the file.

    Raises:
        ModelError: as for `load_segmenter_file`.
    """
    segmenter = load_segmenter_file(source.path)
    segmenter.network.requires_grad_(False)
    return segmenter
