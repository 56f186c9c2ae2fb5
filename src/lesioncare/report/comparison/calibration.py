"""Whether the arms' probabilities can be believed: a table, and reliability curves."""

from collections.abc import Mapping
from dataclasses import replace

from lesioncare.errors import RunError
from lesioncare.evaluation import ArmPredictions, Calibration, arm_calibration
from lesioncare.evaluation import Reliability as Measured
from lesioncare.report import text
from lesioncare.report.comparison.study import ComparisonStudy
from lesioncare.report.comparison.tables import number_key
from lesioncare.report.comparison.views import ArmRow, ArmTable, Cell, Reliability, ReliabilityLine
from lesioncare.report.views import Arm

__all__ = ["calibration_table", "measure", "reliability_curves"]

_HEADS = ("NLL", "ECE", "NLL, scaled", "ECE, scaled", "Temperature")
_LARGEST = 20
"""Width in pixels of a dot that holds every image, beside those 3 that even the smallest has."""


def measure(study: ComparisonStudy) -> tuple[dict[Arm, Calibration], str]:
    """Each arm's calibration, and why there is no temperature where there is none."""
    found, why = {}, ""
    for arm, predictions in zip(study.arms, study.comparison.arms, strict=True):
        try:
            found[arm] = arm_calibration(predictions)
        except RunError as error:  # validation images of unknown class, or shared with the test part
            why = str(error)
            found[arm] = arm_calibration(_without_validation(predictions))
    if not why and any(one.scaled is None for one in found.values()):
        why = "No validation predictions were kept, so no temperature could be fitted."
    return found, why


def _without_validation(arm: ArmPredictions) -> ArmPredictions:
    return ArmPredictions(arm.name, {key: replace(cell, validation=None) for key, cell in arm.cells.items()})


def calibration_table(found: Mapping[Arm, Calibration]) -> ArmTable:
    """Likelihood and calibration error before and after temperature scaling."""
    rows = tuple(
        ArmRow(arm, place, (*_cells(one.raw), *_cells(one.scaled), _temperature(one.temperatures)))
        for place, (arm, one) in enumerate(found.items())
    )
    return ArmTable(_HEADS, rows)


def _cells(one: Measured | None) -> tuple[Cell, Cell]:
    nll, ece = (None, None) if one is None else (one.nll, one.ece)
    return Cell(text.ratio(nll), "", number_key(nll)), Cell(text.percent(ece), "", number_key(ece))


def _temperature(temperatures: tuple[float, ...]) -> Cell:
    if not temperatures:
        return Cell(text.MISSING)
    mean = sum(temperatures) / len(temperatures)
    several = f"{min(temperatures):.2f} to {max(temperatures):.2f}" if len(temperatures) > 1 else ""
    return Cell(f"{mean:.2f}", several, number_key(mean))


def reliability_curves(found: Mapping[Arm, Calibration]) -> tuple[Reliability, ...]:
    """Accuracy against confidence, raw and scaled; bins without images are left out."""
    return tuple(
        Reliability(
            arm=arm,
            raw=_line(one.raw),
            scaled=None if one.scaled is None else _line(one.scaled),
            label=_label(arm, one),
        )
        for arm, one in found.items()
    )


def _line(measured: Measured) -> ReliabilityLine:
    """The bins that hold images; their dots' areas are as their shares of the images."""
    bins = tuple(
        (
            round(100 * one.confidence, 2),
            round(100 - 100 * one.accuracy, 2),
            round(3 + _LARGEST * (one.count / measured.n) ** 0.5, 1),
        )
        for one in measured.bins
        if one.confidence is not None and one.accuracy is not None
    )
    path = "".join(f"{'M' if i == 0 else 'L'}{x:g} {y:g}" for i, (x, y, _) in enumerate(bins))
    return ReliabilityLine(path, bins)


def _label(arm: Arm, one: Calibration) -> str:
    said = f"Reliability of {arm.name}: calibration error {text.percent(one.raw.ece)}"
    return said if one.scaled is None else f"{said}, scaled {text.percent(one.scaled.ece)}"
