"""Where tensors lie: on which device, in which order, and how exactly it computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

__all__ = ["exact_float32", "memory_format", "on_device", "set_memory_format"]


def memory_format(channels_last: bool | Literal["auto"], device: torch.device) -> torch.memory_format:
    """The order in which images and weights lie in memory; "auto" is channels last on a GPU.

    Tensor cores work on NHWC; a CPU gains or loses, depending on the network.
    """
    wanted = device.type == "cuda" if channels_last == "auto" else channels_last
    return torch.channels_last if wanted else torch.preserve_format


@torch.no_grad()
def set_memory_format(network: nn.Module, order: torch.memory_format) -> None:
    """Reorder the weights of convolutions, in place; their values and the parameters stay the same."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=order)


@contextmanager
def on_device(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Have a network on a device for a while; afterwards it is on the CPU."""
    network.to(device)
    try:
        yield
    finally:
        network.cpu()


@contextmanager
def exact_float32() -> Iterator[None]:
    """Convolve in true 32 bit; by default GPUs round to TF32, and tell other maps and logits than a CPU."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    ):
        yield
