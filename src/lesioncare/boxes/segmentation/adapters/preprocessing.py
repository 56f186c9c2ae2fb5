"""What is done to an image before a network sees it, and which of its classes are lesion."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesioncare.boxes.segmentation.base import IMAGENET_MEAN, IMAGENET_STD
from lesioncare.boxes.segmentation.source import read_json
from lesioncare.errors import ModelError

DEFAULT_SIZE = (256, 256)
"""(h, w) that a network sees where nothing says it."""

__all__ = ["DEFAULT_SIZE", "Preprocessing", "lesion_channels", "read_preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image; ImageNet's values where nothing is said.

    Args:
        size: (h, w) that the network sees; None if nothing is said.
        mean: of each channel, for values in [0, 1].
        std: of each channel, for values in [0, 1].

    Raises:
        ModelError: a size or deviation is not positive, or there are not three channels.
    """

    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        size, mean, std = self.size or (1, 1), self.mean, self.std
        if min(size) < 1 or len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ModelError(f"images cannot be given the size {size}, mean {mean} and deviation {std}.")


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read `preprocessor_config.json` (transformers) or `albumentations_config_eval.json`, if there is one.

    Raises:
        ModelError: the file is damaged.
    """
    path, reader = folder / "preprocessor_config.json", _of_transformers
    if not path.is_file():
        path, reader = folder / "albumentations_config_eval.json", _of_albumentations
    if not path.is_file():
        return Preprocessing()
    try:
        return reader(read_json(path))
    except (KeyError, TypeError, ValueError, AttributeError, ModelError) as error:
        raise ModelError(f"{path}: its preprocessing cannot be understood ({error}).") from error


def lesion_channels(classes: int) -> tuple[int, ...]:
    """Of K > 1 classes all but the first, the background; else the only one."""
    return tuple(range(1, classes)) or (0,)


def _of_transformers(config: Mapping[str, Any]) -> Preprocessing:
    size = config.get("size") or {}
    return Preprocessing(
        (int(size["height"]), int(size["width"])) if "height" in size else None,
        tuple(map(float, config.get("image_mean", IMAGENET_MEAN))),
        tuple(map(float, config.get("image_std", IMAGENET_STD))),
    )


def _of_albumentations(config: Mapping[str, Any]) -> Preprocessing:
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    for step in _steps(config["transform"]):
        name = str(step.get("__class_fullname__", "")).rpartition(".")[2]
        if name == "Resize":
            size = (int(step["height"]), int(step["width"]))
        elif name == "Normalize":
            scale = float(step.get("max_pixel_value", 255)) / 255
            mean = tuple(float(value) * scale for value in step["mean"])
            std = tuple(float(value) * scale for value in step["std"])
    return Preprocessing(size, mean, std)


def _steps(step: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A transform and those within it."""
    yield step
    for inner in step.get("transforms") or ():
        yield from _steps(inner)
