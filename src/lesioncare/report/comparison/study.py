"""The arms of a comparison, with what the statistics say about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lesioncare.errors import RunError
from lesioncare.evaluation import ArmComparison, ArmInterval, PairDifference, RunResult
from lesioncare.experiment import Comparison
from lesioncare.report.figures import Axis, difference_axis
from lesioncare.report.views import Arm

__all__ = ["METRICS", "ComparisonStudy"]

METRICS = {
    "rare_recall": "Rare recall",
    "rare_recall_adjusted": "Rare recall, adjusted",
    "balanced_accuracy": "Balanced accuracy",
    "balanced_accuracy_adjusted": "Balanced accuracy, adjusted",
    "rare_average_precision": "Rare average precision",
    "macro_auroc": "Macro AUROC",
    "energy:rare": "Energy in box, rare",
    "energy:common": "Energy in box, common",
}
"""Metric -> its short name; those of single classes are not among them."""

_COLOURS = 5


@dataclass(frozen=True)
class ComparisonStudy:
    """A comparison of which enough is finished to say something.

    Raises:
        RunError: there is no fold and seed that every arm has.
    """

    comparison: Comparison

    def __post_init__(self) -> None:
        if self.comparison.statistics is None:
            raise RunError(
                f"{self.comparison.directory}: there is no fold and seed that every arm has finished, so "
                "nothing can be compared. Run the same `lesioncare compare` again to train the missing cells."
            )

    @property
    def found(self) -> ArmComparison:
        """What the statistics say."""
        statistics = self.comparison.statistics
        assert statistics is not None  # noqa: S101  checked when this was made
        return statistics

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Names and colours; the grey of colour 0 says "the arm to compare with"."""
        return tuple(
            Arm(name, 0 if place == 0 else 1 + (place - 1) % _COLOURS)
            for place, name in enumerate(self.found.singles)
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those metrics, of all classes together, that some arm has."""
        return tuple(
            metric for metric in METRICS if any(metric in one for one in self.found.singles.values())
        )

    @cached_property
    def results(self) -> dict[str, dict[tuple[int, int], RunResult]]:
        """Arm -> (fold, seed) -> its result, of the folds and seeds that the statistics rest on."""
        return {
            name: {(fold, seed): cells[fold, seed] for fold in self.found.folds for seed in self.found.seeds}
            for name, cells in self.comparison.results.items()
        }

    @property
    def any_result(self) -> RunResult:
        """Of the first arm, fold and seed."""
        return next(iter(self.results[self.arms[0].name].values()))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes in the order of the page: rare before common, each from few to many training images."""
        first = self.any_result
        counts, rare = first.train_counts, self.comparison.rare
        return tuple(sorted(first.classes, key=lambda name: (name not in rare, counts.get(name, 0))))

    def single(self, arm: str, metric: str) -> ArmInterval | None:
        """One arm's number."""
        return self.found.singles[arm].get(metric)

    def against_first(self, arm: str, metric: str) -> PairDifference | None:
        """How an arm differs from the first."""
        return self.found.pairs.get((self.arms[0].name, arm), {}).get(metric)

    def best(self, metric: str) -> Arm | None:
        """The arm after the first with the highest number; None where there is none."""
        values = {arm: self.single(arm.name, metric) for arm in self.arms[1:]}
        known = {arm: one.value for arm, one in values.items() if one is not None}
        return max(known, key=lambda arm: known[arm]) if known else None

    def difference_axis(self, metrics: Sequence[str]) -> Axis:
        """One axis that holds the intervals of all pairs in these metrics."""
        ones = [found[name] for found in self.found.pairs.values() for name in metrics if name in found]
        return difference_axis(end for one in ones for end in (one.low, one.high))
