"""How good a model is per class and overall, with and without logit adjustment, and where it looks.

A number that is not defined (no image of the class, no box, an unknown prior) is None.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from lesioncare.errors import ConfigError
from lesioncare.evaluation.predictions import Predictions
from lesioncare.imbalance.adjustment import adjust_logits

__all__ = ["ClassMetrics", "Confusion", "Localisation", "Metrics", "adjusted_logits", "decide", "evaluate"]

Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ClassMetrics:
    """One class against the rest; every number in [0, 1].

    Args:
        n: images of the class.
        recall: share of them that the argmax names; None if n = 0.
        precision: share of the images given this name that bear it; None if none was given it.
        f1: harmonic mean of both; None if the class neither occurs nor is predicted.
        auroc: area under the ROC curve of the class's probability; None if all or no images are of the class.
        average_precision: area under its precision-recall curve; None if n = 0.
        recall_adjusted: recall after logit adjustment by the training prior.
    """

    n: int
    recall: float | None
    precision: float | None
    f1: float | None
    auroc: float | None
    average_precision: float | None
    recall_adjusted: float | None


@dataclass(frozen=True)
class Localisation:
    """Where the model looks, as means over the images that have a box and a map with a positive part.

    Args:
        n: images with a box.
        n_undefined: those among them whose map has no positive part; they are in no mean.
        energy: share of the map's positive part in the box.
        pointing: share of the images whose peak lies in the box (a constant map has no peak and is left out).
        area_share: share of the image that the box covers: the energy of a uniform map.
        centre_energy: the energy of a map that always looks at the centre.
    """

    n: int
    n_undefined: int
    energy: float | None
    pointing: float | None
    area_share: float | None
    centre_energy: float | None


@dataclass(frozen=True)
class Metrics:
    """All numbers of one model on one set of images.

    Means over classes (macro, balanced, rare) run over those classes for which the number is defined.
    `adjusted` is after logit adjustment by the training prior; None if a class has no training images.

    Args:
        n: images with a known label; the others are left out everywhere.
        n_tied: images with two equally large logits, which count as errors.
        confusion: [C, C] counts, rows = truth, columns = prediction; tied images are in no column.
        localisation: of the "rare", the "common" and "all" classes' images.
        localisation_per_class: the same per class.
    """

    n: int
    n_tied: int
    accuracy: float | None
    balanced_accuracy: float | None
    balanced_accuracy_adjusted: float | None
    macro_f1: float | None
    macro_auroc: float | None
    macro_average_precision: float | None
    rare_recall: float | None
    rare_recall_adjusted: float | None
    rare_average_precision: float | None
    per_class: dict[str, ClassMetrics]
    confusion: Confusion
    confusion_adjusted: Confusion | None
    localisation: dict[str, Localisation]
    localisation_per_class: dict[str, Localisation]

    def to_dict(self) -> dict[str, Any]:
        """The same numbers as json values; undefined ones are None."""
        return asdict(self)


def evaluate(predictions: Predictions, rare: Sequence[str], prior: Mapping[str, float]) -> Metrics:
    """Compute every number of the labelled images.

    Balanced accuracy is the rule of ISIC 2018 Task 3: the mean recall over the classes that occur in the
    truth; a class that does not occur is left out, and a tie of the largest logits counts as an error.
    AUROC and average precision are one class against the rest, by probability.

    Args:
        predictions: images whose target is -1 are left out.
        rare: names of the rare classes.
        prior: class -> what the logits carry of the training counts (`RunResult.prior`); in any unit.

    Raises:
        ConfigError: a rare class is not among the classes.
    """
    unknown = sorted(set(rare) - set(predictions.classes))
    if unknown:
        raise ConfigError(f"the rare classes {unknown} are not among the classes {predictions.classes}.")
    known = predictions.labelled
    decided = decide(known.logits)
    adjusted = adjusted_logits(known, prior)
    decided_adjusted = None if adjusted is None else decide(adjusted)
    per_class = _per_class(known, decided, decided_adjusted)
    present = [metrics for metrics in per_class.values() if metrics.n]
    of_rare = [per_class[name] for name in dict.fromkeys(rare)]
    return Metrics(
        n=len(known),
        n_tied=int((decided < 0).sum()),
        accuracy=_mean(decided == known.target),
        balanced_accuracy=_mean(metrics.recall for metrics in present),
        balanced_accuracy_adjusted=_mean(metrics.recall_adjusted for metrics in present),
        macro_f1=_mean(metrics.f1 for metrics in present),
        macro_auroc=_mean(metrics.auroc for metrics in present),
        macro_average_precision=_mean(metrics.average_precision for metrics in present),
        rare_recall=_mean(metrics.recall for metrics in of_rare),
        rare_recall_adjusted=_mean(metrics.recall_adjusted for metrics in of_rare),
        rare_average_precision=_mean(metrics.average_precision for metrics in of_rare),
        per_class=per_class,
        confusion=_confusion(known, decided),
        confusion_adjusted=None if decided_adjusted is None else _confusion(known, decided_adjusted),
        localisation=_localisation_by_rarity(known, rare),
        localisation_per_class={
            name: _localisation(known, known.target == index) for index, name in enumerate(known.classes)
        },
    )


def decide(logits: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the largest logit, [N]; -1 where several are equally large."""
    tied = (logits == logits.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(tied, -1, logits.argmax(axis=1)).astype(np.int64)


def adjusted_logits(predictions: Predictions, prior: Mapping[str, float]) -> NDArray[np.float64] | None:
    """Logits adjusted by the prior, [N, C]; None if a class has no training images."""
    counts = np.array([prior.get(name, 0) for name in predictions.classes], dtype=np.float64)
    return adjust_logits(predictions.logits, counts) if (counts > 0).all() else None


def _per_class(
    known: Predictions, decided: NDArray[np.int64], decided_adjusted: NDArray[np.int64] | None
) -> dict[str, ClassMetrics]:
    precision, recall, f1, n = _scores(known, decided)
    adjusted = np.full(len(n), np.nan) if decided_adjusted is None else _scores(known, decided_adjusted)[1]
    probabilities = known.probabilities
    result = {}
    for index, name in enumerate(known.classes):
        truth, scores = known.target == index, probabilities[:, index]
        result[name] = ClassMetrics(
            n=int(n[index]),
            recall=_defined(recall[index]),
            precision=_defined(precision[index]),
            f1=_defined(f1[index]),
            auroc=_ranking(roc_auc_score, truth, scores, defined=0 < n[index] < len(known)),
            average_precision=_ranking(average_precision_score, truth, scores, defined=n[index] > 0),
            recall_adjusted=_defined(adjusted[index]),
        )
    return result


def _scores(known: Predictions, decided: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall, F1 and number of images of each class, [C] each; NaN where undefined."""
    labels = np.arange(len(known.classes))
    if not len(known):
        return (*np.full((3, len(labels)), np.nan), np.zeros(len(labels)))
    scores: tuple[NDArray[np.float64], ...] = precision_recall_fscore_support(
        known.target, decided, labels=labels, zero_division=np.nan
    )
    return scores


def _ranking(
    score: Callable[..., float], truth: NDArray[np.bool_], probability: NDArray[np.float64], *, defined: bool
) -> float | None:
    return float(score(truth, probability)) if defined else None


def _confusion(known: Predictions, decided: NDArray[np.int64]) -> Confusion:
    kept = decided >= 0
    labels = np.arange(len(known.classes))
    if not kept.any():
        return tuple((0,) * len(labels) for _ in labels)
    counts = confusion_matrix(known.target[kept], decided[kept], labels=labels)
    return tuple(tuple(row) for row in counts.tolist())


def _localisation_by_rarity(known: Predictions, rare: Sequence[str]) -> dict[str, Localisation]:
    is_rare = np.isin(known.target, [known.classes.index(name) for name in rare])
    rows = {"rare": is_rare, "common": ~is_rare, "all": np.ones_like(is_rare)}
    return {name: _localisation(known, chosen) for name, chosen in rows.items()}


def _localisation(known: Predictions, rows: NDArray[np.bool_]) -> Localisation:
    boxed = rows & ~np.isnan(known.area_share)
    seen = boxed & ~np.isnan(known.energy)
    return Localisation(
        n=int(boxed.sum()),
        n_undefined=int((boxed & ~seen).sum()),
        energy=_mean(known.energy[seen]),
        pointing=_mean(known.pointing[seen]),
        area_share=_mean(known.area_share[seen]),
        centre_energy=_mean(known.centre_energy[seen]),
    )


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of the defined values; None if there is none."""
    defined = [float(value) for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(defined)) if defined else None
