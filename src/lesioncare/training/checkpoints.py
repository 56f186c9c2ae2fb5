"""Checkpoints that are whole: the old one stays until the new one is on the disk."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

__all__ = ["WholeFiles"]


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and renames it.

    Lightning's own writes it to the folder of temporary files and copies it over the old one: a kill or a
    full disk during the copy would lose both.
    """

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
            partial.replace(target)
        except RuntimeError as error:  # torch hides the reason behind an error of its archive
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise
        finally:
            partial.unlink(missing_ok=True)
