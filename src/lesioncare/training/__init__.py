"""From a configuration to a trained network: building, freezing, training, testing."""

from lesioncare.training.config import (
    AttentionConfig,
    DataConfig,
    ModelConfig,
    RemedyConfig,
    ScheduleConfig,
    TrainConfig,
)
from lesioncare.training.directory import RunDirectory
from lesioncare.training.kept import keep_features
from lesioncare.training.run import train
from lesioncare.training.shared import SharedInputs

__all__ = [
    "AttentionConfig",
    "DataConfig",
    "ModelConfig",
    "RemedyConfig",
    "RunDirectory",
    "ScheduleConfig",
    "SharedInputs",
    "TrainConfig",
    "keep_features",
    "train",
]
