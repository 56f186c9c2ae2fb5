"""Boxes from one or several methods, each with a score that says how far to trust it."""

from dataclasses import dataclass, field

import numpy as np

from lesioncare.boxes.generation.maker import BoxMaker, Corners, Found, box_iou
from lesioncare.boxes.generation.map_to_box import MapToBox
from lesioncare.boxes.saliency.base import Image, Saliency
from lesioncare.errors import ConfigError

LADDER = (0.7, 0.8, 1.2, 1.35)
"""Multiples of the threshold at which a trustworthy box stays where it is."""

__all__ = ["LADDER", "MedoidBoxes", "SaliencyBoxes", "agreement"]


@dataclass(frozen=True)
class SaliencyBoxes:
    r"""The box of the mean of saliency maps, scored by how little it depends on threshold and map.

        S = sum_k w_k S_k / sum_k w_k,  b = box of S at threshold t
        score = mean of {IoU(b, box of S at f t), f in ladder} and, if K > 1, {IoU(b, box of S_k), k = 1 .. K}

    A clear lesion gives the same box at many thresholds and on every map. The score is close to the IoU that
    can be expected: it needs no further calibration. A box that is not found counts as IoU 0.

    Args:
        name: what the boxes' `source` says.
        saliencies: K methods, at least one.
        to_box: how a map becomes a box.
        ladder: multiples f of the threshold.
        weights: w_k of each method; None gives all the same.

    Raises:
        ConfigError: no method is given, or no multiple, or not one positive weight for each method.
    """

    name: str
    saliencies: tuple[Saliency, ...]
    to_box: MapToBox = field(default_factory=MapToBox)
    ladder: tuple[float, ...] = LADDER
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.saliencies:
            raise ConfigError(f"boxes {self.name!r} need at least one saliency method.")
        if not self.ladder:
            raise ConfigError(f"boxes {self.name!r} need at least one multiple of the threshold (ladder).")
        weights = self.weights
        if weights is not None and not (len(weights) == len(self.saliencies) and all(w > 0 for w in weights)):
            raise ConfigError(
                f"boxes {self.name!r} need {len(self.saliencies)} positive weights, but got {weights}."
            )

    def __call__(self, image: Image, /) -> Found | None:
        """Give the box, or None where every map is constant, or nowhere above the level."""
        maps = [saliency(image) for saliency in self.saliencies]
        mean = (
            maps[0] if len(maps) == 1 else np.average(maps, axis=0, weights=self.weights).astype(np.float32)
        )
        box, *others = self.to_box.ladder(mean, (1.0, *self.ladder))
        if box is None:
            return None
        if len(maps) > 1:
            others += [self.to_box(one) for one in maps]
        return Found(box, agreement(box, others))


@dataclass(frozen=True)
class MedoidBoxes:
    r"""Of the boxes of several makers, the one that agrees most with the others.

        m = argmax_i sum_{j != i} IoU(b_i, b_j),  score = mean_{j != m} IoU(b_m, b_j)

    Ties go to the maker that is named first; a maker that finds nothing agrees with nobody. This
    combines what has no map in common: a segmentation and a saliency method, say.

    Args:
        name: what the boxes' `source` says.
        makers: at least two, the most trusted first.

    Raises:
        ConfigError: fewer than two makers are given.
    """

    name: str
    makers: tuple[BoxMaker, ...]

    def __post_init__(self) -> None:
        if len(self.makers) < 2:
            raise ConfigError(f"boxes {self.name!r} need at least two makers, but got {len(self.makers)}.")

    def __call__(self, image: Image, /) -> Found | None:
        """Give the box, or None where no maker finds one."""
        found = [maker(image) for maker in self.makers]
        boxes = [one.corners if one else None for one in found]
        scored = [
            Found(box, agreement(box, boxes[:index] + boxes[index + 1 :]))
            for index, box in enumerate(boxes)
            if box is not None
        ]
        return max(scored, key=lambda one: one.score, default=None)


def agreement(box: Corners, others: list[Corners | None]) -> float:
    """Mean IoU in [0, 1] of a box with others, at least one; a missing box counts as 0."""
    present = [other for other in others if other is not None]
    return float(box_iou(box, present).sum()) / len(others)
