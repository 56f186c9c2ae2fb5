"""torchvision's segmentation models, with a state dict of one's own."""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from lesioncare.boxes.segmentation.adapters.preprocessing import DEFAULT_SIZE, lesion_channels
from lesioncare.boxes.segmentation.base import NetworkSegmenter, Segmenter
from lesioncare.boxes.segmentation.source import Source
from lesioncare.errors import ModelError

_LAST = ("classifier.4.weight", "classifier.low_classifier.weight")
"""The last layer: of FCN and DeepLab, of LR-ASPP."""
_AUXILIARY = "aux_classifier."

__all__ = ["open_torchvision"]


def open_torchvision(source: Source) -> Segmenter:
    """The segmenter of NAME@FILE: images of 256 x 256 with ImageNet's normalisation.

    The state dict may lie under "model" or "state_dict" in the file. It tells the number of classes: of
    several, all but the first are lesion. An auxiliary head is left out.

    Raises:
        ModelError: torchvision has no such model, the file is damaged, or the weights do not fit.
    """
    from torchvision.models import get_model, list_models, segmentation  # noqa: PLC0415  slow to load

    name, path = source.architecture, source.path
    names = list_models(module=segmentation)
    if name not in names:
        raise ModelError(f"torchvision has no segmentation model {name!r}: choose one of {', '.join(names)}.")
    state = {key: value for key, value in _read(path).items() if not key.startswith(_AUXILIARY)}
    classes = [len(state[key]) for key in _LAST if key in state]
    if not classes:
        raise ModelError(f"{path}: has no last layer of {name} ({' or '.join(_LAST)}): not its state dict.")
    network = get_model(name, weights=None, weights_backbone=None, num_classes=classes[0])
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{path}: the weights do not fit {name}: {error}") from error
    network.eval().requires_grad_(False)
    return NetworkSegmenter(network, DEFAULT_SIZE, channels=lesion_channels(classes[0]))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise ModelError(f"{path}: not a readable state dict ({error}).") from error
    for key in ("model", "state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"{path}: holds no state dict. Write it with torch.save(model.state_dict(), ...).")
    return dict(found)
