"""Deletion and insertion: does the map show the pixels that the network's answer depends on?

Source: Petsiuk et al., RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018. There
the deleted pixels become grey; here they are blurred, as RISE does for insertion, for a grey patch is a sharp
object that no training image has.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.v2 import functional as images_functional

from lesioncare.attention import AttentionGuide
from lesioncare.data.dataset import Batch
from lesioncare.errors import ModelError
from lesioncare.progress import track

Floats = npt.NDArray[np.float64]

__all__ = ["blurred", "deletion_and_insertion", "pixel_ranks", "replacement_curve"]

_BLUR = 0.1  # standard deviation of the blur, as a share of the shorter side: no lesion's structure survives


def deletion_and_insertion(
    network: nn.Module,
    loader: Iterable[Batch],
    steps: int,
    *,
    target_layer: str | None = None,
    title: str = "Deletion and insertion",
) -> tuple[Floats, Floats] | None:
    """Blur, or show, each image's pixels in the order of its true class's map, and watch that class.

    Args:
        network: images [N, 3, H, W] -> logits [N, C]; put into evaluation mode.
        loader: batches of labelled images.
        steps: S, at least 1.
        target_layer: see `AttentionGuide`.
        title: of the progress bar.

    Returns:
        Probability of the true class after 0, ..., S steps, [N, S + 1]: pixels blurred, and pixels shown in a
        blurred image; rows of NaN where the map is constant. None if no target layer can be found.
    """
    network.eval()
    device = next(network.parameters()).device
    guide = AttentionGuide(network, target_layer=target_layer, gradient="half")
    deletion, insertion = [], []
    for batch in track(loader, title, "batches"):
        images, labels = batch["images"].to(device), batch["labels"].to(device)
        try:
            with guide.watch(always=True):
                network(images)
            maps = guide.class_activation_map(labels).detach().float()
        except ModelError:
            return None
        ranks, soft = pixel_ranks(maps, (images.shape[-2], images.shape[-1])), blurred(images)
        deletion.append(replacement_curve(network, (images, soft), ranks, labels, steps))
        insertion.append(replacement_curve(network, (soft, images), ranks, labels, steps))
        constant = (maps.amax((1, 2)) == maps.amin((1, 2))).cpu().numpy()
        deletion[-1][constant] = insertion[-1][constant] = np.nan
    return np.concatenate(deletion), np.concatenate(insertion)


def blurred(images: Tensor) -> Tensor:
    """Images [N, 3, H, W] after a Gaussian blur of a tenth of their shorter side."""
    sigma = _BLUR * min(images.shape[-2:])
    kernel = 2 * max(1, round(2 * sigma)) + 1
    soft: Tensor = images_functional.gaussian_blur(images, [kernel, kernel], [sigma, sigma])
    return soft


def pixel_ranks(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Each pixel's place in the order of the map, stretched bilinearly; 0 is the highest, [N, H, W]."""
    large = functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    order = large.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view_as(large)


@torch.inference_mode()
def replacement_curve(
    network: nn.Module, pair: tuple[Tensor, Tensor], ranks: Tensor, labels: Tensor, steps: int
) -> Floats:
    """Probability of the labels after 0, ..., S steps, [N, S + 1].

    After s steps the s / S of the pixels that rank first are those of the second images, the others those of
    the first.

    Args:
        network: images -> logits.
        pair: first and second images, each [N, 3, H, W].
        ranks: [N, H, W], of `pixel_ranks`.
        labels: [N], class codes.
        steps: S.
    """
    pixels = ranks.shape[-2] * ranks.shape[-1]
    first, second = pair
    columns = []
    for step in range(steps + 1):
        replaced = (ranks < step * pixels / steps)[:, None]
        probabilities = network(torch.where(replaced, second, first)).double().softmax(dim=1)
        columns.append(probabilities.gather(1, labels[:, None])[:, 0].cpu().numpy())
    return np.stack(columns, axis=1)
