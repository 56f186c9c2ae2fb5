"""From the boxes of a batch to what the guide needs, in one pass over all of them, on the CPU.

Which images are guided decides the shapes of everything after it, so it must be known to Python. Boxes come
from the CPU as a rule; deciding there costs a GPU neither a kernel nor a wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lesioncare.attention.regions import clip
from lesioncare.errors import DataError

__all__ = ["Guided", "check_target", "guided_by_boxes"]


@dataclass(frozen=True)
class Guided:
    """The B images of a batch that have a usable box. Everything lies on the CPU.

    Attributes:
        rows: their places in the batch, [B], int64, ascending.
        boxes: their boxes inside the image, [B, n, 4], xyxy in pixels; what has no area is padding.
        trust: the mean weight of each image's boxes, [B], float32, in (0, 1].
    """

    rows: Tensor
    boxes: Tensor
    trust: Tensor

    def __len__(self) -> int:
        return len(self.rows)


def guided_by_boxes(
    images: int, boxes: Sequence[Tensor], weights: Sequence[Tensor] | None, image_size: tuple[int, int]
) -> Guided:
    """Clip the boxes of all images, drop those without area or weight, and gather the rest by image.

    Args:
        images: N.
        boxes: N tensors [n_i, 4], xyxy in pixels.
        weights: N tensors [n_i] in [0, 1]; all ones if None.
        image_size: (H, W) that the boxes refer to.

    Raises:
        DataError: the numbers of images, boxes and weights differ, a box is not four finite numbers, or a
            weight is not in [0, 1]; the message names the image.
    """
    _check_lengths(images, boxes, weights)
    counts = [len(box) if box.numel() else 0 for box in boxes]
    owner = torch.repeat_interleave(torch.tensor(counts, dtype=torch.int64))  # [M], the image of each box
    corners = _joined(boxes, (4,))
    _check_each(torch.isfinite(corners).all(dim=1), owner, boxes, "Expected boxes with finite corners")
    corners, usable = clip(corners, image_size)
    trusted = torch.ones(len(owner), dtype=torch.float32)  # also where another type is the default
    if weights is not None:
        trusted = _joined(weights, ()).float()
        _check_each((trusted >= 0) & (trusted <= 1), owner, weights, "Expected weights in [0, 1]")
        usable = usable & (trusted > 0)
    return _gathered(images, owner[usable], corners[usable], trusted[usable])


def check_target(target: Tensor, images: int) -> None:
    """Refuse what is not one class for each image.

    Raises:
        DataError: not integers [N].
    """
    if target.ndim != 1 or target.is_floating_point():
        raise DataError(
            f"Expected `target` to be integers [N], but got {target.dtype} of shape {list(target.shape)}."
        )
    _check_length("target", len(target), images)


def _gathered(images: int, owner: Tensor, corners: Tensor, trusted: Tensor) -> Guided:
    """Gather boxes [M, 4] by the image that owns each, [M] ascending."""
    counts = owner.bincount(minlength=images)
    rows = counts.nonzero().squeeze(1)
    place = (counts > 0).cumsum(0) - 1  # of each image among the guided ones
    slot = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]  # of each box among its image's
    padded = corners.new_zeros(len(rows), int(counts.max()) if images else 0, 4)
    padded[place[owner], slot] = corners
    trust = trusted.new_zeros(images).index_add_(0, owner, trusted) / counts
    return Guided(rows, padded, trust[rows])


def _joined(tensors: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """All rows of all tensors, on the CPU: [M, *shape]. One transfer, where they lie on one other device."""
    filled = [tensor.detach() for tensor in tensors if tensor.numel()]
    if not filled:
        return torch.zeros(0, *shape, dtype=torch.float32)
    if len({tensor.device for tensor in filled}) > 1:
        filled = [tensor.cpu() for tensor in filled]
    return torch.cat(filled).cpu()


def _check_lengths(images: int, boxes: Sequence[Tensor], weights: Sequence[Tensor] | None) -> None:
    _check_length("boxes", len(boxes), images)
    for box in boxes:
        if box.numel() and (box.ndim != 2 or box.shape[1] != 4):
            raise DataError(f"Expected boxes of shape [n, 4] in xyxy, but got {list(box.shape)}.")
    if weights is None:
        return
    _check_length("weights", len(weights), images)
    for index, (box, weight) in enumerate(zip(boxes, weights, strict=True)):
        if weight.shape != (len(box),):
            raise DataError(f"Image {index} has {len(box)} boxes but weights of shape {list(weight.shape)}.")


def _check_length(name: str, length: int, images: int) -> None:
    if length != images:
        raise DataError(
            f"Expected `{name}` to have one entry for each of the {images} images, but got {length}."
        )


def _check_each(valid: Tensor, owner: Tensor, values: Sequence[Tensor], expected: str) -> None:
    if not bool(valid.all()):
        index = int(owner[~valid][0])
        raise DataError(f"{expected}, but image {index} has {values[index].tolist()}.")
