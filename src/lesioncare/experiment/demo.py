"""The demonstration: synthetic images with a shortcut, a small network without and with attention."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from lesioncare.data.synthetic import SyntheticConfig, write_dataset
from lesioncare.evaluation import RunResult
from lesioncare.experiment.pair import train_pair
from lesioncare.experiment.runners import use_threads
from lesioncare.training import TrainConfig

__all__ = ["run_demo", "small_network"]

_SIZE = 64


def small_network(num_classes: int) -> nn.Sequential:
    """A network that learns from random weights in a minute: four convolutions and a linear head."""
    layers: list[nn.Module] = []
    for channels, wider, stride in ((3, 16, 2), (16, 32, 2), (32, 64, 2), (64, 96, 1)):
        layers += [
            nn.Conv2d(channels, wider, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(wider),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, num_classes))


def run_demo(
    directory: Path, *, seed: int = 0, announce: Callable[[str], None] = lambda _: None
) -> tuple[RunResult, RunResult]:
    """Draw the images, train both networks, and give their results; a stopped demo goes on where it was.

    Args:
        directory: gets `data/`, `without/` and `with/`.
        seed: of the images and of the training.
        announce: told what begins.

    Raises:
        LesionCareError: the directory cannot be used.
    """
    announce("Drawing the images")
    table = write_dataset(directory / "data", SyntheticConfig(size=_SIZE, seed=seed))
    config = TrainConfig.build(
        data={"table": table, "validation": 0, "check_images": False},
        model={
            "name": f"{__name__}:small_network",
            "weights": "none",
            "image_size": (_SIZE, _SIZE),
            "cache": "always",
            "views": 8,
        },
        schedule={
            "epochs": 24,
            "learning_rate": 3e-3,
            "augment": "dermoscopy",
            "seed": seed,
            "accelerator": "cpu",
        },
        attention={"loss": "care", "attend": "all"},
    )
    # So small a network gains nothing from more threads, and loses much on a busy machine.
    with use_threads(1):
        return train_pair(config, directory, announce=lambda arm: announce(f"Training: {arm}"))
