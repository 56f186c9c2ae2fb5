"""What the attention core and the losses for imbalance both ask of a tensor; torch only."""

import torch
from torch import Tensor

__all__ = ["INTEGERS", "at_least_float32"]

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
"""Types that a class may have; bool is none of them."""


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is where its type is that or wider."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
