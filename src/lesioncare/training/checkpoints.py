"""Checkpoints that are whole, and are data: what a damaged or a hostile one says is told, and never run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lesioncare.data.workers import reporting_dead_workers
from lesioncare.errors import LesionCareError, RunError

__all__ = ["WholeFiles", "reading_checkpoint", "restoring"]


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and renames it.

    Lightning's own writes it to the folder of temporary files and copies it over the old one: a kill or a
    full disk during the copy would lose both.
    """

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, as data alone whatever `weights_only` says.

        Raises:
            RunError: it cannot be read, or holds more than data.
        """
        del weights_only
        with reading_checkpoint(Path(path)):
            found: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only=True)
        return found

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; its file is the old one or the new one at any moment.

        Raises:
            OSError: it cannot be written; the old one is kept.
        """
        if storage_options is not None:
            raise TypeError("Checkpoints are files of this machine and take no storage_options.")
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.part")
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())  # or a power cut may leave the new name with nothing in it
            partial.replace(target)
        except RuntimeError as error:  # torch hides the reason behind an error of its archive
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def reading_checkpoint(path: Path) -> Iterator[None]:
    """Say in one message that a checkpoint cannot be used, whatever the reason.

    Raises:
        RunError: in place of what its reader raises; those of lesioncare pass.
    """
    try:
        yield
    except LesionCareError:
        raise
    except Exception as error:
        code = isinstance(error, UnpicklingError)  # whose message tells how to run it all the same
        reason = "it holds more than numbers, or is torn" if code else _first_line(error)
        raise RunError(
            f"{path}: the checkpoint is damaged, or not of this run ({reason}). Delete the folder "
            f"{path.parent}; the same command then trains from the first epoch."
        ) from error


@contextmanager
def restoring(path: Path, trainer: pl.Trainer) -> Iterator[str | None]:
    """Give the checkpoint that a training goes on from, None where there is none.

    Raises:
        RunError: it cannot be restored; what is raised after the training has begun passes, and so do errors
            of the disk and the lack of memory.
    """
    if not path.exists():
        yield None
        return
    begun = _Begun()
    trainer.callbacks.append(begun)  # type: ignore[attr-defined]
    try:
        with reporting_dead_workers():
            yield str(path)
    except (OSError, torch.OutOfMemoryError):
        raise
    except Exception:
        if begun.begun:
            raise
        with reading_checkpoint(path):
            raise


class _Begun(pl.Callback):
    """Knows whether the training has begun, and so whether a checkpoint was restored."""

    begun = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Remember it."""
        self.begun = True


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
