"""Imbalance: which classes are rare, and what can be done about it."""

from lesioncare.imbalance.adjustment import adjust_logits
from lesioncare.imbalance.decoupling import norm_scales, scale_rows, tau_normalise
from lesioncare.imbalance.losses import (
    BalancedSoftmaxLoss,
    ClassificationLoss,
    CrossEntropyLoss,
    FocalLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    SeesawLoss,
    WeightedLoss,
)
from lesioncare.imbalance.mixing import MixBatch, Mixer, cutmix, mixup
from lesioncare.imbalance.prior import remaining_prior
from lesioncare.imbalance.rarity import rare_classes
from lesioncare.imbalance.remedies import REMEDIES, Remedy
from lesioncare.imbalance.samplers import ClassDraw, Power, Progressive
from lesioncare.imbalance.weights import effective_number, inverse_frequency

__all__ = [
    "REMEDIES",
    "BalancedSoftmaxLoss",
    "ClassDraw",
    "ClassificationLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "MixBatch",
    "Mixer",
    "Power",
    "Progressive",
    "Remedy",
    "SeesawLoss",
    "WeightedLoss",
    "adjust_logits",
    "cutmix",
    "effective_number",
    "inverse_frequency",
    "mixup",
    "norm_scales",
    "rare_classes",
    "remaining_prior",
    "scale_rows",
    "tau_normalise",
]
