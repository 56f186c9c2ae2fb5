"""How good a model is, where it looks, and whether a difference between two models is real."""

from lesioncare.evaluation.arms import ArmPredictions, Cell
from lesioncare.evaluation.bootstrap import compare, interval
from lesioncare.evaluation.box_use import BoxesOfRun, BoxUse
from lesioncare.evaluation.comparison import compare_arms
from lesioncare.evaluation.comparison_result import ArmComparison, ArmInterval, PairDifference, Spread
from lesioncare.evaluation.intervals import Difference, Interval
from lesioncare.evaluation.localisation import area_share, centre_energy, energy_in_box, pointing_hit
from lesioncare.evaluation.metrics import ClassMetrics, Localisation, Metrics, evaluate
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.reliability import (
    Calibration,
    Reliability,
    ReliabilityBin,
    arm_calibration,
    calibration,
)
from lesioncare.evaluation.remarks import remarks
from lesioncare.evaluation.result import RunResult

__all__ = [
    "ArmComparison",
    "ArmInterval",
    "ArmPredictions",
    "BoxUse",
    "BoxesOfRun",
    "Calibration",
    "Cell",
    "ClassMetrics",
    "Difference",
    "Interval",
    "Localisation",
    "Metrics",
    "PairDifference",
    "Predictions",
    "Reliability",
    "ReliabilityBin",
    "RunResult",
    "Spread",
    "area_share",
    "arm_calibration",
    "calibration",
    "centre_energy",
    "compare",
    "compare_arms",
    "energy_in_box",
    "evaluate",
    "interval",
    "pointing_hit",
    "remarks",
]
