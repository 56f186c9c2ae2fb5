"""Lightning's trainer, set up for a run."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from lesioncare.errors import ConfigError
from lesioncare.training.averaging import WeightAverage
from lesioncare.training.checkpoints import WholeFiles
from lesioncare.training.config import ScheduleConfig
from lesioncare.training.directory import RunDirectory
from lesioncare.training.epochs import epoch_progress
from lesioncare.training.module import History

__all__ = ["choose_device", "is_first_process", "make_trainer", "precision_of", "quiet"]


_METRIC = "validation_balanced_accuracy"


def is_first_process() -> bool:
    """Whether this is the only process of a run, or the first of several that Lightning started."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def choose_device(accelerator: str) -> torch.device:
    """Where a network runs outside the trainer: on the GPU, if there is one and it was not refused.

    Of several GPUs each process of a distributed run has its own.
    """
    if accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    process = int(os.environ.get("LOCAL_RANK", "0"))
    return torch.device("cuda", process) if process else torch.device("cuda")


def make_trainer(
    schedule: ScheduleConfig, run: RunDirectory, average: WeightAverage | None = None
) -> tuple[pl.Trainer, History]:
    """Make the trainer of a run, which checkpoints every epoch, and the history that it fills.

    Raises:
        ConfigError: the machine has no such accelerator, precision, number of devices, or logger.
    """
    history = History()
    with refusing("--accelerator, --devices, --precision or --logger"):
        callbacks = [history] if average is None else [history, average]
        return _unchecked_trainer(schedule, run, callbacks), history


@contextmanager
def refusing(options: str) -> Iterator[None]:
    """Turn what Lightning says of impossible options into one error that names them.

    Raises:
        ConfigError: in place of Lightning's own.
    """
    try:
        yield
    except (MisconfigurationException, ModuleNotFoundError, ValueError, TypeError) as error:
        raise ConfigError(f"{error} Choose another {options}.") from error


class BestCheckpoint(ModelCheckpoint):
    """Keeps the epoch with the best balanced accuracy on the validation part; the first of equal ones."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__(
            dirpath=run.best.parent,
            filename=run.best.stem,
            monitor=_METRIC,
            mode="max",
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        self._best = str(run.best)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after a checkpoint, also in a directory that was moved since."""
        places = dict.fromkeys(("best_model_path", "kth_best_model_path", "last_model_path"), self._best)
        kept = dict.fromkeys([self._best], state_dict["best_model_score"])
        super().load_state_dict({**state_dict, **places, "best_k_models": kept, "dirpath": self.dirpath})


class Patience(EarlyStopping):
    """Stops when the balanced accuracy on the validation part has not risen for some epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__(_METRIC, patience=epochs, mode="max", check_on_train_epoch_end=True)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop a resumed run that had stopped before: Lightning does not remember that it had."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def _callbacks(schedule: ScheduleConfig, run: RunDirectory) -> list[Callback]:
    """What looks at the validation part; before the last epoch's checkpoint, which keeps what they know."""
    callbacks: list[Callback] = []
    if schedule.patience is not None:
        callbacks.append(Patience(schedule.patience))
    if schedule.select == "best":
        callbacks.append(BestCheckpoint(run))
    return callbacks


def _unchecked_trainer(
    schedule: ScheduleConfig, run: RunDirectory, callbacks: Sequence[Callback]
) -> pl.Trainer:
    loggers = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}
    keep_last = ModelCheckpoint(
        dirpath=run.checkpoint.parent,
        filename=run.checkpoint.stem,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    progress = epoch_progress()
    return pl.Trainer(
        max_epochs=schedule.epochs,
        accelerator=schedule.accelerator,
        devices=schedule.devices,
        strategy=schedule.strategy,
        precision=precision_of(schedule.precision, schedule.accelerator),
        logger=loggers[schedule.logger](run.path / "logs", name="", version=""),
        accumulate_grad_batches=schedule.accumulate,
        callbacks=[*callbacks, *_callbacks(schedule, run), *progress.callbacks, keep_last],
        enable_progress_bar=progress.bar,
        plugins=[WholeFiles()],
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
