"""One forward pass in evaluation mode, with every module's run on record and no trace left."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lesioncare.attention.tap import logits_of

__all__ = ["Call", "evaluation_mode", "trace"]


@dataclass(frozen=True, eq=False)
class Call:
    """One run of one module; `version` tells whether the output was changed in place afterwards."""

    name: str
    module: nn.Module
    first_input: Any
    output: Any
    version: int


def trace(model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[list[Call], Tensor]:
    """Run the model once and give all its modules' runs, in the order in which they end, and the logits.

    Modes, random state, buffers and `.grad` are as before when it returns. The graph of the pass reaches back
    to the images, so that it exists in a wholly frozen model too.

    Args:
        model: any module that gives logits [N, C].
        arguments: positional arguments of one call of the model.
        named: keyword arguments of that call.

    Raises:
        ModelError: the model gives no logits.
    """
    calls: list[Call] = []
    with ExitStack() as stack:
        stack.enter_context(evaluation_mode(model))
        stack.enter_context(torch.random.fork_rng(devices=_devices(model)))
        for name, module in model.named_modules():
            if module is not model:
                stack.enter_context(_recorded(calls, name, module))
        inputs = [_differentiable(value) for value in arguments]
        logits = logits_of(model.forward(*inputs, **{key: _differentiable(named[key]) for key in named}))
    return calls, logits


def _differentiable(value: Any) -> Any:
    """A copy in the graph: no leaf, so that the model may change it in place, and none of inference mode."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().clone().requires_grad_().clone()
    return value.clone() if isinstance(value, Tensor) and value.is_inference() else value


@contextmanager
def _recorded(calls: list[Call], name: str, module: nn.Module) -> Iterator[None]:
    def record(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        version = output._version if isinstance(output, Tensor) else 0
        calls.append(Call(name, module, inputs[0] if inputs else None, output, version))

    handle = module.register_forward_hook(record)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Have a model in evaluation mode for a while; each of its modules then has its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _devices(model: nn.Module) -> list[torch.device]:
    return list({tensor.device for tensor in model.parameters() if tensor.device.type == "cuda"})
