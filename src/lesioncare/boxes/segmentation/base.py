"""What a segmenter is, and a torch network as one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.errors import ModelError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "NetworkSegmenter",
    "Segmenter",
    "one_thread",
    "prepare",
    "to_probability",
]


class Segmenter(Protocol):
    """Any callable from a batch of images to the probability that each pixel is of the lesion.

    Images are float32 [N, 3, H, W], RGB in [0, 1]; masks float32 [N, h, w] in [0, 1], where h and w may be
    those of the network. A segmenter that is to run in other processes can be
    pickled.
    """

    def __call__(self, images: Tensor, /) -> Tensor:
        """Give the masks."""


@dataclass(frozen=True)
class NetworkSegmenter:
    """A torch network that segments: images are resized and normalised for it, its scores made probabilities.

    Args:
        network: images [N, 3, h, w] -> scores [N, h', w'], [N, 1, h', w'] or [N, K, h', w'], or a dictionary
            with these under "out", as torchvision's models give them.
        size: (h, w) that the network sees; None leaves images as they are.
        mean: of each channel, for values in [0, 1].
        std: of each channel, for values in [0, 1].
        channels: of K > 1 channels, those that are lesion; their probabilities are added.
        mirrored: average the masks of the image and of its three mirror images; four times the work.
    """

    network: nn.Module
    size: tuple[int, int] | None
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    channels: tuple[int, ...] = (1,)
    mirrored: bool = False

    @torch.inference_mode()
    def __call__(self, images: Tensor, /) -> Tensor:
        """Give the masks [N, h', w'].

        Raises:
            ModelError: the network cannot take the images, or gives something else than masks.
        """
        self.network.eval()
        inputs = prepare(images, self.size, self.mean, self.std)
        ways: list[list[int]] = [[], [-1], [-2], [-1, -2]] if self.mirrored else [[]]
        return torch.stack([self._masks(inputs.flip(way)).flip(way) for way in ways]).mean(0)

    def _masks(self, inputs: Tensor) -> Tensor:
        try:
            scores = self.network(inputs)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            shape = list(inputs.shape)
            raise ModelError(f"the segmentation network cannot take images {shape}: {error}") from error
        return to_probability(scores, self.channels)


def prepare(
    images: Tensor, size: tuple[int, int] | None, mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    """Resize (bilinear, antialiased) and normalise images [N, 3, H, W]: (value - mean) / std."""
    if size is not None and tuple(images.shape[-2:]) != tuple(size):
        images = functional.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
    centre, spread = (images.new_tensor(list(values)).view(1, -1, 1, 1) for values in (mean, std))
    return (images - centre) / spread


def to_probability(scores: Any, channels: Sequence[int] = (1,)) -> Tensor:
    """Scores of a network -> probability of the lesion [N, h, w].

    One channel goes through the sigmoid. Of several, the softmax is taken; the lesion's are added.

    Raises:
        ModelError: the scores are no tensor of 3 or 4 dimensions, or there is no such channel.
    """
    if isinstance(scores, dict) and "out" in scores:
        scores = scores["out"]
    if not isinstance(scores, Tensor) or scores.ndim not in (3, 4):
        got = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ModelError(f"a segmentation network must give scores [N, K, h, w], but this one gave {got}.")
    if scores.ndim == 3:
        return scores.sigmoid()
    if scores.shape[1] == 1:
        return scores[:, 0].sigmoid()
    missing = [channel for channel in channels if not 0 <= channel < scores.shape[1]]
    if missing:
        raise ModelError(f"the network gives {scores.shape[1]} channels; there is no channel {missing}.")
    return scores.softmax(1)[:, list(channels)].sum(1).clamp(0, 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread: with several, sums in another order would give other last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
