"""Whether exported files give the answers of the network that they were made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn

from lesioncare.data import ImageDataset
from lesioncare.deploy.manifest import Check, Preprocessing
from lesioncare.deploy.onnx_runtime import Floats32, Runner
from lesioncare.errors import ModelError
from lesioncare.images import read_image
from lesioncare.progress import track

TOLERANCE = 1e-4
"""Largest difference of a logit, as a share of the largest logit or of 1, whichever is more."""
_BATCHES = (1, 3, 5)
_READ = 16

__all__ = ["TOLERANCE", "Reference", "choose_arithmetic", "random_reference", "real_reference", "verify"]


@dataclass(frozen=True)
class Reference:
    """Inputs in batches, [n, 3, H, W] each, and the torch network's logits for them, [n, C] each."""

    inputs: tuple[Floats32, ...]
    logits: tuple[Floats32, ...]

    @property
    def n(self) -> int:
        """Number of images."""
        return sum(map(len, self.inputs))


def random_reference(network: nn.Module, size: tuple[int, int]) -> Reference:
    """What the network says of normal noise, in batches of 1, 3 and 5: the batch size must be free."""
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(n, 3, *size, generator=generator) for n in _BATCHES]
    return Reference(tuple(one.numpy() for one in inputs), tuple(_logits(network, one) for one in inputs))


def real_reference(network: nn.Module, images: ImageDataset, preprocessing: Preprocessing) -> Reference:
    """What the network says of images that training's own transform has prepared, in torch.

    The inputs are those that `preprocessing` makes without torch, so that a comparison of files with this
    reference takes in the way from the image file on.
    """
    paths = images.table.frame["path"].to_numpy()[images.positions]
    inputs, logits = [], []
    for rows in _slices(len(images), "Verifying"):
        inputs.append(np.stack([preprocessing(read_image(Path(path))) for path in paths[rows]]))
        prepared = [images[row]["image"] for row in range(len(images))[rows]]
        logits.append(_logits(network, torch.stack(prepared)))
    return Reference(tuple(inputs), tuple(logits))


def choose_arithmetic(images: ImageDataset, build: Preprocessing) -> Preprocessing:
    """The preprocessing with the rounding that comes closest to what torch does on this machine."""
    ways = [build.model_copy(update={"arithmetic": way}) for way in ("int16", "float")]
    if not len(images):
        return ways[0]
    path = Path(images.table.frame["path"].iloc[images.positions[0]])
    expected, image = images[0]["image"].numpy(), read_image(path)
    return min(ways, key=lambda way: float(np.abs(way(image) - expected).mean()))


def verify(name: str, run: Runner, reference: Reference) -> Check:
    """Compare a file's answers with the network's.

    Raises:
        ModelError: it gives something else than logits, or they differ by more than `TOLERANCE`.
    """
    logit = probability = 0.0
    for inputs, expected in zip(reference.inputs, reference.logits, strict=True):
        got = _run(name, run, inputs)
        if got.shape != expected.shape:
            raise ModelError(f"{name}: gives {list(got.shape)} for {len(inputs)} images.")
        logit = max(logit, float(np.abs(got - expected).max()))
        change = np.abs(softmax(got, axis=1) - softmax(expected, axis=1))
        probability = max(probability, float(change.max()))
    largest = max(1.0, *(float(np.abs(one).max()) for one in reference.logits))
    if not logit <= TOLERANCE * largest:  # not a number is no agreement either
        raise ModelError(
            f"{name}: its logits differ from the network's by up to {logit:.2g}; "
            f"{TOLERANCE * largest:.2g} is allowed."
        )
    return Check(inputs=reference.n, logit=logit, probability=probability)


def _run(name: str, run: Runner, inputs: Floats32) -> Floats32:
    try:
        return run(inputs)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise ModelError(f"{name}: fails on a batch of {len(inputs)}: {reason}") from error


@torch.inference_mode()
def _logits(network: nn.Module, images: Tensor) -> Floats32:
    return np.asarray(network(images).float().numpy(), np.float32)


def _slices(n: int, title: str) -> Iterator[slice]:
    starts: Sequence[int] = range(0, n, _READ)
    for start in track(starts, title, "batches"):
        yield slice(start, start + _READ)
