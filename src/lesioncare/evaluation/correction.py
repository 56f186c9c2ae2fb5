"""How likely a difference is by chance, for one comparison and for many."""

from collections.abc import Sequence

import numpy as np

from lesioncare.errors import ConfigError
from lesioncare.evaluation.resampling import Floats

__all__ = ["SIGNIFICANCE", "bootstrap_p", "enough_resamples", "holm"]

SIGNIFICANCE = 0.05
"""A difference is shown if its corrected p value is below; the other side of the 95 % interval."""


def bootstrap_p(differences: Floats) -> float:
    """Two-sided p value of "no difference": at which level the plain percentile interval begins to hold 0.

    `p = 2 min(1 + #{d <= 0}, 1 + #{d >= 0}) / (B + 1)`, at most 1, with d the B resampled differences. It
    moves in steps of 2 / (B + 1) and is never smaller than one step. It is not expanded for few groups, as
    the interval is: a difference must pass both.

    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, sections 4.2 and 5.4 (a test
    by turning an interval round; counting the data themselves as one more draw).

    Args:
        differences: [B], without NaN.

    Example:
        >>> bootstrap_p(np.array([1.0, 2.0, 3.0, -1.0, 2.0, 1.0, 1.0]))
        0.5
    """
    beyond = 1 + min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * beyond / (len(differences) + 1))


def holm(p: Sequence[float]) -> list[float]:
    """The p values corrected for being several, so that the chance of any false claim stays at the level.

    The i-th smallest of m is multiplied by m - i + 1; none may become smaller than the one before it, or
    larger than 1. It holds however the comparisons depend on each other.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    factors = len(p) - np.arange(len(p))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p, dtype=np.float64)[order]), 1)
    return [float(value) for value in corrected]


def enough_resamples(n_resamples: int | None, n_comparisons: int) -> int:
    """The number of resamples; None stands for 2000, or for 100 per comparison where that is more.

    The smallest corrected p value is 2 * n_comparisons / (n_resamples + 1).

    Raises:
        ConfigError: with so few not even the clearest of the differences could be shown.
    """
    if n_resamples is None:
        return max(2000, 100 * n_comparisons)
    needed = int(2 * n_comparisons / SIGNIFICANCE)
    if n_comparisons and n_resamples < needed:
        raise ConfigError(
            f"with {n_comparisons} comparisons the number of resamples must be {needed} or more for a "
            f"difference to be shown, but is {n_resamples}."
        )
    return n_resamples
