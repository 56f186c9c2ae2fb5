"""ONNX files in ONNX Runtime; nothing here loads torch."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesioncare.errors import ConfigError, ModelError

Floats32 = NDArray[np.float32]
Runner = Callable[[Floats32], Floats32]
"""Inputs [N, 3, H, W] -> logits [N, C]."""

__all__ = ["Floats32", "Runner", "open_onnx"]


def open_onnx(path: Path) -> Runner:
    """Open an ONNX file on the CPU.

    Raises:
        ModelError: the file is damaged.
        ConfigError: onnxruntime is not installed.
    """
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError(
            "ONNX files need the package onnxruntime: pip install 'lesioncare[onnx]'."
        ) from error
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{path}: not a readable ONNX file ({error}). Export the run again.") from error
    name = session.get_inputs()[0].name

    def run(images: Floats32) -> Floats32:
        logits: Any = session.run(None, {name: images})[0]
        return np.asarray(logits, np.float32)

    return run
