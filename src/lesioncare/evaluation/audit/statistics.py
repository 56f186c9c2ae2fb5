"""The numbers of an audit: each version beside the original, with paired 95 % intervals over groups.

"Share of the images" here is a mean over the classes that occur, as balanced accuracy is: every class counts
the same, however many images it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesioncare.data.editing import HIDDEN, LESION, ORIGINAL, SWAPPED
from lesioncare.evaluation.audit.answers import RunAudit
from lesioncare.evaluation.bootstrap import drawn_differences, drawn_intervals
from lesioncare.evaluation.correction import SIGNIFICANCE, bootstrap_p, enough_resamples, holm
from lesioncare.evaluation.intervals import MIN_GROUPS, Difference, Interval
from lesioncare.evaluation.metrics import decide
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.ratios import Ratio, resample
from lesioncare.evaluation.resampling import Draws, Floats, draw_groups, percentile_interval, share_interval

__all__ = ["AuditStatistics", "Move", "compare_runs", "curve_areas", "effective_groups", "measure"]

_RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Move:
    """How much more often a class is named once an artefact is pasted.

    Args:
        artefact: its name.
        answer: the class that is named.
        difference: share of the images that are called so, original -> pasted.
        p_corrected: by Holm's method for all artefacts and classes of the audit.
        n_comparisons: how many those are.
    """

    artefact: str
    answer: str
    difference: Difference
    p_corrected: float
    n_comparisons: int

    @property
    def shown(self) -> bool:
        """Whether it may be claimed: the smallest class has groups enough, and the corrected p is < 0.05."""
        return self.difference.n_groups >= MIN_GROUPS and self.p_corrected < SIGNIFICANCE

    def to_dict(self) -> dict[str, Any]:
        """The fields as json values; `shown` is after correction."""
        return self.difference.to_dict() | {
            "artefact": self.artefact,
            "answer": self.answer,
            "p_corrected": self.p_corrected,
            "n_comparisons": self.n_comparisons,
            "shown": self.shown,
        }


@dataclass(frozen=True)
class AuditStatistics:
    """One run's numbers.

    Args:
        chance: balanced accuracy of an answer that does not depend on the image: 1 / the classes that occur.
        levels: version -> metric -> its value; metrics as for `compare`.
        effects: version other than the original -> metric -> original -> version.
        background: how often the swapped image is called by the background's class, beside how often the
            original was called so already.
        changed: version other than the original -> share of the images whose answer is another one.
        moves: of all pasted artefacts and all classes; the largest first.
        deletion: mean area under the deletion curve; None without maps.
        insertion: the same of the insertion curve.
    """

    chance: float
    levels: Mapping[str, Mapping[str, Interval]]
    effects: Mapping[str, Mapping[str, Difference]]
    background: Difference | None
    changed: Mapping[str, Interval]
    moves: tuple[Move, ...]
    deletion: Interval | None
    insertion: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """All numbers as json values."""
        return {
            "chance": self.chance,
            "levels": _nested(self.levels),
            "effects": _nested(self.effects),
            "background": None if self.background is None else self.background.to_dict(),
            "changed": {version: one.to_dict() for version, one in self.changed.items()},
            "moves": [move.to_dict() for move in self.moves],
            "deletion": None if self.deletion is None else self.deletion.to_dict(),
            "insertion": None if self.insertion is None else self.insertion.to_dict(),
        }


def _nested(found: Mapping[str, Mapping[str, Interval | Difference]]) -> dict[str, Any]:
    return {
        version: {name: one.to_dict() for name, one in metrics.items()} for version, metrics in found.items()
    }


def measure(run: RunAudit, rare: Sequence[str], partners: NDArray[np.int64]) -> AuditStatistics:
    """Compute all numbers of one run.

    Args:
        run: its answers.
        rare: names of the rare classes.
        partners: [N], whose background the swapped version of each image has.
    """
    original = run.answers[ORIGINAL]
    changed = [name for name in run.answers if name != ORIGINAL]
    draws = draw_groups(original.group, original.target, _RESAMPLES, _SEED)
    return AuditStatistics(
        chance=1 / len(np.unique(original.target)),
        levels={name: drawn_intervals(one, rare, run.prior, draws) for name, one in run.answers.items()},
        effects={
            name: drawn_differences((original, run.answers[name]), rare, (run.prior, run.prior), draws)
            for name in changed
        },
        background=_background(run, partners, draws),
        changed={name: _changed(run, name, draws) for name in changed},
        moves=_moves(run, _SEED),
        deletion=_curve_level("deletion", run.deletion, original, draws),
        insertion=_curve_level("insertion", run.insertion, original, draws),
    )


def compare_runs(first: RunAudit, other: RunAudit, rare: Sequence[str]) -> dict[str, dict[str, Difference]]:
    """How a run differs from the first on each version: version -> metric -> first -> other.

    The areas under the curves are at "deletion" and "insertion", where both runs have them.
    """
    original = first.answers[ORIGINAL]
    draws = draw_groups(original.group, original.target, _RESAMPLES, _SEED)
    priors = (first.prior, other.prior)
    found = {
        name: drawn_differences((one, other.answers[name]), rare, priors, draws)
        for name, one in first.answers.items()
    }
    for name in ("deletion", "insertion"):
        curves = [getattr(run, name) for run in (first, other)]
        if all(one is not None for one in curves):
            a, b = (_both_defined(one, curves) for one in curves)
            difference = _paired(
                name, _over_classes(a, original), _over_classes(b, original), original, draws
            )
            found[name] = {} if difference is None else {name: difference}
    return found


def curve_areas(curves: Floats) -> Floats:
    """Area under each curve [N, S + 1] over the share of the pixels, 0 to 1, by trapezoids; [N]."""
    return np.asarray((curves[:, 1:] + curves[:, :-1]).mean(axis=1) / 2)


def _background(run: RunAudit, partners: NDArray[np.int64], draws: Draws) -> Difference | None:
    original, swapped = run.answers[ORIGINAL], run.answers[SWAPPED]
    behind = original.target[partners]
    before, after = (_over_classes(decide(one.logits) == behind, original) for one in (original, swapped))
    return _paired("background_class", before, after, original, draws)


def _changed(run: RunAudit, version: str, draws: Draws) -> Interval:
    original = run.answers[ORIGINAL]
    differs = decide(run.answers[version].logits) != decide(original.logits)
    found = _level("changed", _over_classes(differs, original), original, draws)
    assert found is not None  # noqa: S101  each class that occurs has images in every resample
    return found


def _moves(run: RunAudit, seed: int) -> tuple[Move, ...]:
    original = run.answers[ORIGINAL]
    artefacts = [name for name in run.answers if name not in (ORIGINAL, HIDDEN, LESION, SWAPPED)]
    ratios = {
        (version, index): _over_classes(decide(run.answers[version].logits) == index, original)
        for version in (ORIGINAL, *artefacts)
        for index in range(len(original.classes))
    }
    pairs = [(artefact, index) for artefact in artefacts for index in range(len(original.classes))]
    n, n_groups = ratios[ORIGINAL, 0].support(original.group)
    # A corrected p value needs more draws, the more comparisons there are.
    n_resamples = enough_resamples(None, len(pairs), n_groups)
    values = resample(ratios, draw_groups(original.group, original.target, n_resamples, seed))
    gains = [values[pair] - values[ORIGINAL, pair[1]] for pair in pairs]
    groups = [effective_groups(run, *pair) for pair in pairs]
    corrected = holm([bootstrap_p(gain, each) for gain, each in zip(gains, groups, strict=True)])
    moves = []
    for pair, gain, each, p in zip(pairs, gains, groups, corrected, strict=True):
        name = original.classes[pair[1]]
        a, b = ratios[ORIGINAL, pair[1]].value(), ratios[pair].value()
        low, high = percentile_interval(gain, each) or (a, b)
        difference = Difference(f"answer:{name}", a, b, b - a, low, high, n, n_groups)
        moves.append(Move(pair[0], name, difference, p, len(pairs)))
    return tuple(sorted(moves, key=lambda move: -move.difference.difference))


def effective_groups(run: RunAudit, artefact: str, answer: int) -> int:
    """How many groups of one class would be worth as much as those of all classes, for one move.

    `(sum_c v_c)^2 / sum_c (v_c^2 / (n_c - 1)) + 1` with n_c the groups of class c, and v_c the variance of
    its images' changes over n_c: between the groups of the smallest class and those of all. The smallest
    class alone would be far too careful here, where many comparisons are corrected for.

    Source: Satterthwaite, An approximate distribution of estimates of variance components, Biometrics 2,
    1946.
    """
    original = run.answers[ORIGINAL]
    before, after = (decide(run.answers[name].logits) == answer for name in (ORIGINAL, artefact))
    change = after.astype(np.float64) - before
    rows = [original.target == label for label in np.unique(original.target)]
    n = np.array([len(np.unique(original.group[of_class])) for of_class in rows])
    v = np.array([change[of_class].var() for of_class in rows]) / n
    if n.min() < MIN_GROUPS or not v.any():
        return int(n.min())
    return int(v.sum() ** 2 / (v**2 / (n - 1)).sum() + 1e-9) + 1


def _over_classes(values: NDArray[np.generic], images: Predictions) -> Ratio:
    """Mean over the classes that occur of the mean value [N] of their images; NaN is left out."""
    member = images.target[:, None] == np.unique(images.target)
    values = np.asarray(values, dtype=np.float64)
    defined = (member & ~np.isnan(values)[:, None]).astype(np.float64)
    used = defined.any(axis=0)
    return Ratio((defined * np.nan_to_num(values)[:, None])[:, used], defined[:, used])


def _curve_level(name: str, curves: Floats | None, images: Predictions, draws: Draws) -> Interval | None:
    if curves is None:
        return None
    return _level(name, _over_classes(curve_areas(curves), images), images, draws)


def _both_defined(curves: Floats, pair: Sequence[Floats]) -> Floats:
    """The areas [N] of one run's curves; NaN where either run has no map."""
    undefined = np.isnan(np.stack([curve_areas(one) for one in pair])).any(axis=0)
    return np.where(undefined, np.nan, curve_areas(curves))


def _level(name: str, ratio: Ratio, images: Predictions, draws: Draws) -> Interval | None:
    if not ratio.denominator.any():
        return None
    n, n_groups = ratio.support(images.group)
    bounds = share_interval(resample({name: ratio}, draws)[name], n_groups)
    return None if bounds is None else Interval(name, ratio.value(), *bounds, n, n_groups)


def _paired(name: str, a: Ratio, b: Ratio, images: Predictions, draws: Draws) -> Difference | None:
    if not a.denominator.any():
        return None
    n, n_groups = a.support(images.group)
    values = resample({"a": a, "b": b}, draws)
    bounds = percentile_interval(values["b"] - values["a"], n_groups)
    if bounds is None:
        return None
    return Difference(name, a.value(), b.value(), b.value() - a.value(), *bounds, n, n_groups)
