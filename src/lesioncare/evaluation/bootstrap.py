"""Confidence intervals: a paired bootstrap that draws whole groups, within classes.

Images of one lesion or patient resemble each other, so groups are drawn, not images; each class keeps its
number of groups, so that a rare class never vanishes; and both arms see the same draw, so that what is hard
about an image cancels in the difference.

Every metric here is a mean of ratios `sum(w * numerator) / sum(w * denominator)` over images, w being how
often an image's group was drawn. The sums over a group are made once; a resample is then one matrix product.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lesioncare.errors import ConfigError, RunError
from lesioncare.evaluation.metrics import adjusted_logits, decide
from lesioncare.evaluation.predictions import Predictions

__all__ = ["MIN_GROUPS", "Difference", "Interval", "compare", "interval"]

MIN_GROUPS = 6
"""With fewer groups even a unanimous result is no evidence at 5 % (sign test: 2 * 0.5^5 = 0.06)."""

_BLOCK = 4_000_000  # drawn counts held in memory at a time
_TITLES = {
    "balanced_accuracy": "Balanced accuracy",
    "balanced_accuracy_adjusted": "Balanced accuracy after logit adjustment",
    "rare_recall": "Rare recall",
    "rare_recall_adjusted": "Rare recall after logit adjustment",
    "energy:rare": "Energy in the box of the rare classes",
    "energy:common": "Energy in the box of the common classes",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """One model's number with its 95 % interval.

    Args:
        metric: "balanced_accuracy", "recall:CLASS", "energy:rare", ...
        value: the number on all images.
        low: 2.5th percentile of the resamples.
        high: 97.5th percentile.
        n: images that the number rests on.
        n_groups: groups that it rests on; for a mean over classes, those of the class with the fewest.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    n_groups: int

    def sentence(self) -> str:
        """In words: "Rare recall: 0.41 (95 % interval 0.33 to 0.50)."."""
        if self.n_groups < MIN_GROUPS:
            return f"{_title(self.metric)}: {self.value:.2f}; {few_groups(self.n_groups)}."
        bounds = f"95 % interval {self.low:.2f} to {self.high:.2f}"
        return f"{_title(self.metric)}: {self.value:.2f} ({bounds})."


@dataclass(frozen=True)
class Difference:
    """Two models' numbers on the same images, and the 95 % interval of b - a.

    Args:
        metric: as for `Interval`.
        a: the first model's number.
        b: the second model's number.
        difference: b - a.
        low: 2.5th percentile of the difference over the resamples.
        high: 97.5th percentile.
        n: images that the numbers rest on.
        n_groups: groups that they rest on; for a mean over classes, those of the class with the fewest.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    n: int
    n_groups: int

    @property
    def shown(self) -> bool:
        """Whether the interval excludes 0 and rests on at least `MIN_GROUPS` groups."""
        return self.n_groups >= MIN_GROUPS and (self.low > 0 or self.high < 0)

    def sentence(self) -> str:
        """In words: "Rare recall rose from 0.41 to 0.52 (+0.11, 95 % interval +0.03 to +0.19)."."""
        title = _title(self.metric)
        # A bound that excludes 0 must not be printed as 0.00.
        nearest = min(abs(self.low), abs(self.high)) if self.shown else 1.0
        digits = 2 if nearest >= 0.005 else 3 if nearest >= 0.0005 else 4
        a, b = f"{self.a:.{digits}f}", f"{self.b:.{digits}f}"
        bounds = f"95 % interval {self.low:+.{digits}f} to {self.high:+.{digits}f}"
        change = f"{self.difference:+.{digits}f}, {bounds}"
        if self.shown:
            return f"{title} {'rose' if self.difference > 0 else 'fell'} from {a} to {b} ({change})."
        if self.n_groups < MIN_GROUPS:
            return f"{title}: {a} and {b}; {few_groups(self.n_groups)}."
        return f"{title}: no difference shown ({a} and {b}, {change})."


def few_groups(n_groups: int) -> str:
    """Why there is no interval, in words."""
    lesions = "lesion or patient" if n_groups == 1 else "lesions or patients"
    return f"no interval: the smallest class tested has {n_groups} {lesions}, and {MIN_GROUPS} are needed"


def compare(
    a: Predictions,
    b: Predictions,
    rare: Sequence[str],
    train_counts: Mapping[str, int],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """How b differs from a, metric by metric, with paired 95 % intervals.

    Metrics: balanced_accuracy, rare_recall, both with `_adjusted`, recall:CLASS, energy:rare, energy:common.
    One that is not defined (a class without images, no boxes, no prior) is left out. Energy is compared on
    the images where both arms have one. A group belongs to the class of its first image.

    Args:
        a: the arm to compare with.
        b: the arm in question, on the same images in the same order.
        rare: names of the rare classes.
        train_counts: class -> number of training images.
        n_resamples: draws.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        RunError: the arms do not have the same images, groups, labels and classes in the same order.
        ConfigError: n_resamples is below 1 or a rare class is not among the classes.
    """
    _check_paired(a, b)
    a, b = a.labelled, b.labelled
    both = ~(np.isnan(a.energy) | np.isnan(b.energy))
    arms = [
        _ratios(replace(arm, energy=np.where(both, arm.energy, np.nan)), rare, train_counts) for arm in (a, b)
    ]
    of_a, of_b = (_resample(ratios, a, n_resamples, seed) for ratios in arms)
    result = {}
    for name, ratio in arms[0].items():
        bounds = _percentiles(of_b[name] - of_a[name])
        if bounds is not None:
            value_a, value_b = ratio.value(), arms[1][name].value()
            n, n_groups = ratio.support(a.group)
            result[name] = Difference(name, value_a, value_b, value_b - value_a, *bounds, n, n_groups)
    return result


def interval(
    predictions: Predictions,
    rare: Sequence[str],
    train_counts: Mapping[str, int],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Interval]:
    """The same metrics as `compare` for one model, each with its 95 % interval.

    Raises:
        ConfigError: n_resamples is below 1 or a rare class is not among the classes.
    """
    known = predictions.labelled
    ratios = _ratios(known, rare, train_counts)
    resampled = _resample(ratios, known, n_resamples, seed)
    result = {}
    for name, ratio in ratios.items():
        bounds = _percentiles(resampled[name])
        if bounds is not None:
            result[name] = Interval(name, ratio.value(), *bounds, *ratio.support(known.group))
    return result


@dataclass(frozen=True, eq=False)
class _Ratio:
    """A metric as the mean over P parts of sum(numerator) / sum(denominator); both are [N, P]."""

    numerator: Floats
    denominator: Floats

    def value(self) -> float:
        totals = (part.sum(axis=0, keepdims=True) for part in (self.numerator, self.denominator))
        return float(_mean_ratio(*totals)[0])

    def support(self, group: NDArray[np.str_]) -> tuple[int, int]:
        """Images, and groups of the part that has the fewest."""
        used = self.denominator > 0
        return int(used.any(axis=1).sum()), min(len(np.unique(group[part])) for part in used.T)


def _ratios(known: Predictions, rare: Sequence[str], train_counts: Mapping[str, int]) -> dict[str, _Ratio]:
    """Every defined metric of the labelled images."""
    unknown = sorted(set(rare) - set(known.classes))
    if unknown:
        raise ConfigError(f"the rare classes {unknown} are not among the classes {known.classes}.")
    is_rare = np.isin(known.classes, list(rare))
    member = (known.target[:, None] == np.arange(len(known.classes))).astype(np.float64)  # [N, C]
    present = member.any(axis=0)
    ratios = {}
    for suffix, logits in (("", known.logits), ("_adjusted", adjusted_logits(known, train_counts))):
        if logits is None:
            continue
        correct = member * (decide(logits) == known.target)[:, None]
        for name, part in (("balanced_accuracy", present), ("rare_recall", present & is_rare)):
            ratios[name + suffix] = _Ratio(correct[:, part], member[:, part])
    correct = member * (decide(known.logits) == known.target)[:, None]
    for index in np.flatnonzero(present):
        ratios[f"recall:{known.classes[index]}"] = _Ratio(correct[:, [index]], member[:, [index]])
    for name, rows in (("rare", is_rare[known.target]), ("common", ~is_rare[known.target])):
        used = (rows & ~np.isnan(known.energy)).astype(np.float64)[:, None]
        ratios[f"energy:{name}"] = _Ratio(used * np.nan_to_num(known.energy)[:, None], used)
    return {name: ratio for name, ratio in ratios.items() if ratio.denominator.any()}


def _resample(
    ratios: Mapping[str, _Ratio], known: Predictions, n_resamples: int, seed: int
) -> dict[str, Floats]:
    """Metric -> its value in each resample, [n_resamples]; NaN where a draw left no image for it."""
    if n_resamples < 1:
        raise ConfigError(f"the number of resamples must be 1 or more, but is {n_resamples}.")
    if not ratios:
        return {}
    sums = [part for ratio in ratios.values() for part in (ratio.numerator, ratio.denominator)]
    totals = _draw_totals(np.hstack(sums), known, n_resamples, seed)
    parts = np.split(totals, np.cumsum([part.shape[1] for part in sums])[:-1], axis=1)
    return {name: _mean_ratio(parts[2 * i], parts[2 * i + 1]) for i, name in enumerate(ratios)}


def _draw_totals(columns: Floats, known: Predictions, n_resamples: int, seed: int) -> Floats:
    """Sums of the columns [N, K] over the images of each resample, [n_resamples, K]."""
    groups, first, membership = np.unique(known.group, return_index=True, return_inverse=True)
    sums = np.zeros((len(groups), columns.shape[1]))
    np.add.at(sums, membership, columns)
    stratum = known.target[first]
    rng = np.random.default_rng(seed)
    totals = np.zeros((n_resamples, columns.shape[1]))
    for label in np.unique(stratum):
        of_class = sums[stratum == label]
        n = len(of_class)
        step = max(1, _BLOCK // n)
        for start in range(0, n_resamples, step):
            block = totals[start : start + step]
            block += rng.multinomial(n, np.full(n, 1 / n), size=len(block)).astype(np.float64) @ of_class
    return totals


def _mean_ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Mean over the parts [B, P] whose denominator is not 0, [B]; NaN where there is none."""
    defined = denominator > 0
    ratio = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=defined)
    count = defined.sum(axis=1)
    mean: Floats = np.divide(ratio.sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


def _percentiles(values: Floats) -> tuple[float, float] | None:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _title(metric: str) -> str:
    kind, _, name = metric.partition(":")
    return f"Recall of {name}" if kind == "recall" else _TITLES[metric]


def _check_paired(a: Predictions, b: Predictions) -> None:
    if a.classes != b.classes:
        raise RunError(f"the arms cannot be compared: their classes are {a.classes} and {b.classes}.")
    if len(a) != len(b):
        raise RunError(f"the arms cannot be compared: {len(a)} and {len(b)} images. Use one split.")
    for name in ("image", "group", "target"):
        differing = np.flatnonzero(getattr(a, name) != getattr(b, name))
        if len(differing):
            row = differing[0]
            values = f"{getattr(a, name)[row]!s} and {getattr(b, name)[row]!s}"
            where = f"in row {row + 1} the {name} is {values}"
            raise RunError(f"the arms cannot be compared: {where}. Use one split.")
