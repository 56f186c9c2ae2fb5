"""Finding what to look at: the last spatial feature map before pooling, and whether the head is linear."""

import re
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.attention.layout import Layout, Size, fits, layouts_of
from lesioncare.attention.tap import first_image
from lesioncare.attention.trace import Call, trace
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
        layout: how the layer's output becomes a map [N, K, h, w].
    """

    name: str
    layer: nn.Module
    linear: nn.Linear | nn.Conv2d | None
    run: int = 0
    layout: Layout = field(default_factory=Layout)

    @property
    def closed_form(self) -> bool:
        """Whether the map needs no second backward pass."""
        return self.linear is not None


def find_target(
    model: nn.Module,
    arguments: tuple[Any, ...],
    named: dict[str, Any],
    layer: nn.Module | str | None = None,
    *,
    image_size: Size | None = None,
) -> Target:
    """Trace one forward pass in evaluation mode and find the target layer and the kind of head.

    The target layer is the last module on whose output, seen as a map of h x w > 1 cells, the logits depend:
    [N, K, h, w], [N, h, w, K] or tokens [N, p + hw, K]. Pooling, dropout and the like are passed over, and so
    is what lies inside an attention layer; of nested modules with one output the outermost is taken. Where
    the head reads a class token only, the last blocks' patch tokens lead nowhere: there the target is the
    norm before the last attention, the last place from which the class token reads the patches.

    The head is linear where the first module with parameters or buffers after the map is a linear layer on
    the average of the map over its cells, and its output is the logits.

    Modes, random state, buffers and `.grad` are as before when it returns.

    Args:
        model: any module that gives logits [N, C].
        arguments: positional arguments of one call of the model.
        named: keyword arguments of that call.
        layer: a module of the model or its dotted name, to use instead of searching.
        image_size: (H, W) of the images, for a model that is called with something else, such as tokens.

    Raises:
        ModelError: the given layer is not part of the model, or no spatial map leads to the logits.
    """
    given = None if layer is None else resolve_layer(model, layer)
    with torch.inference_mode(False), torch.enable_grad():
        calls, logits = trace(model, arguments, named)
        _, size = first_image(arguments, named, image_size)
        maps = _Maps(model, calls, logits, size)
        found, layout = maps.search() if given is None else maps.last_of(*given)
        features = layout.to_map(found.output, maps.size)
        runs = [call for call in calls if call.module is found.module]
        linear = _linear_head(calls, found, features, logits)
    return Target(found.name, found.module, linear, runs.index(found), layout)


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


class _Maps:
    """Which runs of one traced pass gave a map of the image that the logits depend on."""

    def __init__(self, model: nn.Module, calls: list[Call], logits: Tensor, size: Size) -> None:
        self.size = size
        self._calls = calls
        self._logits = logits
        self._modules = dict(model.named_modules())
        self._answer = _answer(calls, logits)
        self._cells = {
            int(call.output.shape[-2] * call.output.shape[-1])
            for call in calls
            if isinstance(call.output, Tensor)
            and call.output.ndim == 4
            and fits((call.output.shape[-2], call.output.shape[-1]), size)
        }

    def search(self) -> tuple[Call, Layout]:
        """The last map; modules end inside out, so the outermost comes first here."""
        calls = list(enumerate(self._calls))[::-1]
        outside = [(index, call) for index, call in calls if not self._in_attention(call)]
        for some, leading in ((outside, self._leading), (calls, self._leading), (outside, self._connected)):
            for index, call in some:
                layout = None if _passes_on(call.module) else leading(call)
                if layout is not None:
                    self._refuse_patches(index, layout)
                    return call, layout
        raise ModelError(
            "Found no layer whose output is a map of the image (hw > 1) that leads to the logits: "
            "[N, K, h, w], [N, h, w, K] or tokens [N, hw, K]. If there is one, name it: target_layer='...'."
        )

    def last_of(self, name: str, module: nn.Module) -> tuple[Call, Layout]:
        """The last map that a given module gave."""
        runs = [call for call in self._calls if call.module is module]
        for call in reversed(runs):
            layout = self._layout(call)
            if layout is not None:
                return call, layout
            if isinstance(call.output, Tensor) and call.output.ndim == 4:
                return call, Layout()
        problem = (
            "gives no map [N, K, h, w], [N, h, w, K] or [N, hw, K]"
            if runs
            else "did not run in the forward pass"
        )
        raise ModelError(f"The layer {name!r} {problem}; choose another target_layer.")

    def _layout(self, call: Call) -> Layout | None:
        if not isinstance(call.output, Tensor) or call.output.shape[:1] != self._logits.shape[:1]:
            return None
        if not call.output.is_floating_point():
            return None
        found = layouts_of(call.output, self.size, self._stated_prefix(call.name), self._cells)
        if len(found) > 1:  # as many channels as cells on a side: the pooling tells
            return found[1] if self._pools_channels_last(call) else found[0]
        return found[0] if found else None

    def _leading(self, call: Call) -> Layout | None:
        """The layout of a map whose cells the logits depend on."""
        layout = self._layout(call)
        gradient = None if layout is None else self._gradient(call.output)
        if layout is None or gradient is None or not bool(layout.to_map(gradient, self.size).any()):
            return None
        return layout

    def _connected(self, call: Call) -> Layout | None:
        """The last resort: [N, K, h, w] of any aspect that leads to the logits, though perhaps by zeros.

        Where the model makes the map without a graph there is nothing to check, and it is taken.
        """
        output, images = call.output, len(self._logits)
        if not isinstance(output, Tensor) or output.ndim != 4 or len(output) != images:
            return None
        if output.requires_grad and self._gradient(output) is None:
            return None
        return self._layout(call) or (Layout() if output.shape[-2] * output.shape[-1] > 1 else None)

    def _gradient(self, output: Tensor) -> Tensor | None:
        if not (output.requires_grad and self._answer.requires_grad):
            return None
        (gradient,) = torch.autograd.grad(self._answer, output, retain_graph=True, allow_unused=True)
        return gradient

    def _refuse_patches(self, index: int, layout: Layout) -> None:
        """The patch embedding of a model whose tokens fit no grid is not a map that the head sees."""
        if layout.kind == "tokens" or index >= len(self._calls) / 2:
            return
        later = [call for call in self._calls[index + 1 :] if _is_tokens(call.output, len(self._logits))]
        if later:
            raise ModelError(
                f"The layer {later[-1].name!r} gives {later[-1].output.shape[1]} tokens, which make no grid "
                f"over an image of {self.size[0]} x {self.size[1]} pixels. Name a layer with a map: "
                "target_layer='...'."
            )

    def _in_attention(self, call: Call) -> bool:
        """Queries, keys and attention matrices have shapes like maps; only the layer's own output is one."""
        parts = call.name.split(".")
        above = (self._modules[".".join(parts[:length])] for length in range(1, len(parts)))
        return any(_is_attention(type(module).__name__.lower()) for module in above)

    def _stated_prefix(self, name: str) -> int | None:
        parts = name.split(".")
        for length in range(len(parts) - 1, -1, -1):
            stated = getattr(self._modules[".".join(parts[:length])], "num_prefix_tokens", None)
            if isinstance(stated, int):
                return stated
        return None

    def _pools_channels_last(self, found: Call) -> bool:
        """Whether a later module gets the average over dimensions 1 and 2, as it does for [N, h, w, K]."""
        pooled = found.output.mean((1, 2))
        later = self._calls[self._calls.index(found) + 1 :]
        inputs = [call.first_input for call in later if isinstance(call.first_input, Tensor)]
        return any(_equal(value.flatten(1), pooled) for value in inputs if value.ndim > 1)


def _answer(calls: list[Call], logits: Tensor) -> Tensor:
    """A number whose gradient tells what the logits depend on: a weighted sum of what the last layer gets.

    Not of what it gives, which may begin at zero; and not a plain sum, which is constant behind a layer norm.
    """
    leaves = [call for call in calls if _has_state(call.module) and not any(call.module.children())]
    last = leaves[-1] if leaves else None
    values = logits
    if last is not None and _is_logits(last.output, logits) and isinstance(last.first_input, Tensor):
        values = last.first_input
    weights = torch.arange(values.numel(), device=values.device).cos().view_as(values)
    return (values.float() * weights).sum()


def _is_tokens(output: Any, images: int) -> bool:
    if not isinstance(output, Tensor) or output.ndim != 3:
        return False
    return output.shape[0] == images and min(output.shape[1:]) > 1


def _is_attention(name: str) -> bool:
    """Whether a class, by its name, is an attention layer: no block, network or the like that has one."""
    return (
        re.search(r"(att(entio)?n|mhsa|gpsa|xca)(?!.*(block|layer|stage|encoder|net|model|former)$)", name)
        is not None
    )


def _passes_on(module: nn.Module) -> bool:
    """Whether a module only pools or hands on the map that it gets."""
    if isinstance(module, (nn.Identity, nn.Flatten, nn.Dropout, nn.Dropout2d)):
        return True
    return re.search(r"pool(ing)?(2d)?$", type(module).__name__.lower()) is not None


def _linear_head(
    calls: list[Call], found: Call, features: Tensor, logits: Tensor
) -> nn.Linear | nn.Conv2d | None:
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
        return linear if linear is not None and _gives(logits, linear, call, features) else None
    return None


def _has_state(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) or any(True for _ in module.buffers())


def _gives(logits: Tensor, linear: nn.Linear | nn.Conv2d, call: Call, features: Tensor) -> bool:
    """Whether the logits are just what the linear layer makes of the pooled features."""
    pooled = features.mean((2, 3))
    if not _is_logits(call.output, logits):
        return False
    if call.output._version != call.version or not _equal(call.first_input.flatten(1), pooled):
        return False
    return _equal(logits, functional.linear(pooled, linear.weight.flatten(1), linear.bias))


def _is_logits(output: Any, logits: Tensor) -> bool:
    """Whether an output is the logits, perhaps in another shape: all of them, and nothing else."""
    if not isinstance(output, Tensor) or output.numel() != logits.numel():
        return False
    return output.untyped_storage().data_ptr() == logits.untyped_storage().data_ptr()


def _equal(value: Tensor, expected: Tensor) -> bool:
    """Equal up to rounding of the coarser type, relative to the largest magnitude."""
    if value.shape != expected.shape:
        return False
    eps = max(torch.finfo(value.dtype).eps, torch.finfo(expected.dtype).eps)
    scale = expected.abs().amax().float()
    difference = (value.float() - expected.float()).abs().amax()
    return bool(scale > 0) and bool(difference <= 100 * eps * scale)
