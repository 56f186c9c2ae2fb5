"""Two models on one set of images, or one alone, with 95 % intervals from the paired group bootstrap."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lesioncare.errors import RunError
from lesioncare.evaluation.intervals import MIN_GROUPS, Difference, Interval
from lesioncare.evaluation.metrics import adjusted_logits
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.ratios import metric_ratios, resample
from lesioncare.evaluation.resampling import Draws, draw_groups, percentile_interval, share_interval

__all__ = [
    "MIN_GROUPS",
    "Difference",
    "Interval",
    "compare",
    "drawn_differences",
    "drawn_intervals",
    "interval",
    "judged_alike",
    "what_differs",
]


def compare(
    a: Predictions,
    b: Predictions,
    rare: Sequence[str],
    prior: Mapping[str, float],
    *,
    prior_b: Mapping[str, float] | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """How b differs from a, metric by metric, with paired 95 % intervals.

    Metrics: balanced_accuracy, rare_recall, recall:CLASS, all three also with `_adjusted`, energy:rare,
    energy:common. One that is not defined (a class without images, no boxes, no prior) is left out. Energy is
    compared on the images where both arms have one, of the same boxes. A group belongs to the class of its
    first image.

    Args:
        a: the arm to compare with.
        b: the arm in question, on the same images in the same order.
        rare: names of the rare classes.
        prior: class -> what the logits of both carry of the training counts (`RunResult.prior`).
        prior_b: of b alone, where its training has left another.
        n_resamples: draws.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        RunError: the arms do not have the same images, groups, labels and classes in the same order.
        ConfigError: n_resamples is below 1 or a rare class is not among the classes.
    """
    differing = what_differs(a, b)
    if differing:
        raise RunError(f"the arms cannot be compared: {differing}. Use one split.")
    a, b = a.labelled, b.labelled
    draws = draw_groups(a.group, a.target, n_resamples, seed)
    return drawn_differences((a, b), rare, (prior, prior if prior_b is None else prior_b), draws)


def drawn_differences(
    pair: tuple[Predictions, Predictions],
    rare: Sequence[str],
    priors: tuple[Mapping[str, float], Mapping[str, float]],
    draws: Draws,
) -> dict[str, Difference]:
    """The same with draws that several comparisons share, for drawing takes most of the time.

    Args:
        pair: two models on the same labelled images.
        rare: names of the rare classes.
        priors: of each model.
        draws: of these images.
    """
    both = ~(np.isnan(pair[0].energy) | np.isnan(pair[1].energy)) & judged_alike(*pair)
    masked = (replace(arm, energy=np.where(both, arm.energy, np.nan)) for arm in pair)
    arms = [
        metric_ratios(arm, adjusted_logits(arm, own), rare) for arm, own in zip(masked, priors, strict=True)
    ]
    of_a, of_b = (resample(ratios, draws) for ratios in arms)
    result = {}
    for name, ratio in arms[0].items():
        n, n_groups = ratio.support(pair[0].group)
        bounds = percentile_interval(of_b[name] - of_a[name], n_groups)
        if bounds is not None:
            value_a, value_b = ratio.value(), arms[1][name].value()
            result[name] = Difference(name, value_a, value_b, value_b - value_a, *bounds, n, n_groups)
    return result


def judged_alike(a: Predictions, b: Predictions) -> NDArray[np.bool_]:
    """For each image [N] whether both have the same boxes: else their energies are of other places."""
    return np.array([np.array_equal(one, other) for one, other in zip(a.boxes, b.boxes, strict=True)], bool)


def interval(
    predictions: Predictions,
    rare: Sequence[str],
    prior: Mapping[str, float],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Interval]:
    """The same metrics as `compare` for one model, each with its 95 % interval.

    Raises:
        ConfigError: n_resamples is below 1 or a rare class is not among the classes.
    """
    known = predictions.labelled
    return drawn_intervals(known, rare, prior, draw_groups(known.group, known.target, n_resamples, seed))


def drawn_intervals(
    known: Predictions, rare: Sequence[str], prior: Mapping[str, float], draws: Draws
) -> dict[str, Interval]:
    """The same for labelled images, with draws that are given."""
    ratios = metric_ratios(known, adjusted_logits(known, prior), rare)
    resampled = resample(ratios, draws)
    result = {}
    for name, ratio in ratios.items():
        n, n_groups = ratio.support(known.group)
        bounds = share_interval(resampled[name], n_groups)
        if bounds is not None:
            result[name] = Interval(name, ratio.value(), *bounds, n, n_groups)
    return result


def what_differs(a: Predictions, b: Predictions) -> str | None:
    """Why two models cannot be compared image by image, in words; None if they can.

    They can if they have the same classes and the same images with the same groups and labels, in one order.
    """
    if a.classes != b.classes:
        return f"their classes are {a.classes} and {b.classes}"
    if len(a) != len(b):
        return f"{len(a)} and {len(b)} images"
    for name in ("image", "group", "target"):
        differing = np.flatnonzero(getattr(a, name) != getattr(b, name))
        if len(differing):
            row = differing[0]
            return f"in row {row + 1} the {name} is {getattr(a, name)[row]!s} and {getattr(b, name)[row]!s}"
    return None
