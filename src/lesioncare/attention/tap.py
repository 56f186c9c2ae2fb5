"""The owner of all hooks: captures a layer's output during an ordinary forward pass, then leaves no trace."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lesioncare.attention.fused import attention_differentiable_twice
from lesioncare.attention.layout import Layout, Size
from lesioncare.errors import ModelError

__all__ = ["Pass", "first_image", "logits_of", "tap"]


@dataclass(frozen=True)
class Pass:
    """What one forward pass showed.

    Attributes:
        image: the batch of images that the model was called with, [N, C, H, W]; or what stands for it, such
            as tokens, where the images' size was told.
        logits: what it answered, [N, C].
        features: the target layer's outputs as maps [N, K, h, w], one for each time that the layer ran.
    """

    image: Tensor
    logits: Tensor
    features: tuple[Tensor, ...]


Arguments = tuple[Any, ...]
Named = dict[str, Any]
Before = Callable[[nn.Module, Arguments, Named], None]


@contextmanager
def tap(
    model: nn.Module,
    layer: Callable[[], nn.Module],
    *,
    layout: Callable[[], Layout] = Layout,
    before: Before | None = None,
    input_gradient: bool = False,
    image_size: Size | None = None,
) -> Iterator[list[Pass]]:
    """Capture the model's logits and a layer's output while the block runs; the hooks go at its end, always.

    From the layer on, attention can be differentiated twice (see `fused`), as a map's gradient needs it.
    The layer's output is passed on as a copy, so that an in-place operation after the layer (a ReLU, an
    added shortcut) cannot change what was captured; values and memory format are the same bit for bit.

    Args:
        model: the module whose forward pass is watched.
        layer: gives the target layer; asked once the first pass begins, after `before` ran.
        layout: gives how the layer's output becomes a map; asked when the layer has run.
        before: runs once, at the beginning of the first pass, with the model's arguments.
        input_gradient: make the image require a gradient, so that one can be taken with respect to it.
        image_size: (H, W) of the images, for a model that is called with something else, such as tokens.

    Yields:
        The passes, filled as the model runs.
    """
    capture = _Capture(layer, layout, before, input_gradient, image_size)
    try:
        capture.handles.append(model.register_forward_pre_hook(capture.begin, with_kwargs=True))
        capture.handles.append(model.register_forward_hook(capture.end))
        yield capture.passes
    finally:
        capture.head.close()
        for handle in capture.handles:
            handle.remove()


class _Capture:
    """The hooks of `tap`, and what they share."""

    def __init__(
        self,
        layer: Callable[[], nn.Module],
        layout: Callable[[], Layout],
        before: Before | None,
        input_gradient: bool,
        image_size: Size | None,
    ) -> None:
        self.passes: list[Pass] = []
        self.handles: list[RemovableHandle] = []
        self.head = ExitStack()  # what holds between the layer and the end of the pass
        self._layer, self._layout, self._before = layer, layout, before
        self._input_gradient = input_gradient
        self._image_size = image_size
        self._size: Size = (0, 0)  # of the images of the pass that runs
        self._images: list[Tensor] = []
        self._features: list[Tensor] = []

    def begin(self, module: nn.Module, arguments: Arguments, named: Named) -> tuple[Arguments, Named] | None:
        if not self._images:
            if self._before is not None:
                self._before(module, arguments, named)
            self.handles.append(self._layer().register_forward_hook(self.keep))
        self._leave_pass()  # one that failed
        image, self._size = first_image(arguments, named, self._image_size)
        seen = image.detach().clone().requires_grad_() if self._input_gradient else image
        self._images.append(seen)
        if not self._input_gradient:
            return None
        return tuple(seen if value is image else value for value in arguments), {
            key: seen if value is image else value for key, value in named.items()
        }

    def keep(self, _module: nn.Module, _arguments: Arguments, output: Any) -> Tensor:
        if not isinstance(output, Tensor):
            raise ModelError(
                f"Expected the target layer to give one tensor, but got {type(output).__name__}."
            )
        if not self._features:
            self.head.enter_context(attention_differentiable_twice())
        layout = self._layout()
        if not layout.describes(output):  # another run of a layer that is used in several places
            layout = Layout()
        self._features.append(layout.to_map(output, self._size))
        return layout.from_map(self._features[-1], output)

    def end(self, _module: nn.Module, _arguments: Arguments, output: Any) -> None:
        self.passes.append(Pass(self._images[-1], logits_of(output), tuple(self._features)))
        self._leave_pass()

    def _leave_pass(self) -> None:
        self._features.clear()
        self.head.close()


def first_image(arguments: Arguments, named: Named, size: Size | None) -> tuple[Tensor, Size]:
    """Give the first argument that is a batch of images [N, C, H, W], and (H, W).

    Where there is none and a size is given, the first floating tensor stands for images of that size: the
    part of a network behind a frozen one may take tokens.

    Raises:
        ModelError: there is none.
    """
    tensors = [value for value in (*arguments, *named.values()) if isinstance(value, Tensor)]
    for value in tensors:
        if value.ndim == 4:
            return value, (int(value.shape[-2]), int(value.shape[-1]))
    for value in tensors:
        if size is not None and value.is_floating_point():
            return value, size
    raise ModelError(
        "Expected the model to be called with a batch of images [N, C, H, W], but got none. For a model that "
        "takes something else, tell the guide their size: image_size=(height, width)."
    )


def logits_of(output: Any) -> Tensor:
    """Give the logits [N, C] in a model's output: a tensor, the first one in a tuple or list, or `.logits`.

    Raises:
        ModelError: there are none.
    """
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    elif isinstance(output, dict):
        output = output.get("logits")
    output = getattr(output, "logits", output)
    if not isinstance(output, Tensor) or output.ndim != 2 or not torch.is_floating_point(output):
        shape = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(f"Expected the model to give logits [N, C], but got {shape}.")
    return output
