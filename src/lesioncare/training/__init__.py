"""From a configuration to a trained network: building, freezing, training, testing."""

from lesioncare.training.config import (
    AttentionConfig,
    DataConfig,
    ModelConfig,
    ScheduleConfig,
    TrainConfig,
)
from lesioncare.training.directory import RunDirectory
from lesioncare.training.run import train

__all__ = [
    "AttentionConfig",
    "DataConfig",
    "ModelConfig",
    "RunDirectory",
    "ScheduleConfig",
    "TrainConfig",
    "train",
]
