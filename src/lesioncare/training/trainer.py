"""Lightning's trainer, set up for a run."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from lesioncare.errors import ConfigError
from lesioncare.training.config import ScheduleConfig
from lesioncare.training.directory import RunDirectory
from lesioncare.training.module import History

__all__ = ["choose_device", "is_first_process", "make_trainer", "precision_of", "quiet"]


def is_first_process() -> bool:
    """Whether this is the only process of a run, or the first of several that Lightning started."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def choose_device(accelerator: str) -> torch.device:
    """Where a network runs outside the trainer: on the GPU, if there is one and it was not refused."""
    return torch.device("cuda" if torch.cuda.is_available() and accelerator != "cpu" else "cpu")


def make_trainer(schedule: ScheduleConfig, run: RunDirectory) -> tuple[pl.Trainer, History]:
    """Make the trainer of a run, which checkpoints every epoch, and the history that it fills.

    Raises:
        ConfigError: the machine has no such accelerator, precision, number of devices, or logger.
    """
    history = History()
    try:
        return _unchecked_trainer(schedule, run, history), history
    except (MisconfigurationException, ModuleNotFoundError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{error} Choose another --accelerator, --devices, --precision or --logger."
        ) from error


def _unchecked_trainer(schedule: ScheduleConfig, run: RunDirectory, history: History) -> pl.Trainer:
    loggers = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}
    keep_last = ModelCheckpoint(
        dirpath=run.checkpoint.parent,
        filename=run.checkpoint.stem,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    return pl.Trainer(
        max_epochs=schedule.epochs,
        accelerator=schedule.accelerator,
        devices=schedule.devices,
        precision=precision_of(schedule.precision, schedule.accelerator),
        logger=loggers[schedule.logger](run.path / "logs", name="", version=""),
        callbacks=[history, keep_last],
        use_distributed_sampler=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1_000_000,  # whole epochs are logged; steps would only cost time
    )


def precision_of(precision: str, accelerator: str) -> Any:
    """Lightning's name of a precision; "auto" is 32 bit on the CPU and mixed on a GPU."""
    if precision != "auto":
        return precision
    if accelerator == "cpu" or not torch.cuda.is_available():
        return "32-true"  # bf16 is emulated, and slow, on most CPUs
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advice on hardware and workers from the user's screen."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            warnings.filterwarnings("ignore", module="lightning_fabric")
            yield
    finally:
        logger.setLevel(level)
