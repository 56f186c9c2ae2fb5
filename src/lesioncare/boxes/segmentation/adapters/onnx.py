"""Networks in ONNX files, run by onnxruntime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lesioncare.boxes.segmentation.adapters.preprocessing import DEFAULT_SIZE, lesion_channels
from lesioncare.boxes.segmentation.base import IMAGENET_MEAN, IMAGENET_STD, Segmenter, prepare, to_probability
from lesioncare.boxes.segmentation.source import Source
from lesioncare.errors import ConfigError, ModelError

_TO_PROBABILITY = frozenset({"Sigmoid", "HardSigmoid", "Softmax"})
_PASSING = frozenset({"Cast", "Identity", "Reshape", "Resize", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
"""Nodes that leave a probability a probability: the one before them decides."""

__all__ = ["OnnxSegmenter", "open_onnx"]


def open_onnx(source: Source) -> Segmenter:
    """The segmenter of the file.

    The network takes one float32 input [N, 3, h, w], N and the size fixed or not, and its first output is
    [N, h, w] or [N, K, h, w]; of K > 1 classes all but the first are lesion. The file's metadata may say:

        lesioncare.output   "logits" or "probability"; else a probability if the last node is a Sigmoid,
                            HardSigmoid or Softmax, or only changes shape, size or type after one
        lesioncare.size     "h,w" that the network sees, where its input does not fix it; else 256,256
        lesioncare.mean     of each channel, for values in [0, 1], "0.485,0.456,0.406"; else ImageNet's
        lesioncare.std      likewise

    Raises:
        ModelError: the file is damaged, or its input or metadata is another.
        ConfigError: onnx or onnxruntime is not installed.
    """
    return OnnxSegmenter(source.path)


@dataclass(frozen=True)
class OnnxSegmenter:
    """An onnxruntime session on one thread of the CPU. Pickled by its path.

    Args:
        path: of the .onnx file.

    Raises:
        ModelError: as for `open_onnx`.
        ConfigError: as for `open_onnx`.
    """

    path: Path
    _session: Any = field(init=False, repr=False, compare=False)
    _plan: "_Plan" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        session = _session(self.path)
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_plan", _plan(self.path, session))

    def __reduce__(self) -> tuple[type["OnnxSegmenter"], tuple[Path]]:
        return OnnxSegmenter, (self.path,)

    def __call__(self, images: Tensor, /) -> Tensor:
        """Give the masks [N, h, w].

        Raises:
            ModelError: the network cannot take the images, or gives something else than masks.
        """
        plan = self._plan
        inputs = prepare(images, plan.size, plan.mean, plan.std).numpy()
        parts = list(inputs[:, None]) if plan.single else [inputs]
        return torch.cat([_masks(self._run(part), probability=plan.probability) for part in parts])

    def _run(self, inputs: Any) -> Tensor:
        try:
            scores = self._session.run(None, {self._plan.name: np.ascontiguousarray(inputs)})[0]
        except Exception as error:
            shape = list(inputs.shape)
            raise ModelError(f"{self.path}: the network cannot take images {shape}: {error}") from error
        if not isinstance(scores, np.ndarray) or scores.ndim not in (3, 4):
            got = list(scores.shape) if isinstance(scores, np.ndarray) else type(scores).__name__
            raise ModelError(f"{self.path}: the first output must be [N, K, h, w], but is {got}.")
        return torch.from_numpy(np.asarray(scores, np.float32))


@dataclass(frozen=True)
class _Plan:
    """How images go in and what comes out.

    Args:
        name: of the input.
        single: images go in one by one, for the batch size is fixed at 1.
        size: (h, w) that the network sees.
        mean: of each channel.
        std: of each channel.
        probability: the output is one already.
    """

    name: str
    single: bool
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    probability: bool


def _masks(scores: Tensor, *, probability: bool) -> Tensor:
    classes = scores.shape[1] if scores.ndim == 4 else 1
    channels = lesion_channels(classes)
    if not probability:
        return to_probability(scores, channels)
    masks = scores if scores.ndim == 3 else scores[:, list(channels)].sum(1)
    return masks.clamp(0, 1)


def _session(path: Path) -> Any:
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{path}: not a readable ONNX file ({error}).") from error


def _plan(path: Path, session: Any) -> _Plan:
    inputs = session.get_inputs()
    if len(inputs) != 1 or not _takes_images(inputs[0]):
        got = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs) or "none"
        raise ModelError(f"{path}: needs one input of float32 [N, 3, h, w], but has {got}.")
    batch, _, height, width = inputs[0].shape
    if isinstance(batch, int) and batch != 1:
        raise ModelError(f"{path}: takes {batch} images at once. Export it for 1 or any number.")
    metadata = session.get_modelmeta().custom_metadata_map
    wanted = _numbers(path, metadata, "size", DEFAULT_SIZE)
    return _Plan(
        name=inputs[0].name,
        single=batch == 1,
        size=(
            height if isinstance(height, int) else int(wanted[0]),
            width if isinstance(width, int) else int(wanted[1]),
        ),
        mean=_numbers(path, metadata, "mean", IMAGENET_MEAN),
        std=_numbers(path, metadata, "std", IMAGENET_STD),
        probability=_gives_probability(path, metadata),
    )


def _takes_images(slot: Any) -> bool:
    """Whether an input is float32 [N, 3, h, w]; a side that is not fixed is a name or None."""
    shape = slot.shape
    return slot.type == "tensor(float)" and len(shape) == 4 and shape[1] in {3, None, str(shape[1])}


def _numbers(
    path: Path, metadata: Mapping[str, str], key: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    text = metadata.get(f"lesioncare.{key}")
    if text is None:
        return default
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if len(found) != len(default) or (key != "mean" and min(found) <= 0):
        raise ModelError(f"{path}: its metadata lesioncare.{key} is {text!r}, not {len(default)} numbers.")
    return found


def _gives_probability(path: Path, metadata: Mapping[str, str]) -> bool:
    said = metadata.get("lesioncare.output")
    if said is not None:
        if said not in ("logits", "probability"):
            raise ModelError(
                f"{path}: its metadata lesioncare.output is {said!r}, not logits or probability."
            )
        return said == "probability"
    graph = _package("onnx").load(str(path), load_external_data=False).graph
    makers = {output: node for node in graph.node for output in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type in _PASSING:
        node = makers.get(node.input[0])
    return node is not None and node.op_type in _TO_PROBABILITY


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(f"ONNX files need the package {name}: pip install 'lesioncare[onnx]'.") from error
