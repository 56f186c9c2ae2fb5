"""What happens to an image, its boxes and its mask between the file and the model."""

from collections.abc import Callable, Sequence
from typing import Literal, NotRequired, TypedDict

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from lesioncare.errors import ConfigError

Augment = Literal["none", "flips", "light", "dermoscopy", "chest"]
MIN_SIDE = 1.0
MIN_AREA_LEFT = 0.1
MIN_SCALE = 0.7

__all__ = ["Augment", "Sample", "Transform", "eval_transform", "train_transform"]


class Sample(TypedDict):
    """One image on its way through a transform.

    image: uint8 [3, H, W] before, float32 [3, h, w] after. boxes: float32 [n, 4] xyxy in pixels of the image.
    weights: float32 [n], one per box. mask: [H, W] or [k, H, W], follows the image.
    """

    image: tv_tensors.Image
    boxes: tv_tensors.BoundingBoxes
    weights: Tensor
    mask: NotRequired[tv_tensors.Mask]


Transform = Callable[[Sample], Sample]


class DropLostBoxes(nn.Module):
    """Clip boxes to the image; drop those left with a side under 1 px or under 10 % of their area."""

    def forward(self, sample: Sample) -> Sample:
        """Return the sample with the boxes, and their weights, that are still in the image."""
        full = sample["boxes"]
        boxes = functional.clamp_bounding_boxes(full, clamping_mode="hard")
        sides = boxes.as_subclass(Tensor)[:, 2:] - boxes.as_subclass(Tensor)[:, :2]
        whole = full.as_subclass(Tensor)[:, 2:] - full.as_subclass(Tensor)[:, :2]
        kept = (sides >= MIN_SIDE).all(1) & (sides.prod(1) >= MIN_AREA_LEFT * whole.prod(1))
        left = tv_tensors.wrap(boxes.as_subclass(Tensor)[kept], like=boxes)
        return {**sample, "boxes": left, "weights": sample["weights"][kept]}


class CropLikeImage(nn.Module):
    """Crop 70 to 100 % of the area, at nearly the image's own aspect, and resize to `size` (h, w).

    So objects keep the proportions that plain resizing to `size` gives them in evaluation.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, sample: Sample) -> Sample:
        """Return the sample cropped at random."""
        height, width = sample["image"].shape[-2:]
        ratio = (0.8 * width / height, 1.25 * width / height)
        cropped: Sample = v2.RandomResizedCrop(self.size, (MIN_SCALE, 1.0), ratio, antialias=True)(sample)
        return cropped


def eval_transform(size: tuple[int, int], mean: Sequence[float], std: Sequence[float]) -> Transform:
    """Resize to `size` (h, w) with antialiasing, scale to [0, 1], and normalise: (value - mean) / std.

    Raises:
        ConfigError: a size is under 1.
    """
    _check_size(size)
    return _pipeline([_resize(size)], mean, std)


def train_transform(
    size: tuple[int, int], mean: Sequence[float], std: Sequence[float], augment: Augment = "light"
) -> Transform:
    """Resize, augment at random (from torch's global generator), scale and normalise.

    Boxes and masks follow the image; a box that leaves it is dropped with its weight.

    Args:
        size: height and width that the model takes, in pixels.
        mean: of each channel, for values in [0, 1].
        std: of each channel, for values in [0, 1].
        augment: "none"; "flips": left-right and up-down; "light": crops of 70 to 100 % of the area,
            left-right flips, mild colour; "dermoscopy": light with up-down flips and, for a square size,
            quarter turns; "chest": small
            shifts, turns and zooms and brightness, no flips, for the heart is on the left.

    Raises:
        ConfigError: `augment` is none of these, or a size is under 1.
    """
    steps = {
        "none": lambda: [_resize(size)],
        "flips": lambda: _flips(size),
        "light": lambda: _light(size),
        "dermoscopy": lambda: _dermoscopy(size),
        "chest": lambda: _chest(size),
    }
    _check_size(size)
    if augment not in steps:
        raise ConfigError(f"augment: no such choice {augment!r}. Choose from {', '.join(steps)}.")
    return _pipeline(steps[augment](), mean, std)


def _check_size(size: tuple[int, int]) -> None:
    if min(size) < 1:
        raise ConfigError(f"size: height and width must be at least 1, but got {size}.")


def _pipeline(steps: list[nn.Module], mean: Sequence[float], std: Sequence[float]) -> Transform:
    pipeline: Transform = v2.Compose(
        [
            v2.SetClampingMode(None),  # boxes keep their full area until DropLostBoxes compares
            *steps,
            DropLostBoxes(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(mean), list(std)),
        ]
    )
    return pipeline


def _resize(size: tuple[int, int]) -> nn.Module:
    resize: nn.Module = v2.Resize(list(size), antialias=True)
    return resize


def _flips(size: tuple[int, int]) -> list[nn.Module]:
    return [_resize(size), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]


def _light(size: tuple[int, int]) -> list[nn.Module]:
    jitter = v2.ColorJitter(brightness=0.1, contrast=0.1, saturation=0.1, hue=0.02)
    return [CropLikeImage(size), v2.RandomHorizontalFlip(), jitter]


def _dermoscopy(size: tuple[int, int]) -> list[nn.Module]:
    steps = [*_light(size), v2.RandomVerticalFlip()]
    if size[0] == size[1]:
        steps.append(v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5))
    return steps


def _chest(size: tuple[int, int]) -> list[nn.Module]:
    move = v2.RandomAffine(7, (0.05, 0.05), (0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR)
    return [_resize(size), move, v2.ColorJitter(brightness=0.15, contrast=0.15)]
