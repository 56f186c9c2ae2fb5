"""Segment Anything: a mask for a box that a saliency method finds."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.boxes.saliency.base import Image
from lesioncare.boxes.segmentation.adapters.preprocessing import Preprocessing, read_preprocessing
from lesioncare.boxes.segmentation.base import Segmenter, prepare
from lesioncare.boxes.segmentation.source import Source, read_json
from lesioncare.errors import ConfigError, ModelError

PADDED = frozenset({"sam", "sam_hq"})
"""These see the image in its own shape, padded at the right and below; the others see it as a square."""
KINDS = PADDED | {"sam2", "sam2_video", "edgetam", "edgetam_video"}

Prompt = Callable[[Image], tuple[float, float, float, float] | None]
"""Gives the box x1, y1, x2, y2 of the lesion on an RGB image, or None."""

__all__ = ["KINDS", "SamSegmenter", "open_sam", "saliency_box"]


def open_sam(source: Source) -> Segmenter:
    """The segmenter of the folder, prompted by the box of the saliency method "colour".

    Raises:
        ModelError: the model is of another kind, is not whole, or is damaged.
        ConfigError: transformers is not installed.
    """
    folder = source.path
    kind = read_json(folder / "config.json")["model_type"]
    if kind not in KINDS:
        raise ModelError(f"{folder}: a transformers model of type {kind!r}, not {', '.join(sorted(KINDS))}.")
    model = _model(folder)
    side = int(model.config.prompt_encoder_config.image_size)
    return SamSegmenter(model, side, kind in PADDED, read_preprocessing(folder))


def saliency_box(image: Image) -> tuple[float, float, float, float] | None:
    """The box of the saliency method "colour"."""
    from lesioncare.boxes.generation.methods import METHODS  # noqa: PLC0415  it knows this package, too

    found = METHODS["colour"](image)
    return None if found is None else found.corners


@dataclass(frozen=True)
class SamSegmenter:
    """A SAM model; of the masks that it proposes for the box, the one whose IoU it rates highest.

    An image on which the prompt finds nothing has an empty mask.

    Source: Kirillov et al., ICCV 2023.

    Args:
        model: of transformers.
        side: of the square that the network sees, in pixels.
        padded: the image keeps its shape and is padded to the square, instead of being stretched to it.
        preprocessing: mean and standard deviation.
        prompt: the box that is to be segmented.
    """

    model: nn.Module
    side: int
    padded: bool
    preprocessing: Preprocessing
    prompt: Prompt = saliency_box

    @torch.inference_mode()
    def __call__(self, images: Tensor, /) -> Tensor:
        """Give the masks [N, h, w].

        Raises:
            ModelError: the network cannot take the images.
        """
        self.model.eval()
        return torch.stack([self._mask(image) for image in images])

    def _mask(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        scale = self.side / max(height, width)
        size = (self.side, self.side)
        if self.padded:
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
        pixels = (image.permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        box = self.prompt(np.ascontiguousarray(pixels))
        if box is None:
            return image.new_zeros(size)
        inputs = prepare(image[None], size, self.preprocessing.mean, self.preprocessing.std)
        inputs = functional.pad(inputs, (0, self.side - size[1], 0, self.side - size[0]))
        grown = inputs.new_tensor([size[1] / width, size[0] / height] * 2)
        scores = self._scores(inputs, (inputs.new_tensor(box) * grown).view(1, 1, 4))
        return scores[: size[0], : size[1]].sigmoid()

    def _scores(self, inputs: Tensor, boxes: Tensor) -> Tensor:
        """Of the best mask, at the size of the square."""
        try:
            found: Any = self.model(pixel_values=inputs, input_boxes=boxes)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ModelError(f"the SAM model cannot take images {list(inputs.shape)}: {error}") from error
        best = int(found.iou_scores[0, 0].argmax())
        scores = found.pred_masks[:, 0, best][:, None].float()
        return functional.interpolate(scores, inputs.shape[-2:], mode="bilinear", align_corners=False)[0, 0]


def _model(folder: Path) -> Any:
    try:
        loader: Any = import_module("transformers").AutoModelForMaskGeneration
    except ImportError as error:
        raise ConfigError(
            "SAM models need the package transformers: pip install 'lesioncare[sam]'."
        ) from error
    try:
        model, report = loader.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:
        raise ModelError(f"{folder}: the model cannot be loaded: {error}") from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"{folder}: weights are missing: {missing} ...")
    return model.eval().requires_grad_(False).float()
