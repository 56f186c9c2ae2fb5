"""Predicting with an export; torch is loaded for the torch backend alone."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesioncare.data.table import ImageTable
from lesioncare.deploy.manifest import Manifest
from lesioncare.deploy.onnx_runtime import Floats32, Runner, open_onnx
from lesioncare.errors import ModelError
from lesioncare.images import read_image
from lesioncare.progress import track

Backend = Literal["onnx", "torch"]

__all__ = ["Backend", "ExportedModel"]


class ExportedModel:
    """The network of an export, on the CPU.

    Args:
        directory: made by `lesioncare export`.
        backend: "onnx": ONNX Runtime, without torch; "torch": the torch.export program.

    Raises:
        ModelError: the directory is no export, has no file for the backend, or the file is damaged.
        ConfigError: onnxruntime is not installed.
    """

    def __init__(self, directory: Path, backend: Backend = "onnx") -> None:
        self.manifest = Manifest.read(directory)
        self.path = self.manifest.path(directory, "onnx" if backend == "onnx" else "torch-export")
        self._run = open_onnx(self.path) if backend == "onnx" else _open_program(self.path)

    def __call__(self, images: Floats32) -> Floats32:
        """Give the logits [N, C] of inputs [N, 3, H, W], which `manifest.preprocessing` makes.

        Raises:
            ModelError: the network cannot take them, or gives no logits of the export's classes.
        """
        try:
            logits = self._run(images)
        except Exception as error:
            raise ModelError(f"{self.path}: cannot take inputs {list(images.shape)} ({error}).") from error
        expected = (len(images), len(self.manifest.classes))
        if logits.shape != expected:
            raise ModelError(
                f"{self.path}: gives {list(logits.shape)} and not logits {list(expected)}: the file and "
                "preprocessing.json are not of one export. Export the run again."
            )
        return logits

    def predict(self, table: ImageTable, *, batch_size: int = 32) -> NDArray[np.float64]:
        """Give the logits [N, C] of all images of a table, and show how far it is.

        Raises:
            DataError: an image cannot be read.
            ModelError: see `__call__`.
        """
        paths, prepare = table.frame["path"].tolist(), self.manifest.preprocessing
        parts = []
        starts = range(0, len(paths), batch_size)
        for start in track(starts, "Predicting", "batches"):
            batch = paths[start : start + batch_size]
            parts.append(self(np.stack([prepare(read_image(Path(path))) for path in batch])))
        return np.concatenate(parts).astype(np.float64)


def _open_program(path: Path) -> Runner:
    from lesioncare.deploy.formats import FORMATS  # noqa: PLC0415  loads torch

    return FORMATS["torch-export"].open(path)
