"""Experiments: runs that are made to be compared."""

from lesioncare.experiment.compare import run_comparison
from lesioncare.experiment.comparison import Comparison
from lesioncare.experiment.on_ray import OnRay
from lesioncare.experiment.pair import train_pair
from lesioncare.experiment.plan import Cell, ComparisonConfig, read_plan
from lesioncare.experiment.protocol import Protocol
from lesioncare.experiment.runners import InOrder, InProcesses

__all__ = [
    "Cell",
    "Comparison",
    "ComparisonConfig",
    "InOrder",
    "InProcesses",
    "OnRay",
    "Protocol",
    "read_plan",
    "run_comparison",
    "train_pair",
]
