"""How good a model is, where it looks, and whether a difference between two models is real."""

from lesioncare.evaluation.bootstrap import Difference, Interval, compare, interval
from lesioncare.evaluation.localisation import area_share, centre_energy, energy_in_box, pointing_hit
from lesioncare.evaluation.metrics import ClassMetrics, Localisation, Metrics, evaluate
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.result import RunResult

__all__ = [
    "ClassMetrics",
    "Difference",
    "Interval",
    "Localisation",
    "Metrics",
    "Predictions",
    "RunResult",
    "area_share",
    "centre_energy",
    "compare",
    "energy_in_box",
    "evaluate",
    "interval",
    "pointing_hit",
]
