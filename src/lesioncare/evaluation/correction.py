"""How likely a difference is by chance, for one comparison and for many."""

import math
from collections.abc import Sequence

import numpy as np

from lesioncare.errors import ConfigError
from lesioncare.evaluation.resampling import Floats, expanded, unexpanded

__all__ = ["SIGNIFICANCE", "bootstrap_p", "enough_resamples", "holm"]

SIGNIFICANCE = 0.05
"""A difference is shown if its corrected p value is below; the other side of the 95 % interval."""
_FEWEST, _MOST = 2_000, 20_000


def bootstrap_p(differences: Floats, n_groups: int) -> float:
    """Two-sided p value of "no difference": at which level the interval of the difference begins to hold 0.

    `p = 2 unexpanded(min(1 + #{d <= 0}, 1 + #{d >= 0}) / (B + 1), n)`, at most 1, with d the B resampled
    differences and n the groups: for many groups the share itself, for few more than that, as the interval
    is wider (`percentile_interval`).

    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, sections 4.2 and 5.4 (a test
    by turning an interval round; counting the data themselves as one more draw).

    Args:
        differences: [B], without NaN.
        n_groups: n, of the class with the fewest; below `MIN_GROUPS` nothing is expanded.

    Example:
        >>> round(bootstrap_p(np.array([1.0, 2.0, 3.0, -1.0, 2.0, 1.0, 1.0]), 10**6), 3)
        0.5
    """
    beyond = 1 + min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    share = beyond / (len(differences) + 1)
    return 1.0 if share >= 0.5 else 2 * unexpanded(share, n_groups)


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


def enough_resamples(n_resamples: int | None, n_comparisons: int, n_groups: int) -> int:
    """The number of resamples; None: 2.5 times as many as the clearest difference needs, 2000 to 20,000.

    A corrected p value below 0.05 needs a share of the resamples below `expanded(0.025 / n_comparisons, n)`:
    for many groups one in 40 for each comparison, for few more. With six groups and ten comparisons not even
    20,000 would do: so few lesions cannot bear so many questions.

    Args:
        n_resamples: as asked for; None leaves the choice.
        n_comparisons: pairs in one metric.
        n_groups: n, of the class with the fewest.

    Raises:
        ConfigError: with so few not even the clearest of the differences could be shown.
    """
    if n_resamples is None:
        share = expanded(SIGNIFICANCE / 2 / max(1, n_comparisons), n_groups)
        return min(max(_FEWEST, math.ceil(2.5 / max(share, 1e-9))), _MOST)
    needed = int(2 * n_comparisons / SIGNIFICANCE)
    if n_comparisons and n_resamples < needed:
        raise ConfigError(
            f"with {n_comparisons} comparisons the number of resamples must be {needed} or more for a "
            f"difference to be shown, but is {n_resamples}."
        )
    return n_resamples
