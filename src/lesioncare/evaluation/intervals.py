"""A number, or the difference of two, with its 95 % interval and the sentence that tells it."""

from dataclasses import asdict, dataclass
from typing import Any

from lesioncare.words import several

__all__ = ["MIN_GROUPS", "Difference", "Interval", "few_groups", "title"]

MIN_GROUPS = 6
"""With fewer groups even a unanimous result is no evidence at 5 % (sign test: 2 * 0.5^5 = 0.06)."""

_TITLES = {
    "balanced_accuracy": "Balanced accuracy",
    "balanced_accuracy_adjusted": "Balanced accuracy after logit adjustment",
    "rare_recall": "Rare recall",
    "rare_recall_adjusted": "Rare recall after logit adjustment",
    "rare_average_precision": "Average precision of the rare classes",
    "macro_auroc": "Macro AUROC",
    "energy:rare": "Energy in the box of the rare classes",
    "energy:common": "Energy in the box of the common classes",
    "background_class": "Answers of the background's class",
    "changed": "Answers that change",
    "deletion": "Area under the deletion curve",
    "insertion": "Area under the insertion curve",
}


@dataclass(frozen=True)
class Interval:
    """One model's number with its 95 % interval.

    Args:
        metric: "balanced_accuracy", "recall:CLASS", "energy:rare", ...
        value: the number on all images.
        low: lower end, a percentile of the resamples (`share_interval`).
        high: upper end.
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
        """In words: "Rare recall: 41.0 % (95 % interval 33.0 to 50.0)."."""
        if self.n_groups < MIN_GROUPS:
            return (
                f"{title(self.metric)}: {100 * self.value:.1f} %; {few_groups(self.n_groups, self.metric)}."
            )
        bounds = f"95 % interval {100 * self.low:.1f} to {100 * self.high:.1f}"
        return f"{title(self.metric)}: {100 * self.value:.1f} % ({bounds})."

    def to_dict(self) -> dict[str, Any]:
        """The fields as json values."""
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """Two models' numbers on the same images, and the 95 % interval of b - a.

    Args:
        metric: as for `Interval`.
        a: the first model's number.
        b: the second model's number.
        difference: b - a.
        low: lower end, a percentile of the difference over the resamples (`percentile_interval`).
        high: upper end.
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
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0 and rests on at least `MIN_GROUPS` groups."""
        return self.n_groups >= MIN_GROUPS and (self.low > 0 or self.high < 0)

    @property
    def shown(self) -> bool:
        """Whether a difference may be claimed: the interval excludes 0."""
        return self.excludes_zero

    def sentence(self) -> str:
        """In words: "Rare recall rose from 41.0 to 52.0 % (+11.0 points, 95 % interval +3.0 to +19.0)."."""
        metric = title(self.metric)
        if self.n_groups < MIN_GROUPS:
            why = few_groups(self.n_groups, self.metric)
            return f"{metric}: {100 * self.a:.1f} and {100 * self.b:.1f} %; {why}."
        # A bound that excludes 0 must not be printed as 0.0.
        nearest = 100 * min(abs(self.low), abs(self.high)) if self.excludes_zero else 100.0
        digits = 1 if nearest >= 0.05 else 2 if nearest >= 0.005 else 3
        a, b = f"{100 * self.a:.{digits}f}", f"{100 * self.b:.{digits}f}"
        bounds = f"95 % interval {100 * self.low:+.{digits}f} to {100 * self.high:+.{digits}f}"
        change = f"{100 * self.difference:+.{digits}f} points, {bounds}"
        if self.excludes_zero:
            verb = "rose" if self.difference > 0 else "fell"
            return f"{metric} {verb} from {a} to {b} % ({change}){self._reservation()}."
        return f"{metric}: no difference shown ({a} and {b} %, {change})."

    def _reservation(self) -> str:
        """What must be said after a difference whose interval excludes 0."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """The fields as json values, and whether the difference is shown."""
        return asdict(self) | {"shown": self.shown}


def few_groups(n_groups: int, metric: str = "") -> str:
    """Why there is no interval, in words; an energy rests on the images that have boxes and a map."""
    lesions = several(n_groups, "lesion or patient", "lesions or patients")
    have = (
        "the images with a box and a map show"
        if metric.startswith("energy")
        else "the smallest class tested has"
    )
    return f"no interval: {have} {lesions}, and {MIN_GROUPS} are needed"


def title(metric: str) -> str:
    """A metric's name as a sentence begins with it: "Recall of melanoma"."""
    kind, _, name = metric.partition(":")
    if kind in {"recall", "recall_adjusted"}:
        return f"Recall of {name}" + (" after logit adjustment" if kind == "recall_adjusted" else "")
    if kind == "answer":
        return f"Answers of {name}"
    return _TITLES[metric]
