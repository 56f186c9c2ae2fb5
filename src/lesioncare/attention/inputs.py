"""From the boxes or masks of a batch to what the guide needs, in one pass over all of them, on the CPU.

Which images are guided decides the shapes of everything after it, so it must be known to Python. Boxes come
from the CPU as a rule; deciding there costs a GPU neither a kernel nor a wait. The bookkeeping is NumPy's: on
a few dozen numbers each of its operations takes a fraction of torch's time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesioncare.attention.regions import Regions, Resolution
from lesioncare.errors import DataError

Array = NDArray[Any]

__all__ = ["Guided", "guided_by_boxes", "guided_by_masks", "positive_labels"]


@dataclass(frozen=True)
class Guided:
    """B maps that have something to look at, no two of one image. All but masks lies on the CPU.

    Attributes:
        rows: the images' places in the batch, [B], int64, ascending.
        classes: whose map is asked for, [B], int64; None: that of each image's one label.
        weights: what each map's loss is multiplied by, [B], float32, in (0, 1]: the mean trust in its boxes,
            divided by the number of maps that its image has.
        image_size: (H, W) that the boxes or masks refer to.
        boxes: their boxes inside the image, [B, n, 4], xyxy in pixels; what has no area is padding.
        masks: or, in place of boxes, their masks, [B, H, W].
    """

    rows: Tensor
    classes: Tensor | None
    weights: Tensor
    image_size: tuple[int, int]
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def regions(self, cam: Tensor, resolution: Resolution) -> Regions:
        """Give the boxes or masks as the maps [B, h, w] see them."""
        size, device, dtype = (cam.shape[-2], cam.shape[-1]), cam.device, cam.dtype
        if self.masks is not None:
            return Regions.from_masks(self.masks, size, resolution=resolution, device=device, dtype=dtype)
        boxes = torch.empty(len(self.rows), 0, 4) if self.boxes is None else self.boxes
        return Regions(boxes, self.image_size, size, resolution=resolution, device=device, dtype=dtype)


def guided_by_boxes(
    images: int,
    boxes: Sequence[Tensor],
    weights: Tensor | Sequence[Tensor] | None,
    image_size: tuple[int, int],
    *,
    positive: Tensor | None = None,
    box_labels: Sequence[Tensor] | None = None,
) -> list[Guided]:
    """Clip the boxes of all images, drop those without area or weight, and gather the rest by map.

    Args:
        images: N.
        boxes: N tensors [n_i, 4], xyxy in pixels.
        weights: N tensors [n_i] in [0, 1]; all ones if None.
        image_size: (H, W) that the boxes refer to.
        positive: see `positive_labels`. None: every image has one label, and one map.
        box_labels: N tensors [n_i]: the label that each box belongs to, or -1 for every positive label of
            its image; all -1 if None. A box whose label is not positive counts for nothing.

    Returns:
        The guided maps: the first element has one of every guided image, the next a second one of those
        that have two, and so on; empty if there is none.

    Raises:
        DataError: the numbers of images, boxes, weights and labels differ, a box is not four finite numbers,
            a weight is not in [0, 1] or a label is none; the message names the image.
    """
    _check_lengths(images, boxes, {"weights": weights, "box_labels": box_labels})
    owner = np.repeat(np.arange(images), [len(box) if box.numel() else 0 for box in boxes])  # [M], the image
    corners = _joined(boxes, (4,))
    if corners.dtype.kind != "f":  # pixels as whole numbers, perhaps of a type too small for the image's size
        corners = corners.astype(np.float32)
    _check_each(np.all(np.isfinite(corners), axis=1), owner, boxes, "Expected boxes with finite corners")
    corners, usable = _clip(corners, image_size)
    trusted = np.ones(len(owner), np.float32)
    if weights is not None:
        trusted = _joined(weights, ()).astype(np.float32)
        _check_each((trusted >= 0) & (trusted <= 1), owner, weights, "Expected weights in [0, 1]")
        usable &= trusted > 0
    if positive is None:
        if box_labels is not None:
            raise DataError("`box_labels` tell which label a box belongs to: they need a multi-hot `target`.")
        return _gathered(owner[usable], corners[usable], trusted[usable], image_size)
    labels = positive.numpy()
    entry, classes = _memberships(labels, owner, box_labels, usable).nonzero()
    keys = owner[entry] * labels.shape[1] + classes
    return _gathered(keys, corners[entry], trusted[entry], image_size, num_classes=labels.shape[1])


def guided_by_masks(
    images: int,
    masks: Tensor | Sequence[Tensor | None],
    weights: Tensor | Sequence[Tensor] | None,
    image_size: tuple[int, int],
    *,
    positive: Tensor | None = None,
) -> list[Guided]:
    """Find the images whose mask is not empty; they are guided as images with boxes are.

    Args:
        images: N.
        masks: [N, H, W], or N tensors [H, W] or None, in [0, 1], of any type.
        weights: how far each mask is trusted, [N], in [0, 1]; all ones if None.
        image_size: (H, W).
        positive: see `positive_labels`; a mask counts for every positive label of its image.

    Returns:
        As `guided_by_boxes`.

    Raises:
        DataError: the numbers of images, masks and weights differ, a mask has another size than the image or
            a value outside [0, 1], or a weight is not in [0, 1]; the message names the image.
    """
    _check_length("masks", len(masks), images)
    given = [index for index, mask in enumerate(masks) if mask is not None]
    trusted = _mask_weights(images, weights)[given]
    if not given:
        return []
    stacked = _stacked(masks, given, image_size)
    low, high = torch.stack(stacked.flatten(1).aminmax(dim=1)).cpu()  # the one transfer
    for index, least, most in zip(given, low.tolist(), high.tolist(), strict=True):
        if not (least >= 0 and most <= 1):
            raise DataError(
                f"Expected masks in [0, 1], but that of image {index} has values from {least} to {most}."
            )
    (place,) = ((high.numpy() > 0) & (trusted > 0)).nonzero()
    rows, classes = np.asarray(given)[place], None
    if positive is not None:
        entry, classes = positive.numpy()[rows].nonzero()
        rows, place = rows[entry], place[entry]
    return [
        Guided(
            *_tensors(rows[part], None if classes is None else classes[part], share * trusted[place[part]]),
            image_size,
            masks=stacked[torch.from_numpy(place[part]).to(stacked.device, non_blocking=True)],
        )
        for part, share in _parts(rows)
    ]


def positive_labels(target: Tensor, logits: Tensor) -> Tensor | None:
    """Give which labels each image has, [N, C], bool, on the CPU; None if the target is one class each.

    Raises:
        DataError: the target is neither integers [N] nor zeros and ones [N, C].
    """
    if target.ndim == 1 and not target.is_floating_point():
        _check_length("target", len(target), len(logits))
        return None
    if target.shape != logits.shape:
        raise DataError(
            f"Expected `target` to be integers [N], or zeros and ones {list(logits.shape)} for several "
            f"labels, but got {target.dtype} of shape {list(target.shape)}."
        )
    values = target.detach().cpu()
    valid = (values == 0) | (values == 1)
    if not bool(valid.all()):
        raise DataError(f"Expected a `target` of several labels to be 0 or 1, but got {values[~valid][0]}.")
    return values == 1


def _memberships(positive: Array, owner: Array, box_labels: Sequence[Tensor] | None, usable: Array) -> Array:
    """Whether each box counts for each class, [M, C]."""
    wanted: Array = positive[owner] & usable[:, None]
    if box_labels is None:
        return wanted
    labels, classes = _joined(box_labels, ()), positive.shape[1]
    valid = (labels >= -1) & (labels < classes) & (labels == labels.round())
    _check_each(valid, owner, box_labels, f"Expected box labels in [-1, {classes - 1}]")
    wanted &= (labels[:, None] == -1) | (labels[:, None] == np.arange(classes))
    return wanted


def _gathered(
    keys: Array,
    corners: Array,
    trusted: Array,
    image_size: tuple[int, int],
    *,
    num_classes: int | None = None,
) -> list[Guided]:
    """Gather boxes [M, 4] by the map that each belongs to, [M]: its image; or image * num_classes + class."""
    if not len(keys):
        return []
    order = keys.argsort(kind="stable")
    found, place, counts = np.unique(keys[order], return_inverse=True, return_counts=True)
    padded = np.zeros((len(found), counts.max(), 4), corners.dtype)
    padded[place, _ranks(counts)] = corners[order]
    trust = (np.bincount(place, trusted[order]) / counts).astype(np.float32)
    rows, classes = (found, None) if num_classes is None else np.divmod(found, num_classes)
    return [
        Guided(
            *_tensors(rows[part], None if classes is None else classes[part], share * trust[part]),
            image_size,
            boxes=torch.from_numpy(padded[part]),
        )
        for part, share in _parts(rows)
    ]


def _parts(rows: Array) -> list[tuple[Array | slice, Array]]:
    """Deal out maps, [P] ascending by image, so that no part has an image twice and the first has them all.

    Returns:
        For each part, which maps it has and one divided by the number of maps of their images, float32.
    """
    maps = np.unique(rows, return_counts=True)[1]  # of each image
    if (maps == 1).all():
        return [(slice(None), np.ones(len(rows), np.float32))] if len(rows) else []
    rank, share = _ranks(maps), np.repeat(1 / maps.astype(np.float32), maps)
    return [(rank == number, share[rank == number]) for number in range(maps.max())]


def _ranks(counts: Array) -> Array:
    """The place of each element within its run, of runs of these lengths: [2, 3] -> [0, 1, 0, 1, 2]."""
    before: Array = np.repeat(counts.cumsum() - counts, counts)
    return np.arange(counts.sum()) - before


def _tensors(rows: Array, classes: Array | None, weights: Array) -> tuple[Tensor, Tensor | None, Tensor]:
    return (
        torch.from_numpy(rows),
        None if classes is None else torch.from_numpy(classes),
        torch.from_numpy(weights),
    )


def _stacked(
    masks: Tensor | Sequence[Tensor | None], given: list[int], image_size: tuple[int, int]
) -> Tensor:
    """The masks that are given, [G, H, W], as they come."""
    found = [mask for mask in masks if mask is not None]
    for index, mask in zip(given, found, strict=True):
        if mask.shape != tuple(image_size):
            raise DataError(
                f"Expected masks of the image's size {list(image_size)}, but that of image {index} has "
                f"{list(mask.shape)}; resize it, or tell the guide its size: image_size=(height, width)."
            )
    if isinstance(masks, Tensor):
        return masks.detach()
    return torch.stack(_together(found))


def _mask_weights(images: int, weights: Tensor | Sequence[Tensor] | None) -> Array:
    if weights is None:
        return np.ones(images, np.float32)
    if not isinstance(weights, Tensor) or weights.shape != (images,):
        raise DataError(
            f"Expected `weights` of masks to be one tensor [{images}], one weight for each image."
        )
    trusted = _array(weights.detach()).astype(np.float32)
    _check_each((trusted >= 0) & (trusted <= 1), np.arange(images), weights, "Expected weights in [0, 1]")
    return trusted


def _clip(boxes: Array, image_size: tuple[int, int]) -> tuple[Array, Array]:
    """Clip finite boxes [n, 4] to the image; give them all, and the mask [n] of those that keep area."""
    height, width = image_size
    clipped = np.clip(boxes, 0, np.asarray((width, height, width, height), boxes.dtype))
    return clipped, (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])


def _joined(tensors: Tensor | Sequence[Tensor], shape: tuple[int, ...]) -> Array:
    """All rows of all tensors, on the CPU: [M, *shape]. One transfer, where they lie on one other device."""
    filled = _together([tensor for tensor in tensors if tensor.numel()])
    return _array(torch.cat(filled)) if filled else np.zeros((0, *shape), np.float32)


def _array(tensor: Tensor) -> Array:
    """The numbers on the CPU; NumPy has no bfloat16."""
    return tensor.float().cpu().numpy() if tensor.dtype == torch.bfloat16 else tensor.cpu().numpy()


def _together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors without their graphs, on one device: theirs, or the CPU if they lie on several."""
    several = len({tensor.device for tensor in tensors}) > 1
    return [tensor.detach().cpu() if several else tensor.detach() for tensor in tensors]


def _check_lengths(
    images: int, boxes: Sequence[Tensor], others: dict[str, Tensor | Sequence[Tensor] | None]
) -> None:
    """Check that there is one entry for each image, and in it one for each box."""
    _check_length("boxes", len(boxes), images)
    for box in boxes:
        if box.numel() and (box.ndim != 2 or box.shape[1] != 4):
            raise DataError(f"Expected boxes of shape [n, 4] in xyxy, but got {list(box.shape)}.")
    for name, values in others.items():
        if values is None:
            continue
        _check_length(name, len(values), images)
        for index, (box, value) in enumerate(zip(boxes, values, strict=True)):
            if value.shape != (len(box),):
                raise DataError(
                    f"Image {index} has {len(box)} boxes but `{name}` of shape {list(value.shape)}."
                )


def _check_length(name: str, length: int, images: int) -> None:
    if length != images:
        raise DataError(
            f"Expected `{name}` to have one entry for each of the {images} images, but got {length}."
        )


def _check_each(valid: Array, owner: Array, values: Tensor | Sequence[Tensor], expected: str) -> None:
    if not valid.all():
        index = int(owner[~valid][0])
        raise DataError(f"{expected}, but image {index} has {values[index].tolist()}.")
