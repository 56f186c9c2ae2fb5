"""Finding what to look at: the last spatial feature map before pooling, and whether the head is linear."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.attention.tap import logits_of
from lesioncare.errors import ModelError

__all__ = ["Target", "find_target", "resolve_layer"]


@dataclass(frozen=True)
class Target:
    """Where a model's class activation map comes from.

    Attributes:
        name: dotted name of the target layer.
        layer: the target layer.
        linear: the linear layer (or 1x1 convolution) on globally average-pooled features, if that is what
            the head is; None otherwise.
        run: which of the layer's runs in one pass gives the map, counted from 0: a ReLU, say, may be used
            in several places.
    """

    name: str
    layer: nn.Module
    linear: nn.Linear | nn.Conv2d | None
    run: int = 0

    @property
    def closed_form(self) -> bool:
        """Whether the map needs no second backward pass."""
        return self.linear is not None


@dataclass(frozen=True, eq=False)
class _Call:
    """One run of one module; `version` tells whether the output was changed in place afterwards."""

    name: str
    module: nn.Module
    first_input: Any
    output: Any
    version: int


def find_target(
    model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], layer: nn.Module | str | None = None
) -> Target:
    """Trace one forward pass in evaluation mode and find the target layer and the kind of head.

    The target layer is the last module whose output is a map [N, K, h, w] with hw > 1 on which the logits
    depend; pooling, dropout and the like are passed over, and of nested modules with one output the
    outermost is taken. The head is linear where the first module with parameters or buffers after the map
    is a linear layer on the average of the map over its cells, and its output is the logits.

    Modes, random state, buffers and `.grad` are as before when it returns.

    Args:
        model: any module that gives logits [N, C].
        arguments: positional arguments of one call of the model.
        named: keyword arguments of that call.
        layer: a module of the model or its dotted name, to use instead of searching.

    Raises:
        ModelError: the given layer is not part of the model, or no spatial map leads to the logits.
    """
    given = None if layer is None else resolve_layer(model, layer)
    with torch.inference_mode(False), torch.enable_grad():
        calls, logits = _trace(model, arguments, named)
        found = _search(calls, logits) if given is None else _last_call(calls, *given)
    runs = [call for call in calls if call.module is found.module]
    return Target(found.name, found.module, _linear_head(calls, found, logits), runs.index(found))


def resolve_layer(model: nn.Module, layer: nn.Module | str) -> tuple[str, nn.Module]:
    """Give a layer's dotted name and module.

    Raises:
        ModelError: the model has no such layer.
    """
    for name, module in model.named_modules():
        if layer is module or (layer == name and name):
            return name, module
    shown = layer if isinstance(layer, str) else type(layer).__name__
    children = ", ".join(name for name, _ in model.named_children())
    raise ModelError(f"The model has no layer {shown!r}. Its top layers are: {children}.")


def _trace(model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[list[_Call], Tensor]:
    calls: list[_Call] = []
    with ExitStack() as stack:
        stack.enter_context(_evaluation_mode(model))
        stack.enter_context(torch.random.fork_rng(devices=_devices(model)))
        for name, module in model.named_modules():
            if module is not model:
                stack.enter_context(_recorded(calls, name, module))
        inputs = [_recordable(value) for value in arguments]
        logits = logits_of(model.forward(*inputs, **{key: _recordable(named[key]) for key in named}))
    return calls, logits


def _recordable(value: Any) -> Any:
    """A tensor made in inference mode (a validation batch, say) enters no graph, but its copy does."""
    return value.clone() if isinstance(value, Tensor) and value.is_inference() else value


@contextmanager
def _recorded(calls: list[_Call], name: str, module: nn.Module) -> Iterator[None]:
    def record(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        version = output._version if isinstance(output, Tensor) else 0
        calls.append(_Call(name, module, inputs[0] if inputs else None, output, version))

    handle = module.register_forward_hook(record)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _devices(model: nn.Module) -> list[torch.device]:
    return list({tensor.device for tensor in model.parameters() if tensor.device.type == "cuda"})


def _search(calls: list[_Call], logits: Tensor) -> _Call:
    """The last map that the logits depend on; modules end inside out, so the outermost comes first here."""
    for index in range(len(calls) - 1, -1, -1):
        call = calls[index]
        if (
            _is_map(call.output, len(logits))
            and not _passes_on(call.module)
            and _leads_to(call.output, logits)
        ):
            later = calls[index + 1 :]
            if _is_channels_last(call.output, later) or (
                index < len(calls) / 2 and any(_is_tokens(call.output, len(logits)) for call in later)
            ):
                break  # [N, h, w, K], or the patch embedding of a token model: not a map that the head sees
            return call
    raise ModelError(
        "Found no layer whose output is a map [N, K, h, w] close to the logits (hw > 1). "
        "Token and channels-last models are not supported yet; else name one: target_layer='...'."
    )


def _last_call(calls: list[_Call], name: str, module: nn.Module) -> _Call:
    runs = [call for call in calls if call.module is module]
    for call in reversed(runs):
        if isinstance(call.output, Tensor) and call.output.ndim == 4:
            return call
    problem = "gives no map [N, K, h, w]" if runs else "did not run in the forward pass"
    raise ModelError(f"The layer {name!r} {problem}; choose another target_layer.")


def _is_map(output: Any, images: int) -> bool:
    if not isinstance(output, Tensor) or output.ndim != 4:
        return False
    return output.shape[0] == images and output.shape[-1] * output.shape[-2] > 1


def _is_tokens(output: Any, images: int) -> bool:
    if not isinstance(output, Tensor) or output.ndim != 3:
        return False
    return output.shape[0] == images and min(output.shape[1:]) > 1


def _is_channels_last(output: Tensor, later: list[_Call]) -> bool:
    """Whether a later module gets the average over dimensions 1 and 2, as it does for [N, h, w, K]."""
    pooled = output.mean((1, 2))
    inputs = [call.first_input for call in later if isinstance(call.first_input, Tensor)]
    return any(_equal(value.flatten(1), pooled) for value in inputs if value.ndim > 1)


def _passes_on(module: nn.Module) -> bool:
    """Whether a module only pools or hands on the map that it gets."""
    if isinstance(module, (nn.Identity, nn.Flatten, nn.Dropout, nn.Dropout2d)):
        return True
    return re.search(r"pool(ing)?(2d)?$", type(module).__name__.lower()) is not None


def _leads_to(features: Tensor, logits: Tensor) -> bool:
    if not features.requires_grad:
        return True  # a wholly frozen model: nothing to differentiate, nothing to check
    if not logits.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(logits.sum(), features, retain_graph=True, allow_unused=True)
    return gradient is not None


def _linear_head(calls: list[_Call], found: _Call, logits: Tensor) -> nn.Linear | nn.Conv2d | None:
    """The linear layer of a head that is average pooling and nothing else that could ever learn or change.

    Numbers alone do not tell: a fresh batch norm, adapter or temperature changes nothing before it learns.
    """
    if found.output._version != found.version:
        return None  # something between the layer and the pooling changes the map
    for call in calls[calls.index(found) + 1 :]:
        module = call.module
        if found.name.startswith(f"{call.name}.") or not _has_state(module):
            continue  # a container of the map's own layer, or pooling, dropout and the like
        linear = module if isinstance(module, (nn.Linear, nn.Conv2d)) else None
        return linear if linear is not None and _gives(logits, linear, call, found.output) else None
    return None


def _has_state(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) or any(True for _ in module.buffers())


def _gives(logits: Tensor, linear: nn.Linear | nn.Conv2d, call: _Call, features: Tensor) -> bool:
    """Whether the logits are just what the linear layer makes of the pooled features."""
    output, pooled = call.output, features.mean((2, 3))
    if output.untyped_storage().data_ptr() != logits.untyped_storage().data_ptr():
        return False
    if output._version != call.version or not _equal(call.first_input.flatten(1), pooled):
        return False
    return _equal(logits, functional.linear(pooled, linear.weight.flatten(1), linear.bias))


def _equal(value: Tensor, expected: Tensor) -> bool:
    """Equal up to rounding of the coarser type, relative to the largest magnitude."""
    if value.shape != expected.shape:
        return False
    eps = max(torch.finfo(value.dtype).eps, torch.finfo(expected.dtype).eps)
    scale = expected.abs().amax().float()
    difference = (value.float() - expected.float()).abs().amax()
    return bool(scale > 0) and bool(difference <= 100 * eps * scale)
