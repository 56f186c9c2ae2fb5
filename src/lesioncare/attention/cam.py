r"""Differentiable class activation maps.

    M = sum_k a_k A_k,    a_k = (1 / hw) sum_ij ds_y / dA_kij        (Grad-CAM, Selvaraju et al., ICCV 2017)
    M = relu(sum_k relu(ds_y / dA_k) A_k)                            (LayerCAM, Jiang et al., TIP 2021, eq. 6)

A in R^{K x h x w} is the target layer's output, s_y the logit of class y. Grad-CAM weighs a channel by one
number; LayerCAM weighs each of its cells, which keeps a map of an earlier, finer layer sharp. No function
here calls `backward`, so none writes to any `.grad`.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lesioncare.errors import ModelError
from lesioncare.tensors import at_least_float32

Gradient = Literal["full", "half"]
Method = Literal["grad-cam", "layer-cam"]

__all__ = ["Gradient", "Method", "closed_form_cam", "head_gradient_cam", "head_gradient_cams"]

_HALF_PRECISION_SCALE = 1024.0
"""Keeps the head's tiny gradients above fp16's smallest numbers; divided out again in fp32."""


def closed_form_cam(
    features: Tensor,
    weight: Tensor,
    target: Tensor,
    gradient: Gradient = "full",
    *,
    rival: Tensor | None = None,
    method: Method = "grad-cam",
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
        method: "layer-cam" takes the positive a_k only, and the map's positive part.

    Returns:
        M, [B, h, w], in float32 or the features' wider type.
    """
    features = at_least_float32(features)
    # Not weight[target]: with several threads its backward adds up the images of a class in any order.
    rows = functional.embedding(target, weight.flatten(1)).to(features.dtype)  # [B, K]
    if rival is not None:
        rows = rows - functional.embedding(rival, weight.flatten(1)).to(features.dtype)
    if gradient == "half":
        rows = rows.detach()
    if method == "layer-cam":
        rows = rows.relu()
    cam = torch.einsum("bk,bkhw->bhw", rows, features) / (features.shape[-2] * features.shape[-1])
    return cam.relu() if method == "layer-cam" else cam


def head_gradient_cam(
    features: Tensor,
    logits: Tensor,
    rows: Tensor,
    target: Tensor,
    gradient: Gradient = "full",
    *,
    rival: Tensor | None = None,
    method: Method = "grad-cam",
) -> Tensor:
    """Give the map of one layer; see `head_gradient_cams`."""
    cams = head_gradient_cams([features], logits, rows, target, gradient, rival=rival, method=method)
    return cams[0]


def head_gradient_cams(
    features: Sequence[Tensor],
    logits: Tensor,
    rows: Tensor,
    target: Tensor,
    gradient: Gradient = "full",
    *,
    rival: Tensor | None = None,
    method: Method = "grad-cam",
) -> list[Tensor]:
    r"""Give the maps of some images of a batch by differentiating what follows the layers, whatever it is.

    `torch.autograd.grad` runs once, from the logits back to the earliest of the layers and no further: what
    lies before is not touched. With "full" the gradient is itself differentiable (`create_graph`).

    Args:
        features: A of the whole batch, [N, K, h, w], part of the logits' graph, of each layer.
        logits: s, [N, C].
        rows: which images, [B], in [0, N), each once.
        target: class y of those images, [B].
        gradient: "full" differentiates through the weights of A, "half" takes them as constants.
        rival: another class r of those images, [B]: the map is then that of s_y - s_r.
        method: Grad-CAM or LayerCAM, see above.

    Returns:
        M, [B, h, w], of each layer, in float32 or the features' wider type.

    Raises:
        ModelError: the logits do not depend on the features, or no graph was recorded.
    """
    if not (logits.requires_grad and all(layer.requires_grad for layer in features)):
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
        grads = torch.autograd.grad(score, list(features), create_graph=full, retain_graph=True)
    except RuntimeError as error:
        raise ModelError(f"The logits do not depend on the target layer's output ({error}).") from error
    cams = []
    for layer, grad in zip(features, grads, strict=True):
        chosen = at_least_float32(layer.index_select(0, rows))
        cams.append(_weighted(chosen, grad.index_select(0, rows).to(chosen.dtype) / scale, method))
    return cams


def _weighted(features: Tensor, grad: Tensor, method: Method) -> Tensor:
    """A and ds_y / dA, both [B, K, h, w], to M, [B, h, w]."""
    if method == "layer-cam":
        return (grad.relu() * features).sum(dim=1).relu()
    return torch.einsum("bk,bkhw->bhw", grad.mean((2, 3)), features)
