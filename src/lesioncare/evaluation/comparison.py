"""Several arms over folds and seeds: each arm's numbers, each pair's differences, with what they are worth.

The folds of a seed are pooled: each image counts once, with the model that has not seen it. A metric is
computed for each seed and averaged over the seeds. The intervals say how the numbers of *these* models would
vary with other lesions or patients; the spreads over folds and seeds, kept apart from them, say how they vary
with the training.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np

from lesioncare.evaluation.arms import ArmPredictions, Pooled, check_arms
from lesioncare.evaluation.comparison_result import ArmComparison, ArmInterval, PairDifference, Spread
from lesioncare.evaluation.correction import bootstrap_p, enough_resamples, holm
from lesioncare.evaluation.intervals import MIN_GROUPS
from lesioncare.evaluation.ranking import RankingSums
from lesioncare.evaluation.ratios import Ratio, RatioSums, energy_ratios, mean_defined, metric_ratios
from lesioncare.evaluation.resampling import Draws, Floats, draw_groups, percentile_interval, share_interval

__all__ = ["compare_arms"]

_Pair = tuple[str, str]
_Support = tuple[int, int]
_Key = TypeVar("_Key", bound=Hashable)
_Run = tuple[Mapping[_Key, Floats], Mapping[_Key, Floats]]


def compare_arms(
    arms: Sequence[ArmPredictions], rare: Sequence[str], *, n_resamples: int | None = None, seed: int = 0
) -> ArmComparison:
    """Every arm alone and every pair of arms, metric by metric.

    Metrics: those of `compare`, and rare_average_precision and macro_auroc. One that is not defined for an
    arm in every seed is left out for it. Energy is compared on the images where both arms of a pair have one.
    All arms, seeds and metrics see the same draws. The p values of one metric are corrected for all pairs.

    Args:
        arms: with the same folds, seeds and images.
        rare: names of the rare classes.
        n_resamples: draws; None: as many as that many pairs need, see `enough_resamples`.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        RunError: the arms do not have the same folds, seeds, images, groups, labels and classes.
        ConfigError: there are too few resamples for that many pairs, or a rare class is none of the classes.
    """
    check_arms(arms)
    pairs = list(combinations([arm.name for arm in arms], 2))
    pooled = {arm.name: [arm.pooled(one) for one in arm.seeds] for arm in arms}
    first = pooled[arms[0].name][0]
    n_resamples = enough_resamples(n_resamples, len(pairs), _fewest_groups(first))
    sampling = _Sampling.of(first, n_resamples, seed)
    alone = {name: _estimate_arm(seeds, rare, sampling) for name, seeds in pooled.items()}
    together = _estimate_energies(pooled, pairs, rare, sampling)
    both = {pair: tuple(alone[name] | together[pair, name] for name in pair) for pair in pairs}
    return ArmComparison(
        folds=arms[0].folds,
        seeds=arms[0].seeds,
        n_resamples=n_resamples,
        singles={name: _intervals(estimates) for name, estimates in alone.items()},
        pairs=_differences(both),
    )


def _fewest_groups(pooled: Pooled) -> int:
    """Groups of the class that has the fewest."""
    known = pooled.predictions
    return min(
        (len(np.unique(known.group[known.target == code])) for code in np.unique(known.target)), default=0
    )


@dataclass(frozen=True, eq=False)
class _Sampling:
    """The resamples, and the weights under which a metric is that of all folds (first) and of each alone."""

    draws: Draws
    points: Floats  # [G, 1 + F]

    @classmethod
    def of(cls, pooled: Pooled, n_resamples: int, seed: int) -> "_Sampling":
        known = pooled.predictions
        draws = draw_groups(known.group, known.target, n_resamples, seed)
        fold_of_group = np.zeros(draws.n_groups, dtype=np.int64)
        fold_of_group[draws.membership] = pooled.fold
        n_folds = int(pooled.fold.max(initial=0)) + 1
        alone = fold_of_group[:, None] == np.arange(n_folds)
        return cls(draws, np.hstack([np.ones((draws.n_groups, 1)), alone]))

    def run(self, values: Callable[[Floats], Mapping[_Key, Floats]]) -> _Run[_Key]:
        """Metric -> value [1 + F] of all folds and of each, and metric -> value [B] in each resample."""
        blocks = [values(weights) for weights in self.draws.blocks()]
        return values(self.points), {
            name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]
        }


@dataclass(frozen=True, eq=False)
class _Estimate:
    """A metric: by_seed [S] on all folds, by_fold [F] averaged over seeds, resampled [B] likewise."""

    by_seed: Floats
    by_fold: Floats
    resampled: Floats
    n: int
    n_groups: int

    @property
    def value(self) -> float:
        return float(self.by_seed.mean())

    @property
    def spread(self) -> Spread:
        return Spread.of(self.by_fold, self.by_seed)

    def minus(self, other: "_Estimate") -> "_Estimate":
        return replace(
            self,
            by_seed=self.by_seed - other.by_seed,
            by_fold=self.by_fold - other.by_fold,
            resampled=self.resampled - other.resampled,
        )


def _estimate_arm(seeds: Sequence[Pooled], rare: Sequence[str], sampling: _Sampling) -> dict[str, _Estimate]:
    found, supports = [], []
    for pooled in seeds:
        known = pooled.predictions
        ratios = metric_ratios(known, pooled.adjusted, rare)
        sums, ranking = RatioSums(ratios, sampling.draws), RankingSums(known, rare, sampling.draws)
        found.append(sampling.run(_together(sums, ranking)))
        supports.append(
            {name: ratio.support(known.group) for name, ratio in ratios.items()} | ranking.support
        )
    return _over_seeds(found, supports)


def _together(sums: RatioSums[str], ranking: RankingSums) -> Callable[[Floats], dict[str, Floats]]:
    return lambda weights: sums(weights) | ranking(weights)


def _over_seeds(
    found: Sequence[_Run[_Key]], supports: Sequence[Mapping[_Key, _Support]]
) -> dict[_Key, _Estimate]:
    """The metrics that every seed has; their support is the smallest of the seeds'."""
    estimates = {}
    for name in found[0][0]:
        if not all(name in values for values, _ in found):
            continue
        points = np.stack([values[name] for values, _ in found])  # [S, 1 + F]
        resampled = np.stack([values[name] for _, values in found]).mean(axis=0)
        n, n_groups = (min(support[name][i] for support in supports) for i in (0, 1))
        estimates[name] = _Estimate(points[:, 0], mean_defined(points[:, 1:]), resampled, n, n_groups)
    return estimates


def _estimate_energies(
    pooled: Mapping[str, Sequence[Pooled]], pairs: Sequence[_Pair], rare: Sequence[str], sampling: _Sampling
) -> dict[tuple[_Pair, str], dict[str, _Estimate]]:
    """For each pair and arm of it, the energies on the images where both arms have one."""
    found, supports = [], []
    for place in range(len(next(iter(pooled.values())))):
        known = {name: seeds[place].predictions for name, seeds in pooled.items()}
        ratios: dict[tuple[_Pair, str, str], Ratio] = {}
        for pair in pairs:
            missing = np.isnan([known[name].energy for name in pair]).any(axis=0)
            for name in pair:
                arm = replace(known[name], energy=np.where(missing, np.nan, known[name].energy))
                ratios |= {(pair, name, key): ratio for key, ratio in energy_ratios(arm, rare).items()}
        found.append(sampling.run(RatioSums(ratios, sampling.draws)))
        group = next(iter(known.values())).group
        supports.append({key: ratio.support(group) for key, ratio in ratios.items()})
    estimates = _over_seeds(found, supports)
    return {
        (pair, name): {
            key: estimates[pair, name, key]
            for key in ("energy:rare", "energy:common")
            if (pair, name, key) in estimates
        }
        for pair in pairs
        for name in pair
    }


def _intervals(estimates: Mapping[str, _Estimate]) -> dict[str, ArmInterval]:
    result = {}
    for metric, one in estimates.items():
        bounds = share_interval(one.resampled, one.n_groups)
        if bounds is not None:
            result[metric] = ArmInterval(metric, one.value, *bounds, one.n, one.n_groups, one.spread)
    return result


def _differences(
    both: Mapping[_Pair, tuple[Mapping[str, _Estimate], ...]],
) -> dict[_Pair, dict[str, PairDifference]]:
    """Each pair's differences in the metrics that both arms have."""
    result: dict[_Pair, dict[str, PairDifference]] = {}
    for pair, (a, b) in both.items():
        result[pair] = {}
        for metric in [name for name in a if name in b]:
            change = b[metric].minus(a[metric])
            drawn = change.resampled[~np.isnan(change.resampled)]
            bounds = percentile_interval(change.resampled, change.n_groups)
            if bounds is None:
                continue
            tested = change.n_groups >= MIN_GROUPS
            result[pair][metric] = PairDifference(
                metric,
                a[metric].value,
                b[metric].value,
                b[metric].value - a[metric].value,
                *bounds,
                change.n,
                change.n_groups,
                p=bootstrap_p(drawn, change.n_groups) if tested else None,
                p_corrected=None,
                n_comparisons=0,
                spread=change.spread,
            )
    return _corrected(result)


def _corrected(pairs: Mapping[_Pair, Mapping[str, PairDifference]]) -> dict[_Pair, dict[str, PairDifference]]:
    """The p values of each metric corrected for all pairs that were tested in it."""
    tested: dict[str, list[_Pair]] = {}
    for pair, found in pairs.items():
        for metric, one in found.items():
            tested.setdefault(metric, []).extend([pair] if one.p is not None else [])
    corrected = {
        (pair, metric): p
        for metric, family in tested.items()
        for pair, p in zip(family, holm([pairs[pair][metric].p or 0.0 for pair in family]), strict=True)
    }
    return {
        pair: {
            metric: replace(one, p_corrected=corrected.get((pair, metric)), n_comparisons=len(tested[metric]))
            for metric, one in found.items()
        }
        for pair, found in pairs.items()
    }
