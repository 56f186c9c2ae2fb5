r"""Differentiable class activation maps.

    M = sum_k a_k A_k,    a_k = (1 / hw) sum_ij ds_y / dA_kij        (Grad-CAM, Selvaraju et al., ICCV 2017)

A in R^{K x h x w} is the target layer's output, s_y the logit of class y. No function here calls
`backward`, so none writes to any `.grad`.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lesioncare.errors import ModelError

Gradient = Literal["full", "half"]

__all__ = ["Gradient", "closed_form_cam", "head_gradient_cam"]

_HALF_PRECISION_SCALE = 1024.0
"""Keeps the head's tiny gradients above fp16's smallest numbers; divided out again in fp32."""


def closed_form_cam(
    features: Tensor,
    weight: Tensor,
    target: Tensor,
    gradient: Gradient = "full",
    *,
    rival: Tensor | None = None,
) -> Tensor:
    r"""Give the map where the head is global average pooling and a linear layer.

    There ds_y / dA_kij = W_yk / hw everywhere, so that a_k = W_yk / hw and no backward pass is needed
    (Zhou et al., CVPR 2016, eq. 2, scaled by 1 / hw). Dropout between pooling and the linear layer is
    left out: this is the map that the deployed network has.

    Args:
        features: A, [B, K, h, w].
        weight: W, [C, K] (or [C, K, 1, 1]), the linear layer's weight.
        target: class y of each image, [B], in [0, C).
        gradient: "full" lets W learn from the map too, "half" takes it as a constant.
        rival: another class r of each image, [B]: the map is then that of s_y - s_r, with W_yk - W_rk.

    Returns:
        M, [B, h, w], in float32 or the features' wider type.
    """
    features = _at_least_float32(features)
    # Not weight[target]: with several threads its backward adds up the images of a class in any order.
    rows = functional.embedding(target, weight.flatten(1)).to(features.dtype)  # [B, K]
    if rival is not None:
        rows = rows - functional.embedding(rival, weight.flatten(1)).to(features.dtype)
    if gradient == "half":
        rows = rows.detach()
    return torch.einsum("bk,bkhw->bhw", rows, features) / (features.shape[-2] * features.shape[-1])


def head_gradient_cam(
    features: Tensor,
    logits: Tensor,
    rows: Tensor,
    target: Tensor,
    gradient: Gradient = "full",
    *,
    rival: Tensor | None = None,
) -> Tensor:
    r"""Give the map of some images of a batch by differentiating the head, whatever it is.

    `torch.autograd.grad` runs from the logits back to the features and no further: the backbone is not
    touched. With "full" the gradient is itself differentiable (`create_graph`).

    Args:
        features: A of the whole batch, [N, K, h, w], part of the logits' graph.
        logits: s, [N, C].
        rows: which images, [B], in [0, N).
        target: class y of those images, [B].
        gradient: "full" differentiates through the weights a_k, "half" takes them as constants.
        rival: another class r of those images, [B]: the map is then that of s_y - s_r.

    Returns:
        M, [B, h, w], in float32 or the features' wider type.

    Raises:
        ModelError: the logits do not depend on the features, or no graph was recorded.
    """
    if not (features.requires_grad and logits.requires_grad):
        raise ModelError(
            "The map needs the head's gradient, but the forward pass recorded none: "
            "run it without torch.no_grad() and let the target layer's output require a gradient."
        )
    scale = _HALF_PRECISION_SCALE if logits.dtype == torch.float16 else 1.0
    score = logits[rows, target].sum() * scale
    if rival is not None:
        score = score - logits[rows, rival].sum() * scale
    full = gradient == "full"
    try:
        (grad,) = torch.autograd.grad(score, features, create_graph=full, retain_graph=True)
    except RuntimeError as error:
        raise ModelError(f"The logits do not depend on the target layer's output ({error}).") from error
    features = _at_least_float32(features[rows])
    weights = grad[rows].to(features.dtype).mean((2, 3)) / scale  # [B, K]
    return torch.einsum("bk,bkhw->bhw", weights, features)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
