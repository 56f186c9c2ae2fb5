"""What the segmenter commands print."""

import json
from dataclasses import asdict

from rich.console import Console

from lesioncare.boxes.segmentation import SegmenterSpec
from lesioncare.cli.say import say
from lesioncare.training.segmentation import TrainedSegmenter
from lesioncare.words import several

__all__ = ["show_card", "show_trained"]


def show_trained(trained: TrainedSegmenter) -> None:
    """Print on how much the segmenter learnt, and its score."""
    text = f"Trained on {several(trained.train, 'image')}{_of_them_empty(trained.train_empty)}."
    if trained.validation_iou is not None:
        others = f"{several(trained.validation, 'other')}{_of_them_empty(trained.validation_empty)}"
        text += f" Mean IoU of the masks of {others}: {trained.validation_iou:.3f}."
    say(text)


def show_card(spec: SegmenterSpec) -> None:
    """Print the description of a segmenter's file, as json."""
    Console().print_json(json.dumps(asdict(spec)))


def _of_them_empty(count: int) -> str:
    return f" ({count} of them without a lesion in the mask)" if count else ""
