"""Training a segmenter from images and their lesion masks."""

from lesioncare.training.segmentation.config import SegmenterConfig
from lesioncare.training.segmentation.run import TrainedSegmenter, train_segmenter

__all__ = ["SegmenterConfig", "TrainedSegmenter", "train_segmenter"]
