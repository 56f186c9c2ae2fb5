"""Whether a model's probabilities can be believed, before and after temperature scaling."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from lesioncare.errors import RunError
from lesioncare.evaluation.arms import ArmPredictions
from lesioncare.evaluation.metrics import decide
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.resampling import Floats

__all__ = ["N_BINS", "Calibration", "Reliability", "ReliabilityBin", "arm_calibration", "calibration"]

N_BINS = 15
"""Bins of equal width, as in Guo et al. 2017."""

_TEMPERATURES = (0.01, 100.0)  # a model that is always right on the validation part has no best temperature


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose largest probability lies in [low, high); the last bin includes 1.

    Args:
        low: lower edge.
        high: upper edge.
        count: images in the bin.
        confidence: mean of their largest probability; None without images.
        accuracy: share of them that are named right, a tie counting as an error; None without images.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """How well probabilities fit what happened; the labelled images only.

    Args:
        n: images; of several seeds, those of all of them.
        nll: negative log likelihood, the mean of -log p(true class); None if n = 0.
        ece: expected calibration error of the largest probability, `sum_b n_b / n |accuracy_b -
            confidence_b|` (Guo et al. 2017, equation 3); None if n = 0.
        bins: the reliability curve, from low to high confidence.
    """

    n: int
    nll: float | None
    ece: float | None
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Calibration:
    """A model's reliability as it is, and with the logits divided by a temperature.

    Args:
        raw: of the logits as they are.
        scaled: of logits / temperature; None without validation predictions.
        temperatures: those fitted, one for each model; above 1 a model was too sure of itself.
    """

    raw: Reliability
    scaled: Reliability | None
    temperatures: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same numbers as json values; undefined ones are None."""
        return asdict(self)


def calibration(
    predictions: Predictions, validation: Predictions | None = None, *, n_bins: int = N_BINS
) -> Calibration:
    """Reliability on the test part, raw and with a temperature fitted on the validation part.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Args:
        predictions: the test part.
        validation: the same model's predictions of images that it is not tested on; None for the raw
            reliability alone.
        n_bins: bins of equal width between 0 and 1.

    Raises:
        RunError: the validation part has other classes, no labelled image, or an image of the test part.
    """
    return _calibration([predictions], None if validation is None else [validation], n_bins)


def arm_calibration(arm: ArmPredictions, *, n_bins: int = N_BINS) -> Calibration:
    """The same for all models of an arm together; each one's temperature comes from its own validation part.

    Scaled numbers are given where every cell has validation predictions. Temperatures are in the order of the
    cells.

    Raises:
        RunError: as for `calibration`.
    """
    validations = [cell.validation for cell in arm.cells.values()]
    given = [one for one in validations if one is not None]
    parts = [cell.predictions for cell in arm.cells.values()]
    return _calibration(parts, given if len(given) == len(parts) else None, n_bins)


def fit_temperature(validation: Predictions) -> float:
    """The temperature T in [0.01, 100] under which logits / T have the smallest negative log likelihood.

    The likelihood has one minimum in T, which is searched on log T.

    Raises:
        RunError: no image is labelled.
    """
    known = validation.labelled
    if not len(known):
        raise RunError(
            "the temperature cannot be fitted: no validation image is labelled. Leave scaling out."
        )
    found = minimize_scalar(
        lambda log_t: float(_nll(known.logits / np.exp(log_t), known.target).mean()),
        bounds=np.log(_TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def _calibration(
    parts: Sequence[Predictions], validations: Sequence[Predictions] | None, n_bins: int
) -> Calibration:
    known = [part.labelled for part in parts]
    raw = _reliability(known, [1.0] * len(known), n_bins)
    if validations is None:
        return Calibration(raw, None, ())
    for part, validation in zip(parts, validations, strict=True):
        _check_validation(part, validation)
    temperatures = tuple(fit_temperature(validation) for validation in validations)
    return Calibration(raw, _reliability(known, temperatures, n_bins), temperatures)


def _check_validation(predictions: Predictions, validation: Predictions) -> None:
    if predictions.classes != validation.classes:
        raise RunError(
            f"the validation part has the classes {validation.classes}, but the test part "
            f"{predictions.classes}. Give predictions of one model."
        )
    for what in ("image", "group"):
        shared = np.intersect1d(getattr(predictions, what), getattr(validation, what))
        if len(shared):
            raise RunError(
                f"the temperature must not be fitted on the test part: {what} {str(shared[0])!r} "
                "is in the test and in the validation part. Give the validation predictions."
            )


def _reliability(known: Sequence[Predictions], temperatures: Sequence[float], n_bins: int) -> Reliability:
    """Of all models' images together, each model's logits divided by its temperature."""
    logits = np.concatenate([part.logits / t for part, t in zip(known, temperatures, strict=True)])
    target = np.concatenate([part.target for part in known])
    edges = np.linspace(0, 1, n_bins + 1)
    if not len(target):
        bins = tuple(ReliabilityBin(*edge, 0, None, None) for edge in _pairs(edges))
        return Reliability(0, None, None, bins)
    confidence = np.exp(log_softmax(logits, axis=1).max(axis=1))
    correct = (decide(logits) == target).astype(np.float64)
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, weights=values, minlength=n_bins) for values in (confidence, correct)]
    ece = np.abs(sums[1] - sums[0]).sum() / len(target)
    means = [[s / n if n else None for s, n in zip(one, count.tolist(), strict=True)] for one in sums]
    bins = tuple(
        ReliabilityBin(*edge, *values)
        for edge, *values in zip(_pairs(edges), count.tolist(), *means, strict=True)
    )
    return Reliability(len(target), float(_nll(logits, target).mean()), float(ece), bins)


def _pairs(edges: Floats) -> list[tuple[float, float]]:
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _nll(logits: Floats, target: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    """-log p(true class), [N]."""
    return np.asarray(-log_softmax(logits, axis=1)[np.arange(len(target)), target])
