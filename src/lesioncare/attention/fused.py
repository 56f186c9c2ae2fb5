"""Attention that can be differentiated twice: torch's fused kernels only offer a first derivative.

The map of a head with attention in it needs the derivative of the head's gradient. Between the target layer
and the logits the kernel is the one that would run anyway, so that its output is the same bit for bit; only
its backward pass is written in operations that have a derivative themselves.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["attention_differentiable_twice"]

_fused = functional.scaled_dot_product_attention
_lock = threading.Lock()
_users = 0


@contextmanager
def attention_differentiable_twice() -> Iterator[None]:
    """Replace `torch.nn.functional.scaled_dot_product_attention` while the block runs; blocks may overlap."""
    global _users, _fused  # noqa: PLW0603  the function that is replaced is torch's, and there is one
    with _lock:
        if not _users:
            _fused = functional.scaled_dot_product_attention
            functional.scaled_dot_product_attention = _attention
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                functional.scaled_dot_product_attention = _fused


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *rest: Any, **options: Any
) -> Tensor:
    special = any(rest) or any(options.get(name) for name in ("dropout_p", "is_causal", "enable_gqa"))
    if not torch.is_grad_enabled():
        return _fused(query, key, value, attn_mask, *rest, **options)
    if special:  # the kernel's own masks are not known here, but torch has the formula in plain operations
        with sdpa_kernel(SDPBackend.MATH):
            return _fused(query, key, value, attn_mask, *rest, **options)
    scale = options.get("scale")
    output: Tensor = _Attention.apply(
        (query.shape[-1] ** -0.5 if scale is None else scale), query, key, value, attn_mask
    )
    return output


class _Attention(torch.autograd.Function):
    """O = P V with P = softmax(scale Q K^T + mask), by torch's kernel; its gradient by the formula.

    With G = dL/dO: dV = P^T G, dP = G V^T, dS = P * (dP - rowsum(dP * P)), dQ = scale dS K,
    dK = scale dS^T Q, and dS is the gradient of the mask.
    """

    @staticmethod
    def forward(ctx: Any, scale: float, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        ctx.scale = scale
        query, key, value, mask = tensors
        return _fused(query, key, value, mask, scale=scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs = [tensor for tensor in ctx.saved_tensors if tensor is not None]
        wide = torch.promote_types(gradient.dtype, torch.float32)
        with torch.autocast(gradient.device.type, enabled=False):
            query, key, value = (tensor.to(wide) for tensor in inputs[:3])
            gradient = gradient.to(wide)
            shares = _scores(ctx.scale * query @ key.mT, *inputs[3:]).softmax(-1)
            of_shares = gradient @ value.mT
            of_scores = shares * (of_shares - (of_shares * shares).sum(-1, keepdim=True))
            found = [ctx.scale * of_scores @ key, ctx.scale * of_scores.mT @ query, shares.mT @ gradient]
        if ctx.needs_input_grad[4]:
            found.append(of_scores)
        shaped = [
            of.sum_to_size(tensor.shape).to(tensor.dtype) for of, tensor in zip(found, inputs, strict=False)
        ]
        return (None, *shaped, *([None] * (4 - len(shaped))))


def _scores(products: Tensor, mask: Tensor | None = None) -> Tensor:
    if mask is None:
        return products
    return products.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else products + mask
