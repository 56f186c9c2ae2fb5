"""Train image classifiers on imbalanced medical data, and make them look at the lesion.

The names below are loaded when they are first used, so that importing the package loads no torch.
"""

from typing import TYPE_CHECKING

from lesioncare.lazy import load_later

if TYPE_CHECKING:
    from lesioncare.attention import (
        AttentionGuide,
        CARELoss,
        EnergyLoss,
        InBoxCrossEntropyLoss,
        InputGradientLoss,
        L1Loss,
        OutsideSquareLoss,
    )
    from lesioncare.boxes import Box
    from lesioncare.data import Columns, ImageTable, load_table
    from lesioncare.errors import LesionCareError
    from lesioncare.evaluation import Predictions, RunResult, compare, evaluate
    from lesioncare.experiment import train_pair
    from lesioncare.imbalance import adjust_logits
    from lesioncare.report import build_report
    from lesioncare.training import TrainConfig, train

_HOME = {
    "AttentionGuide": "attention",
    "Box": "boxes",
    "CARELoss": "attention",
    "Columns": "data",
    "EnergyLoss": "attention",
    "ImageTable": "data",
    "InBoxCrossEntropyLoss": "attention",
    "InputGradientLoss": "attention",
    "L1Loss": "attention",
    "LesionCareError": "errors",
    "OutsideSquareLoss": "attention",
    "Predictions": "evaluation",
    "RunResult": "evaluation",
    "TrainConfig": "training",
    "adjust_logits": "imbalance",
    "build_report": "report",
    "compare": "evaluation",
    "evaluate": "evaluation",
    "load_table": "data",
    "train": "training",
    "train_pair": "experiment",
}

__all__ = [
    "AttentionGuide",
    "Box",
    "CARELoss",
    "Columns",
    "EnergyLoss",
    "ImageTable",
    "InBoxCrossEntropyLoss",
    "InputGradientLoss",
    "L1Loss",
    "LesionCareError",
    "OutsideSquareLoss",
    "Predictions",
    "RunResult",
    "TrainConfig",
    "adjust_logits",
    "build_report",
    "compare",
    "evaluate",
    "load_table",
    "train",
    "train_pair",
]

__getattr__ = load_later(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
