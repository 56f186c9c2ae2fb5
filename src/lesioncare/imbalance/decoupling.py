"""Decoupling the final linear layer from the representation: what may be done to its weights."""

import torch
from torch import Tensor

from lesioncare.errors import ConfigError

__all__ = ["norm_scales", "scale_rows", "tau_normalise"]


def tau_normalise(weight: Tensor, tau: float) -> Tensor:
    r"""Bring the norms of the classes' weights closer together.

        w'_c = w_c (g / |w_c|)^tau,    g = (prod_c |w_c|)^{1/C}

    Common classes grow longer weights. tau = 0 changes nothing, tau = 1 makes all norms equal. The paper has
    no g: it is one factor for all classes, decides nothing, and keeps the logits' size, so that the layer's
    bias may stay as it is (the paper drops it). A class without any weight keeps none.

    Source: Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020,
    section 4.

    Args:
        weight: [C, K], or that of a 1x1 convolution, [C, K, 1, 1].
        tau: in [0, 1].

    Raises:
        ConfigError: tau is not in [0, 1].

    Example:
        >>> tau_normalise(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), 1.0).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """
    return scale_rows(weight, norm_scales(weight, tau))


def norm_scales(weight: Tensor, tau: float) -> Tensor:
    """Give (g / |w_c|)^tau of each class, [C]; see `tau_normalise`."""
    if not 0 <= tau <= 1:
        raise ConfigError(f"Expected `tau` to be in [0, 1], but got {tau}.")
    if weight.ndim < 2:
        raise ConfigError(f"Expected a weight of shape [C, K], but got {list(weight.shape)}.")
    norms = weight.detach().flatten(1).double().norm(dim=1)
    usable = norms > 0
    mean = norms[usable].log().mean().exp() if bool(usable.any()) else norms.new_ones(())
    scales = torch.where(usable, mean / torch.where(usable, norms, 1), 1) ** tau
    return scales.to(weight.dtype)


def scale_rows(weight: Tensor, scales: Tensor) -> Tensor:
    """Give w'_c = f_c w_c for the scales f, [C]: what learnable weight scaling folds into the weights."""
    return weight * scales.reshape(-1, *[1] * (weight.ndim - 1))
