"""Opening a segmenter, whatever it is."""

from collections.abc import Callable, Mapping
from importlib import import_module

from lesioncare.boxes.segmentation.base import Segmenter
from lesioncare.boxes.segmentation.source import Kind, Source, find_source

_ADAPTERS = "lesioncare.boxes.segmentation.adapters"
_OPENERS: Mapping[Kind, tuple[str, str]] = {
    "file": (f"{_ADAPTERS}.own", "open_own"),
    "smp": (f"{_ADAPTERS}.smp", "open_smp"),
    "onnx": (f"{_ADAPTERS}.onnx", "open_onnx"),
    "torchvision": (f"{_ADAPTERS}.torchvision", "open_torchvision"),
    "sam": (f"{_ADAPTERS}.sam", "open_sam"),
}
"""Module and function; each loads its library, so only the one that is needed is imported."""

__all__ = ["open_segmenter"]


def open_segmenter(where: str) -> Segmenter:
    """The segmenter at a path; nothing is ever fetched.

    Args:
        where: one of "shipped"; a `.safetensors` file of `lesioncare segmenter train`; an `.onnx` file; the
            folder of a segmentation_models_pytorch or SAM model; NAME@FILE with a torchvision model's name
            and its state dict.

    Raises:
        ModelError: there is nothing of the kind, or it is damaged or does not fit.
        ConfigError: a package that it needs is not installed.
    """
    source = find_source(where)
    module, function = _OPENERS[source.kind]
    opener: Callable[[Source], Segmenter] = getattr(import_module(module), function)
    return opener(source)
