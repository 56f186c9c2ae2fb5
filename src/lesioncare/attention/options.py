"""How the guide makes its maps and sums up their losses."""

from dataclasses import dataclass
from typing import Literal

from lesioncare.attention.cam import Gradient, Method
from lesioncare.attention.regions import Resolution
from lesioncare.errors import ConfigError

Reduction = Literal["batch", "boxed", "sum"]
Evidence = Literal["class", "contrast"]

__all__ = ["Evidence", "GuideOptions", "Reduction"]


@dataclass(frozen=True)
class GuideOptions:
    """How the maps are made and when attention begins.

    Attributes:
        gradient: "full" differentiates through the map's weights a_k; "half" takes them as constants, as
            the published code does.
        reduction: how the losses of a batch's boxed images become one number. "batch": their sum divided
            by the batch size, so that an image's attention weighs as much as its classification. "boxed":
            divided by the number of boxed images. "sum": not divided, as the published code does.
        resolution: compare at the map's size ("feature"), or as if the map had been upsampled to the image
            ("image"): exactly so for the losses that weigh the map linearly, CARE and energy.
        evidence: whose map is compared with the boxes. "class": that of the own class, s_y. "contrast":
            that of s_y - s_r, with r the other class of the largest logit: what speaks for the own class *and
            against the one that it is mistaken for* must lie in the box, and evidence that both share, inside
            or outside, does not count.
        cam: how features become a map. "grad-cam": one weight for each channel. "layer-cam": one for each
            cell of each channel, positive parts only; finer where the target layer is an early one.
        start_step: attention begins after this many calls of `combine` (the paper's second stage).
        start_epoch: attention begins in this epoch, counted from 0; tell the epoch with `set_epoch`.
    """

    gradient: Gradient = "full"
    reduction: Reduction = "batch"
    resolution: Resolution = "feature"
    evidence: Evidence = "class"
    cam: Method = "grad-cam"
    start_step: int = 0
    start_epoch: int = 0

    def __post_init__(self) -> None:
        _check_choice("gradient", self.gradient, ("full", "half"))
        _check_choice("reduction", self.reduction, ("batch", "boxed", "sum"))
        _check_choice("resolution", self.resolution, ("feature", "image"))
        _check_choice("evidence", self.evidence, ("class", "contrast"))
        _check_choice("cam", self.cam, ("grad-cam", "layer-cam"))
        if self.start_step < 0 or self.start_epoch < 0:
            raise ConfigError("Expected `start_step` and `start_epoch` to be at least 0.")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"Expected `{name}` to be one of {', '.join(choices)}, but got {value!r}.")
