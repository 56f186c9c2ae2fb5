"""Attention supervision for any image classifier: needs torch only, and can be lifted into any project."""

from lesioncare.attention.cam import closed_form_cam, head_gradient_cam
from lesioncare.attention.guide import AttentionGuide
from lesioncare.attention.losses import (
    AttentionLoss,
    CARELoss,
    EnergyLoss,
    InBoxCrossEntropyLoss,
    InputGradientLoss,
    L1Loss,
    OutsideSquareLoss,
)
from lesioncare.attention.options import GuideOptions
from lesioncare.attention.regions import Regions, clip_boxes
from lesioncare.attention.target import Target, find_target

__all__ = [
    "AttentionGuide",
    "AttentionLoss",
    "CARELoss",
    "EnergyLoss",
    "GuideOptions",
    "InBoxCrossEntropyLoss",
    "InputGradientLoss",
    "L1Loss",
    "OutsideSquareLoss",
    "Regions",
    "Target",
    "clip_boxes",
    "closed_form_cam",
    "find_target",
    "head_gradient_cam",
]
