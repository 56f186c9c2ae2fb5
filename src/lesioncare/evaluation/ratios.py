"""Metrics that are means of ratios of sums: recalls, their means over classes, energy in the box.

Each is the mean over parts of `sum(w * numerator) / sum(w * denominator)` over images, w being how often an
image's group was drawn. The sums over a group are made once; all resamples are then one matrix product.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lesioncare.errors import ConfigError
from lesioncare.evaluation.metrics import decide
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.resampling import Draws, Floats

__all__ = ["Ratio", "RatioSums", "energy_ratios", "mean_defined", "metric_ratios", "rare_mask", "resample"]

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Ratio:
    """A metric as the mean over P parts of sum(numerator) / sum(denominator); both are [N, P]."""

    numerator: Floats
    denominator: Floats

    def value(self) -> float:
        """The metric on all images."""
        totals = (part.sum(axis=0)[:, None] for part in (self.numerator, self.denominator))
        return float(_mean_ratio(*totals)[0])

    def support(self, group: NDArray[np.str_]) -> tuple[int, int]:
        """Images, and groups of the part that has the fewest."""
        used = self.denominator > 0
        return int(used.any(axis=1).sum()), min(len(np.unique(group[part])) for part in used.T)


class RatioSums(Generic[_Key]):
    """Several ratios as a function of the groups' weights.

    Args:
        ratios: ratios over the N images by name, for example by metric.
        draws: says which group each image is in.
    """

    def __init__(self, ratios: Mapping[_Key, Ratio], draws: Draws) -> None:
        self._names = tuple(ratios)
        parts = [part for ratio in ratios.values() for part in (ratio.numerator, ratio.denominator)]
        self._stops = np.cumsum([part.shape[1] for part in parts])[:-1]
        self._sums = np.zeros((draws.n_groups, sum(part.shape[1] for part in parts)))
        if parts:
            np.add.at(self._sums, draws.membership, np.hstack(parts))

    def __call__(self, weights: Floats) -> dict[_Key, Floats]:
        """Name -> its value [B] under weights [G, B]; NaN where no image has a weight."""
        if not self._names:
            return {}
        parts = np.split(self._sums.T @ weights, self._stops)
        return {name: _mean_ratio(parts[2 * i], parts[2 * i + 1]) for i, name in enumerate(self._names)}


def resample(ratios: Mapping[_Key, Ratio], draws: Draws) -> dict[_Key, Floats]:
    """Name -> its value in each resample, [B]; NaN where a draw left no image for it."""
    sums = RatioSums(ratios, draws)
    blocks = [sums(weights) for weights in draws.blocks()]
    return {name: np.concatenate([block[name] for block in blocks]) for name in ratios}


def metric_ratios(known: Predictions, adjusted: Floats | None, rare: Sequence[str]) -> dict[str, Ratio]:
    """Every defined recall, mean recall and energy of the labelled images.

    Args:
        known: labelled images.
        adjusted: their logits after adjustment by the training prior, [N, C]; None without a prior.
        rare: names of the rare classes.

    Raises:
        ConfigError: a rare class is not among the classes.
    """
    is_rare = rare_mask(known.classes, rare)
    member = (known.target[:, None] == np.arange(len(known.classes))).astype(np.float64)  # [N, C]
    present = member.any(axis=0)
    ratios = {}
    for suffix, logits in (("", known.logits), ("_adjusted", adjusted)):
        if logits is None:
            continue
        correct = member * (decide(logits) == known.target)[:, None]
        for name, part in (("balanced_accuracy", present), ("rare_recall", present & is_rare)):
            ratios[name + suffix] = Ratio(correct[:, part], member[:, part])
        for index in np.flatnonzero(present):
            name = f"recall{suffix}:{known.classes[index]}"
            ratios[name] = Ratio(correct[:, [index]], member[:, [index]])
    return {name: ratio for name, ratio in ratios.items() if ratio.denominator.any()} | energy_ratios(
        known, rare
    )


def energy_ratios(known: Predictions, rare: Sequence[str]) -> dict[str, Ratio]:
    """Mean energy in the box over the rare and over the common classes' images that have one."""
    of_rare = rare_mask(known.classes, rare)[known.target]
    ratios = {}
    for name, rows in (("rare", of_rare), ("common", ~of_rare)):
        used = (rows & ~np.isnan(known.energy)).astype(np.float64)[:, None]
        ratios[f"energy:{name}"] = Ratio(used * np.nan_to_num(known.energy)[:, None], used)
    return {name: ratio for name, ratio in ratios.items() if ratio.denominator.any()}


def rare_mask(classes: Sequence[str], rare: Sequence[str]) -> NDArray[np.bool_]:
    """Which classes are rare, [C].

    Raises:
        ConfigError: a rare class is not among the classes.
    """
    unknown = sorted(set(rare) - set(classes))
    if unknown:
        raise ConfigError(f"the rare classes {unknown} are not among the classes {tuple(classes)}.")
    return np.isin(classes, list(rare))


def mean_defined(values: Floats) -> Floats:
    """Mean over the rows [P, B] that are not NaN, [B]; NaN where there is none."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0.0).sum(axis=0)
    mean: Floats = np.divide(total, count, out=np.full(values.shape[1], np.nan), where=count > 0)
    return mean


def _mean_ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Mean over the parts [P, B] whose denominator is not 0, [B]; NaN where there is none."""
    undefined = np.full_like(numerator, np.nan)
    return mean_defined(np.divide(numerator, denominator, out=undefined, where=denominator > 0))
