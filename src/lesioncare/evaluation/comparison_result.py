"""What a comparison of several arms found: numbers, sentences and tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from lesioncare.evaluation.correction import SIGNIFICANCE
from lesioncare.evaluation.intervals import Difference, Interval
from lesioncare.evaluation.resampling import Floats
from lesioncare.words import several

__all__ = ["ArmComparison", "ArmInterval", "PairDifference", "Spread"]


@dataclass(frozen=True)
class Spread:
    """How a number varies with the training; no interval, since folds share most of their training images.

    Args:
        by_fold: the number on each fold's images alone, averaged over the seeds; None where it is undefined.
        by_seed: the number on all folds' images, for each seed.
    """

    by_fold: tuple[float | None, ...]
    by_seed: tuple[float, ...]

    @classmethod
    def of(cls, by_fold: Floats, by_seed: Floats) -> Self:
        """From arrays; NaN becomes None."""
        return cls(
            tuple(None if np.isnan(value) else float(value) for value in by_fold), tuple(by_seed.tolist())
        )

    @property
    def fold_sd(self) -> float | None:
        """Standard deviation over the folds (n - 1); None with fewer than two."""
        return _deviation([value for value in self.by_fold if value is not None])

    @property
    def seed_sd(self) -> float | None:
        """Standard deviation over the seeds (n - 1); None with fewer than two."""
        return _deviation(list(self.by_seed))


@dataclass(frozen=True)
class ArmInterval(Interval):
    """One arm's number, averaged over the seeds, with its 95 % interval and its spread.

    Args:
        spread: over folds and over seeds.
    """

    spread: Spread

    def to_dict(self) -> dict[str, Any]:
        """The fields as json values, and the two standard deviations."""
        return super().to_dict() | {"fold_sd": self.spread.fold_sd, "seed_sd": self.spread.seed_sd}


@dataclass(frozen=True)
class PairDifference(Difference):
    """The difference of two arms, averaged over the seeds, and what is left of it after correction.

    Args:
        p: two-sided bootstrap p value; None with fewer than `MIN_GROUPS` groups.
        p_corrected: by Holm's method for all pairs that were tested in this metric; None as above.
        n_comparisons: how many those are.
        spread: of the difference, over folds and over seeds.
    """

    p: float | None
    p_corrected: float | None
    n_comparisons: int
    spread: Spread

    @property
    def holds_corrected(self) -> bool:
        """Whether the interval excludes 0, also after correction."""
        return self.excludes_zero and self.p_corrected is not None and self.p_corrected < SIGNIFICANCE

    @property
    def seeds_agree(self) -> bool:
        """Whether the difference of each seed alone points the same way; one seed agrees with itself."""
        return all(one * self.difference > 0 for one in self.spread.by_seed)

    @property
    def shown(self) -> bool:
        """Whether a difference may be claimed: it holds after correction, and the seeds agree on its sign.

        The interval knows of other patients, not of other trainings: in a large test part it is narrow, and
        a difference that the next seed turns round would be claimed.
        """
        return self.holds_corrected and self.seeds_agree

    def _reservation(self) -> str:
        if self.shown:
            return ""
        if self.holds_corrected:
            least, most = (100 * limit(self.spread.by_seed) for limit in (min, max))
            return f", but the seeds do not agree ({least:+.1f} to {most:+.1f})"
        comparisons = several(self.n_comparisons, "comparison")
        return f", but not after correction for {comparisons} (p {self.p_corrected:.2f})"

    def to_dict(self) -> dict[str, Any]:
        """The fields as json values, whether a difference is shown, and the two standard deviations."""
        return super().to_dict() | {
            "excludes_zero": self.excludes_zero,
            "seeds_agree": self.seeds_agree,
            "fold_sd": self.spread.fold_sd,
            "seed_sd": self.spread.seed_sd,
        }


@dataclass(frozen=True)
class ArmComparison:
    """Several arms on the same folds and seeds.

    Args:
        folds: their numbers.
        seeds: their numbers.
        n_resamples: draws of the bootstrap.
        singles: arm -> metric -> its number.
        pairs: (a, b) -> metric -> b - a.
    """

    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    n_resamples: int
    singles: Mapping[str, Mapping[str, ArmInterval]]
    pairs: Mapping[tuple[str, str], Mapping[str, PairDifference]]

    def singles_frame(self) -> pd.DataFrame:
        """One row for each arm and metric."""
        rows = [{"arm": arm} | _row(one) for arm, found in self.singles.items() for one in found.values()]
        return pd.DataFrame(rows, columns=["arm", *_SINGLE])

    def pairs_frame(self) -> pd.DataFrame:
        """One row for each pair and metric, with its sentence; value_a and value_b are the arms' numbers."""
        rows = [
            {"arm_a": a, "arm_b": b} | _row(one) | {"sentence": one.sentence()}
            for (a, b), found in self.pairs.items()
            for one in found.values()
        ]
        frame = pd.DataFrame(rows, columns=["arm_a", "arm_b", *_PAIR, "sentence"])
        return frame.rename(columns={"a": "value_a", "b": "value_b"})

    def to_dict(self) -> dict[str, Any]:
        """Everything as json values; the pairs as a list."""
        singles = {
            arm: {name: one.to_dict() for name, one in found.items()} for arm, found in self.singles.items()
        }
        pairs = [
            {"a": a, "b": b, "metrics": {name: one.to_dict() for name, one in found.items()}}
            for (a, b), found in self.pairs.items()
        ]
        return {
            "folds": list(self.folds),
            "seeds": list(self.seeds),
            "n_resamples": self.n_resamples,
            "singles": singles,
            "pairs": pairs,
        }


_SINGLE = ("metric", "value", "low", "high", "fold_sd", "seed_sd", "n", "n_groups")
_PAIR = (
    *("metric", "a", "b", "difference", "low", "high", "excludes_zero"),
    *("p", "p_corrected", "n_comparisons", "seeds_agree", "shown", "fold_sd", "seed_sd", "n", "n_groups"),
)


def _row(one: ArmInterval | PairDifference) -> dict[str, Any]:
    return {name: value for name, value in one.to_dict().items() if name != "spread"}


def _deviation(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
