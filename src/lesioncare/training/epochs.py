"""How far a training is: Lightning's bar on a terminal, and a line now and then in a file or a pipe."""

import sys
from typing import Any, NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, TQDMProgressBar

from lesioncare.progress import LINES, Work

__all__ = ["EpochBar", "EpochLines", "EpochProgress", "Resumed", "epoch_progress"]


class Resumed(Callback):
    """Says once that a training goes on, and after which epoch; the epochs before it have no lines."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Say it before the first epoch, where a checkpoint was restored after another one."""
        if trainer.is_global_zero and trainer.current_epoch:
            sys.stdout.write(f"Going on after epoch {trainer.current_epoch}.\n")
            sys.stdout.flush()


class EpochBar(TQDMProgressBar):
    """Lightning's bar, with epochs counted from 1."""

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Begin anew for an epoch; in place of Lightning's own, which shows the epoch's index at once."""
        self.train_progress_bar.reset(self.total_train_batches)
        self.train_progress_bar.set_description(_epoch(trainer))


class EpochLines(Callback):
    """A line as an epoch ends, with the numbers that the bar shows; not after each, where they are short."""

    def __init__(self) -> None:
        self._work = Work(LINES)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Say which epoch ended, of how many."""
        if trainer.is_global_zero:
            numbers = [
                f"{name} {float(value):.3f}" for name, value in sorted(trainer.progress_bar_metrics.items())
            ]
            line = f"{_epoch(trainer)}: {', '.join(numbers)}" if numbers else _epoch(trainer)
            self._work.tell(line, last=trainer.current_epoch + 1 == trainer.max_epochs)


class EpochProgress(NamedTuple):
    """Options of a trainer: callbacks, and whether Lightning may show a bar."""

    callbacks: list[Callback]
    bar: bool


def epoch_progress() -> EpochProgress:
    """Choose between the bar and the lines."""
    terminal = sys.stdout.isatty()
    return EpochProgress([Resumed(), EpochBar() if terminal else EpochLines()], terminal)


def _epoch(trainer: pl.Trainer) -> str:
    return f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
