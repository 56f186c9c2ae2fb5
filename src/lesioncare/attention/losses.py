"""Attention losses: how far a class activation map is from looking at the boxes.

Each maps the B maps M in R^{h x w} and their `Regions` to B numbers; lower is better. In the formulas
m in [0, 1]^{h x w} is the share of each cell inside the boxes, and

    Mn = (M - min M) / (max M - min M)      (0 everywhere where M is constant)
    M+ = max(M, 0),     P = M+ / max M+     (0 everywhere where M has no positive part)

A map that says nothing (constant, or without a positive part) has a finite loss and no gradient.
A loss of one's own is any callable of the same signature.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from lesioncare.attention.regions import Regions
from lesioncare.errors import ConfigError

__all__ = [
    "AttentionLoss",
    "CARELoss",
    "EnergyLoss",
    "InBoxCrossEntropyLoss",
    "InputGradientLoss",
    "L1Loss",
    "OutsideSquareLoss",
    "min_max_normalise",
    "positive_normalise",
]


class AttentionLoss(Protocol):
    """Maps [B, h, w] and their regions to one loss per image [B]."""

    def __call__(self, cam: Tensor, regions: Regions, /) -> Tensor:
        """Give the loss of each map."""


@dataclass(frozen=True)
class CARELoss:
    r"""Outside attention minus inside attention, the loss of CARE.

        L = sum_ij O_ij Mn_ij - min(sum_ij I_ij Mn_ij, tau)

    I = inside / sum(inside) spreads weight 1 evenly over the box. O spreads weight 1 over the
    outside: evenly (`outer="uniform"`), or growing with the L1 distance to the box
    (`outer="distance"`). L lies in [-tau, 1]. An empty outside has weight 0.

    Source: Zhuang et al., MIDL 2019, and Neurocomputing 2023 (arXiv 2307.10036).

    Args:
        tau: in (0, 1]; inside attention above it brings no further gain.
        outer: how the outside's weight is spread.
    """

    tau: float = 0.9
    outer: Literal["uniform", "distance"] = "uniform"

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 1:
            raise ConfigError(f"Expected `tau` to be in (0, 1], but got {self.tau}.")
        if self.outer not in ("uniform", "distance"):
            raise ConfigError(f"Expected `outer` to be 'uniform' or 'distance', but got {self.outer!r}.")

    def __call__(self, cam: Tensor, regions: Regions) -> Tensor:
        """Give the loss of each map: [B, h, w] -> [B]."""
        weights = regions.area_weights if self.outer == "uniform" else regions.distance_weights
        inside, outside = (weights * min_max_normalise(cam)).sum((2, 3)).unbind()
        return outside - inside.clamp(max=self.tau)


@dataclass(frozen=True)
class EnergyLoss:
    r"""The share of the map's positive energy that lies outside the boxes.

        L = 1 - sum_ij m_ij M+_ij / sum_ij M+_ij,   in [0, 1]; 1 with no gradient where M+ = 0.

    Source: Rao et al., ICCV 2023 ("Studying How to Efficiently and Effectively Guide Models with
    Explanations"), after the energy-based pointing game of Wang et al., Score-CAM, 2020.
    """

    def __call__(self, cam: Tensor, regions: Regions) -> Tensor:
        """Give the loss of each map: [B, h, w] -> [B]."""
        inside, outside = (regions.areas * positive_normalise(cam)).sum((2, 3)).unbind()
        return 1 - _safe_ratio(inside, inside + outside)


@dataclass(frozen=True)
class L1Loss:
    r"""The mean distance between the positive map and the box mask.

        L = mean_ij |P_ij - m_ij|,   in [0, 1].

    Source: Rao et al., ICCV 2023 (there after Gao et al., GRADIA, 2022).
    """

    def __call__(self, cam: Tensor, regions: Regions) -> Tensor:
        """Give the loss of each map: [B, h, w] -> [B]."""
        return (positive_normalise(cam) - regions.mask).abs().mean((1, 2))


@dataclass(frozen=True)
class OutsideSquareLoss:
    r"""The squared map outside the boxes: "right for the right reasons" on a class activation map.

        L = sum_ij ((1 - m_ij) Mn_ij)^2,   in [0, hw].

    Source: Ross et al., IJCAI 2017, eq. 1, with Mn in place of the input gradient, as in
    Rao et al., ICCV 2023.
    """

    def __call__(self, cam: Tensor, regions: Regions) -> Tensor:
        """Give the loss of each map: [B, h, w] -> [B]."""
        return ((1 - regions.mask) * min_max_normalise(cam)).square().sum((1, 2))


@dataclass(frozen=True)
class InBoxCrossEntropyLoss:
    r"""Per-pixel cross-entropy between the positive map and 1, inside the boxes only.

        L = - sum_ij m_ij log(max(P_ij, eps)) / sum_ij m_ij,   in [0, -log eps].

    It asks for attention everywhere in the box and leaves the outside free.

    Source: Rao et al., ICCV 2023 (there after Shen et al., HAICS, 2021).

    Args:
        eps: floor of P in the logarithm, in (0, 1); cells below it give no gradient.
    """

    eps: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 < self.eps < 1:
            raise ConfigError(f"Expected `eps` to be in (0, 1), but got {self.eps}.")

    def __call__(self, cam: Tensor, regions: Regions) -> Tensor:
        """Give the loss of each map: [B, h, w] -> [B]."""
        mask = regions.mask
        log_map = positive_normalise(cam).clamp(min=self.eps).log()
        return -_safe_ratio((mask * log_map).sum((1, 2)), mask.sum((1, 2)))


@dataclass(frozen=True)
class InputGradientLoss:
    r"""Right for the right reasons: squared input gradients outside the boxes.

        L = sum_cij ((1 - m_ij) d/dx_cij sum_k log p_k)^2

    The gradient is taken through the whole network, so that a step costs about twice a plain one;
    the other losses need the head only. Here the "map" is the gradient [B, C, H, W] at the image.

    Source: Ross et al., IJCAI 2017, eq. 1.
    """

    def __call__(self, gradient: Tensor, regions: Regions) -> Tensor:
        """Give the loss of each image's gradient: [B, C, H, W] -> [B]."""
        return ((1 - regions.mask)[:, None] * gradient).square().sum((1, 2, 3))


def min_max_normalise(cam: Tensor) -> Tensor:
    """Mn = (M - min M) / (max M - min M) of each map [B, h, w]; a constant map gives 0 and no gradient."""
    low, high = cam.amin((1, 2), keepdim=True), cam.amax((1, 2), keepdim=True)
    return _scaled(cam - low, high - low, torch.maximum(high, -low))  # the largest |M|


def positive_normalise(cam: Tensor) -> Tensor:
    """P = M+ / max M+ of each map [B, h, w]; a map without positive part gives 0 and no gradient."""
    positive = cam.relu()
    high = positive.amax((1, 2), keepdim=True)
    return _scaled(positive, high, high)


def _scaled(values: Tensor, span: Tensor, magnitude: Tensor) -> Tensor:
    """values / span, and 0 without gradient where the span is only rounding noise of the magnitude.

    The span is replaced before the division too: where() alone would let 0 * inf = nan through backward.
    """
    info = torch.finfo(values.dtype)
    usable = span > (16 * info.eps * magnitude).clamp(min=info.tiny / info.eps)
    return torch.where(usable, values, 0) / torch.where(usable, span, 1)


def _safe_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide, giving 0 (no gradient) where the denominator is 0."""
    usable = denominator > 0
    return torch.where(usable, numerator, 0) / torch.where(usable, denominator, 1)
