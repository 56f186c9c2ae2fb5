"""What happens to an image, its boxes and its mask between the file and the model."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from lesioncare.errors import ConfigError

Augment = Literal["none", "flips", "light", "dermoscopy", "chest"]
MIN_SIDE = 1.0
MIN_AREA_LEFT = 0.1
MIN_SCALE = 0.7
MAX_STRETCH = 1.25
"""Crops have 1 / 1.25 to 1.25 times the image's own aspect."""

__all__ = [
    "RECIPES",
    "Augment",
    "Recipe",
    "Sample",
    "Transform",
    "eval_transform",
    "stored_size",
    "train_transform",
]


@dataclass(frozen=True)
class Recipe:
    """What an augmentation does, in this order.

    Attributes:
        crop: whether 70 to 100 % of the area is cropped out.
        move: largest angle in degrees, shift as a share of the side, and change of scale; or none.
        flip_x: whether half of the images are mirrored left-right.
        jitter: half-widths of the factors of brightness, contrast and saturation, and of the shift of hue.
        flip_y: whether half of the images are mirrored up-down.
        turn: whether half of the images are turned by 90 degrees, where the size is square.
    """

    crop: bool = False
    move: tuple[float, float, float] | None = None
    flip_x: bool = False
    jitter: tuple[float, float, float, float] | None = None
    flip_y: bool = False
    turn: bool = False


_MILD = (0.1, 0.1, 0.1, 0.02)
RECIPES: dict[str, Recipe] = {
    "none": Recipe(),
    "flips": Recipe(flip_x=True, flip_y=True),
    "light": Recipe(crop=True, flip_x=True, jitter=_MILD),
    "dermoscopy": Recipe(crop=True, flip_x=True, jitter=_MILD, flip_y=True, turn=True),
    "chest": Recipe(move=(7, 0.05, 0.1), jitter=(0.15, 0.15, 0, 0)),
}


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
        height, width = full.canvas_size
        boxes, kept = clip_boxes(full.as_subclass(Tensor), (height, width))
        left = tv_tensors.wrap(boxes[kept], like=full)
        return {**sample, "boxes": left, "weights": sample["weights"][kept]}


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Clip boxes [n, 4] to an image of `size` (h, w), and say which of them [n] are not lost, see above."""
    clipped = boxes.clone()
    clipped[:, 0::2].clamp_(0, size[1])
    clipped[:, 1::2].clamp_(0, size[0])
    sides, whole = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    return clipped, (sides >= MIN_SIDE).all(1) & (sides.prod(1) >= MIN_AREA_LEFT * whole.prod(1))


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
        ratio = (1 / MAX_STRETCH * width / height, MAX_STRETCH * width / height)
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
    _check_size(size)
    return _pipeline(_steps(find_recipe(augment), size), mean, std)


def find_recipe(augment: str) -> Recipe:
    """Give an augmentation by its name.

    Raises:
        ConfigError: there is none of this name.
    """
    if augment not in RECIPES:
        raise ConfigError(f"augment: no such choice {augment!r}. Choose from {', '.join(RECIPES)}.")
    return RECIPES[augment]


def stored_size(size: tuple[int, int], augment: str) -> tuple[int, int]:
    """Give the size (h, w) in which an image may be kept before it is augmented to `size`.

    Where that crops, even the smallest crop has `size` pixels: its sides are sqrt(0.7 / 1.25) = 0.75 of the
    image's. So it is enlarged only where the file itself has too few.
    """
    if not find_recipe(augment).crop:
        return size
    smallest = math.sqrt(MIN_SCALE / MAX_STRETCH)
    return math.ceil(size[0] / smallest), math.ceil(size[1] / smallest)


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


def _steps(recipe: Recipe, size: tuple[int, int]) -> list[nn.Module]:
    steps: list[nn.Module] = [CropLikeImage(size) if recipe.crop else _resize(size)]
    if recipe.move is not None:
        degrees, shift, zoom = recipe.move
        bilinear = v2.InterpolationMode.BILINEAR
        steps.append(v2.RandomAffine(degrees, (shift, shift), (1 - zoom, 1 + zoom), interpolation=bilinear))
    if recipe.flip_x:
        steps.append(v2.RandomHorizontalFlip())
    if recipe.jitter is not None:
        steps.append(v2.ColorJitter(*recipe.jitter))
    if recipe.flip_y:
        steps.append(v2.RandomVerticalFlip())
    if recipe.turn and size[0] == size[1]:
        steps.append(v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5))
    return steps
