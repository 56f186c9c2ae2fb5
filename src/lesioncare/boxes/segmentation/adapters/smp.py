"""Folders that segmentation_models_pytorch's `save_pretrained` wrote."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lesioncare.boxes.segmentation.adapters.preprocessing import (
    DEFAULT_SIZE,
    lesion_channels,
    read_preprocessing,
)
from lesioncare.boxes.segmentation.base import NetworkSegmenter, Segmenter
from lesioncare.boxes.segmentation.source import Source, read_json
from lesioncare.errors import ModelError

__all__ = ["open_smp"]


def open_smp(source: Source) -> Segmenter:
    """The segmenter of the folder: one class, or several of which all but the first are lesion.

    The images' size and normalisation are those of `preprocessor_config.json` or
    `albumentations_config_eval.json` in the folder; else 256 x 256 and ImageNet's. A final activation is
    taken off, for scores become probabilities here.

    Raises:
        ModelError: the folder does not hold a whole model, or the weights do not fit.
    """
    folder = source.path
    config = read_json(folder / "config.json")
    network = _MasksOnly(_network(folder, config)).eval().requires_grad_(False)
    saved = read_preprocessing(folder)
    channels = lesion_channels(int(config.get("classes", 1)))
    return NetworkSegmenter(network, saved.size or DEFAULT_SIZE, saved.mean, saved.std, channels)


class _MasksOnly(nn.Module):
    """Without the labels that a model with a classification head gives beside the masks."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        scores = self.network(images)
        return scores[0] if isinstance(scores, tuple) else scores


def _is_model(value: object) -> bool:
    from segmentation_models_pytorch.base import SegmentationModel  # noqa: PLC0415

    return isinstance(value, type) and issubclass(value, SegmentationModel)


def _network(folder: Path, config: dict[str, Any]) -> Any:
    import segmentation_models_pytorch as smp  # noqa: PLC0415  slow to load

    kinds: dict[str, Any] = {name: kind for name, kind in vars(smp).items() if _is_model(kind)}
    kind = kinds.get(str(config["_model_class"]))
    if kind is None:
        raise ModelError(f"{folder}: segmentation_models_pytorch has no model {config['_model_class']!r}.")
    if not (folder / "model.safetensors").is_file():
        raise ModelError(f"{folder}: holds no model.safetensors. Write the folder with save_pretrained.")
    encoder = str(config.get("encoder_name", ""))
    if ":" in encoder or "/" in encoder:
        raise ModelError(f"{folder}: its encoder {encoder!r} would have to be fetched.")
    if config.get("in_channels", 3) != 3:
        raise ModelError(f"{folder}: takes {config['in_channels']} channels, but images have 3.")
    if config.get("activation") == "sigmoid" and int(config.get("classes", 1)) > 1:
        raise ModelError(
            f"{folder}: its classes overlap (sigmoid); only one, or exclusive ones, can be used."
        )
    try:
        return kind.from_pretrained(
            str(folder), local_files_only=True, encoder_weights=None, activation=None, strict=True
        )
    except Exception as error:
        raise ModelError(f"{folder}: the model cannot be loaded: {error}") from error
