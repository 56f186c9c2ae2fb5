"""Where a trained network looks, as a map over any image."""

import threading
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from lesioncare.attention import AttentionGuide
from lesioncare.data import eval_transform
from lesioncare.data.transforms import Sample
from lesioncare.review.pictures import MapOf
from lesioncare.training.apply import TrainedRun, load_run

__all__ = ["attention_of", "open_attention"]


def open_attention(run: Path) -> MapOf:
    """The attention of a finished run's network.

    Raises:
        RunError: the directory holds no finished run.
        ModelError: its weights are damaged.
    """
    return attention_of(load_run(run))


def attention_of(trained: TrainedRun) -> MapOf:
    """The positive part of the network's class activation map, scaled to a maximum of 1.

    The map is that of the class of the image's box; where the run does not know it, of the class that the
    network answers.
    """
    model, classes = trained.model, trained.result.classes
    guide = AttentionGuide(model.network, target_layer=trained.config.model.target_layer, gradient="half")
    transform = eval_transform(model.image_size, model.mean, model.std)
    device = next(model.network.parameters()).device
    lock = threading.Lock()  # the guide watches one batch at a time

    def attention(image: Image.Image, label: str | None) -> NDArray[np.floating]:
        pixels = transform(_sample(image))["image"].as_subclass(torch.Tensor).unsqueeze(0).to(device)
        with lock:
            with guide.watch(always=True):
                logits = model.network(pixels)
            number = classes.index(label) if label in classes else int(logits.argmax())
            found = guide.class_activation_map(torch.tensor([number], device=device))
        positive = found[0].detach().float().cpu().relu()
        return np.asarray((positive / positive.max().clamp(min=1e-30)).numpy())

    return attention


def _sample(image: Image.Image) -> Sample:
    """An image without boxes, as the transforms take it."""
    boxes = tv_tensors.BoundingBoxes(
        torch.empty((0, 4)),
        format=tv_tensors.BoundingBoxFormat.XYXY,
        canvas_size=(image.height, image.width),
    )
    return Sample(image=functional.to_image(image), boxes=boxes, weights=torch.empty(0))
