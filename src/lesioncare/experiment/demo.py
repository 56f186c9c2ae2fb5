"""The demonstration: synthetic images with a shortcut, a small network without and with attention."""

from collections.abc import Callable
from pathlib import Path

from lesioncare.data.synthetic import SyntheticConfig, write_dataset
from lesioncare.evaluation import RunResult
from lesioncare.experiment.pair import train_pair
from lesioncare.training import TrainConfig

__all__ = ["run_demo"]


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
    table = write_dataset(directory / "data", SyntheticConfig(seed=seed))
    config = TrainConfig.build(
        data={"table": table, "validation": 0, "check_images": False},
        model={"name": "test_resnet", "weights": "none", "image_size": (96, 96)},
        schedule={
            "epochs": 12,
            "batch_size": 32,
            "learning_rate": 3e-3,
            "augment": "none",
            "seed": seed,
            "accelerator": "cpu",
        },
        attention={"loss": "care", "attend": "all", "alpha": 0.5},
    )
    return train_pair(config, directory, announce=lambda arm: announce(f"Training: {arm}"))
