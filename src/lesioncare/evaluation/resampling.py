"""How often each group is drawn in each resample, and what follows from the resampled values.

Images of one lesion or patient resemble each other, so groups are drawn, not images; each class keeps its
number of groups, so that a rare class never vanishes; and all models see the same draws, so that what is hard
about an image cancels in a difference.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from lesioncare.errors import ConfigError
from lesioncare.evaluation.intervals import MIN_GROUPS

__all__ = [
    "Draws",
    "Floats",
    "draw_groups",
    "expanded",
    "percentile_interval",
    "share_interval",
    "unexpanded",
]

Floats = NDArray[np.float64]

_BLOCK = 500_000  # weights held in memory at a time; more would be slower, for the cache


@dataclass(frozen=True, eq=False)
class Draws:
    """The resamples of one set of N images in G groups.

    Args:
        membership: [N], index of each image's group.
        counts: [G, B], how often each group is drawn in each of B resamples.
    """

    membership: NDArray[np.int64]
    counts: NDArray[np.uint16]

    @property
    def n_groups(self) -> int:
        """G."""
        return len(self.counts)

    def blocks(self) -> Iterator[Floats]:
        """The counts as weights [G, b], some resamples at a time, so that large sets fit into memory."""
        step = max(1, _BLOCK // max(1, len(self.counts)))
        for start in range(0, self.counts.shape[1], step):
            yield self.counts[:, start : start + step].astype(np.float64)


def draw_groups(group: NDArray[np.str_], target: NDArray[np.int64], n_resamples: int, seed: int) -> Draws:
    """Draw as many groups as there are, with replacement, within each class.

    Args:
        group: [N], name of each image's group; a group belongs to the class of its first image.
        target: [N], class of each image.
        n_resamples: B.
        seed: of the draws; the same seed gives the same draws.

    Raises:
        ConfigError: n_resamples is below 1.
    """
    if n_resamples < 1:
        raise ConfigError(f"the number of resamples must be 1 or more, but is {n_resamples}.")
    names, first, membership = np.unique(group, return_index=True, return_inverse=True)
    stratum = target[first]
    rng = np.random.default_rng(seed)
    counts = np.zeros((len(names), n_resamples), dtype=np.uint16)
    for label in np.unique(stratum):
        of_class = np.flatnonzero(stratum == label)
        n = len(of_class)
        step = max(1, _BLOCK // n)
        for start in range(0, n_resamples, step):
            size = min(step, n_resamples - start)
            counts[of_class, start : start + size] = rng.multinomial(n, np.full(n, 1 / n), size=size).T
    return Draws(membership, counts)


def percentile_interval(values: Floats, n_groups: int) -> tuple[float, float] | None:
    """The 95 % interval of the resampled values [B], expanded for few groups; None if no value is defined.

    Resamples of n groups vary too little, by sqrt((n - 1) / n), and have no heavier tails for a small n. So
    the ends are the percentiles at q and 1 - q with q = `expanded(0.025, n)`: 2.4 % for 200 groups, 2.0 % for
    40, 0.9 % for 10.

    Args:
        values: NaN where a resample is undefined.
        n_groups: n, of the class with the fewest; below `MIN_GROUPS` nothing is expanded.
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    level = expanded(0.025, n_groups)
    low, high = np.percentile(defined, [100 * level, 100 * (1 - level)])
    return float(low), float(high)


def share_interval(values: Floats, n_groups: int) -> tuple[float, float] | None:
    """The same for a number in [0, 1] that is a mean over groups, where no resample may differ.

    Seven lesions of seven found give 1 in every resample, and seven of seven missed 0: the resamples do not
    vary, though the next lesion may. There the open end is that of the exact interval of n out of n,
    `0.025^(1/n)` or 1 less it: 59 % for 7 groups, 91 % for 40. It holds for any mean of numbers in [0, 1].

    Source: Clopper and Pearson, The use of confidence or fiducial limits, Biometrika 26, 1934.

    Example:
        >>> low, high = share_interval(np.ones(2000), 7)
        >>> round(low, 2), high
        (0.59, 1.0)
    """
    bounds = percentile_interval(values, n_groups)
    if bounds is None or n_groups < 1:
        return bounds
    end = float(0.025 ** (1 / n_groups))
    if np.nanmin(values) == 1:
        return end, 1.0
    return (0.0, 1 - end) if np.nanmax(values) == 0 else bounds


def expanded(level: float, n_groups: int) -> float:
    """The share of the resamples of n groups to cut off at one end, so that `level` is cut off in truth.

    `q = Phi(-sqrt(n / (n - 1)) t)`, with t the quantile of Student's distribution with n - 1 degrees of
    freedom beyond which `level` lies. Below `MIN_GROUPS` nothing is expanded.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015
    (expanded percentile interval).

    Example:
        >>> round(expanded(0.025, 10), 3)
        0.009
    """
    if n_groups < MIN_GROUPS:
        return level
    return float(ndtr(np.sqrt(n_groups / (n_groups - 1)) * stdtrit(n_groups - 1, level)))


def unexpanded(share: float, n_groups: int) -> float:
    """Undo `expanded`: the level that a share of the resamples beyond a value stands for."""
    if n_groups < MIN_GROUPS:
        return share
    return float(stdtr(n_groups - 1, ndtri(share) / np.sqrt(n_groups / (n_groups - 1))))
