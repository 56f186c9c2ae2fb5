"""Building the network: any timm model by name, or a function of one's own."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from torch import nn

from lesioncare.attention.trace import evaluation_mode
from lesioncare.errors import ConfigError, ModelError
from lesioncare.rawtable import first_few
from lesioncare.training.config import ModelConfig
from lesioncare.words import did_you_mean

__all__ = ["BuiltModel", "build_model", "check_model", "checkpoint_blocks", "first_line", "read_weights"]

_UNREADABLE = (
    *(SafetensorError, UnpicklingError, OSError, RuntimeError, ValueError, EOFError),
    *(AttributeError, TypeError),  # a torch file that holds no dictionary
)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BuiltModel:
    """A network and the images that it wants: (height, width), mean and standard deviation per channel."""

    network: nn.Module
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def build_model(config: ModelConfig, num_classes: int, *, load_weights: bool = True) -> BuiltModel:
    """Build the network with a head for `num_classes`.

    Args:
        config: name, weights and image size.
        num_classes: outputs of the head.
        load_weights: False builds the architecture only, for weights that are loaded afterwards.

    Raises:
        ModelError: the model is unknown, or its weights cannot be had or do not fit.
        ConfigError: the weights file does not exist.
    """
    weights = config.weights if load_weights else "none"
    if ":" in config.name:
        network = _own_model(config.name, num_classes)
        if weights not in ("none", "pretrained"):
            _load_own_weights(network, _weights_file(weights))
        _check_logits(config.name, network, config.image_size or (224, 224), num_classes)
        return BuiltModel(network, config.image_size or (224, 224), _IMAGENET_MEAN, _IMAGENET_STD)
    network = _timm_model(config.name, num_classes, weights)
    data: dict[str, Any] = timm.data.resolve_model_data_config(network)  # type: ignore[no-untyped-call]
    own = int(data["input_size"][1]), int(data["input_size"][2])
    size = config.image_size or own
    resize: Any = getattr(network, "set_input_size", None)
    if size != own and resize is not None:
        resize(img_size=size)  # a transformer's position embedding is of one size
    _check_logits(config.name, network, size, num_classes)
    return BuiltModel(network, size, tuple(data["mean"]), tuple(data["std"]))


def check_model(config: ModelConfig) -> None:
    """Make sure that the model is known and its weights file is there; builds nothing.

    To be called before what takes long: reading a table may decode all its images.

    Raises:
        ModelError: the model is unknown.
        ConfigError: the weights file does not exist.
    """
    if ":" in config.name:
        _own_function(config.name)
    else:
        _check_timm_name(config.name)
    if config.weights not in ("none", "pretrained"):
        _weights_file(config.weights)


def checkpoint_blocks(network: nn.Module, *, enable: bool = True) -> None:
    """Have the network keep its blocks' inputs alone, and compute the rest again in the backward pass.

    Raises:
        ConfigError: the network does not offer it as timm's do.
    """
    switch = getattr(network, "set_grad_checkpointing", None)
    remedy = "Choose a timm model that does, or train without --grad-checkpointing."
    if switch is None:
        raise ConfigError(f"{type(network).__name__} offers no gradient checkpointing. {remedy}")
    try:
        switch(enable)
    except (AssertionError, NotImplementedError) as error:
        raise ConfigError(f"{type(network).__name__}: {error}. {remedy}") from error


def _check_timm_name(name: str) -> None:
    if not timm.is_model(name):
        raise ModelError(
            f"timm has no model {name!r}. {did_you_mean(name, timm.list_models())}"
            "A model of your own is given as package.module:function."
        )


def _timm_model(name: str, num_classes: int, weights: str) -> nn.Module:
    _check_timm_name(name)
    path = None if weights in ("none", "pretrained") else _weights_file(weights)
    try:
        model: nn.Module = timm.create_model(
            name, num_classes=num_classes, pretrained=weights == "pretrained"
        )
    except Exception as error:
        if weights != "pretrained":
            raise ModelError(f"timm could not build {name!r}: {error}") from error
        remedy = "Give a local file with --weights FILE, or train from random weights with --weights none."
        raise ModelError(
            f"The weights of {name!r} could not be downloaded and loaded: {first_line(error)} {remedy}"
        ) from error
    if path is not None:
        _load_timm_weights(model, path)
    return model


def _load_timm_weights(network: Any, path: Path) -> None:
    """Load all but a head for another number of classes.

    timm's own loading is not strict then, and would take the weights of another architecture in silence.
    """
    heads = network.pretrained_cfg.get("classifier") or ()
    prefixes = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    state = {
        name: tensor
        for name, tensor in read_weights(path).items()
        if not name.startswith(prefixes) or tensor.shape == shapes.get(name)
    }
    try:
        found = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"{path}: the weights are of another model: {_last_line(error)}") from error
    wrong = [f"no {name}" for name in found.missing_keys if not name.startswith(prefixes)]
    wrong += [f"a foreign {name}" for name in found.unexpected_keys]
    if wrong:
        raise ModelError(
            f"{path}: the weights are of another model: {first_few(wrong)}. Give a file that fits --model."
        )


def _own_function(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"The model {name!r} cannot be imported: {error}. It is given as package.module:function."
        ) from error
    return factory


def _own_model(name: str, num_classes: int) -> nn.Module:
    factory = _own_function(name)
    try:
        network = factory(num_classes=num_classes)
    except TypeError as error:
        raise ModelError(f"{name!r} could not be called with num_classes={num_classes}: {error}.") from error
    if not isinstance(network, nn.Module):
        raise ModelError(f"{name!r} must return a torch.nn.Module, but gave {type(network).__name__}.")
    return network


@torch.no_grad()
def _check_logits(name: str, network: nn.Module, size: tuple[int, int], num_classes: int) -> None:
    try:
        with evaluation_mode(network):
            logits = network(torch.zeros(2, 3, *size))
    except Exception as error:
        raise ModelError(
            f"{name!r} cannot take images of {size[0]} x {size[1]} pixels: {first_line(error)} "
            "Choose another --image-size."
        ) from error
    shape = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if shape != [2, num_classes]:
        raise ModelError(f"{name!r} must give logits [2, {num_classes}] for 2 images, but gave {shape}.")


def _load_own_weights(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise ModelError(f"{path}: the weights do not fit the model: {_last_line(error)}") from error


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a safetensors file, or from a torch file (or its training checkpoint), as data.

    Raises:
        ModelError: the file is damaged, or holds something else.
    """
    try:
        state: dict[str, torch.Tensor] = timm.models.load_state_dict(str(path))
    except _UNREADABLE as error:
        raise ModelError(f"{path}: not a readable weights file: {first_line(error)}") from error
    if not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"{path}: expected a state dict, but the file holds something else.")
    return state


def _weights_file(weights: str) -> Path:
    path = Path(weights)
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such weights file. Use --weights pretrained, none, or the path of a local file."
        )
    return path


def first_line(error: BaseException) -> str:
    """The first line of an error of another library, short enough for a message."""
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


def _last_line(error: BaseException) -> str:
    """Torch lists what does not fit after a heading."""
    return str(error).strip().splitlines()[-1].strip()[:300]
