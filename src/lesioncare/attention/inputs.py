"""From the boxes or masks of a batch to what the guide needs, in one pass over all of them, on the CPU.

Which images are guided decides the shapes of everything after it, so it must be known to Python. Boxes come
from the CPU as a rule; deciding there costs a GPU neither a kernel nor a wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lesioncare.attention.regions import Regions, Resolution, clip
from lesioncare.errors import DataError

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
    if positive is None:
        if box_labels is not None:
            raise DataError("`box_labels` tell which label a box belongs to: they need a multi-hot `target`.")
        return _gathered(owner[usable], corners[usable], trusted[usable], image_size)
    entry, classes = _memberships(positive, owner, box_labels, usable).nonzero(as_tuple=True)
    keys = owner[entry] * positive.shape[1] + classes
    return _gathered(keys, corners[entry], trusted[entry], image_size, num_classes=positive.shape[1])


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
    place = ((high > 0) & (trusted > 0)).nonzero().squeeze(1)
    rows, classes = torch.tensor(given)[place], None
    if positive is not None:
        entry, classes = positive[rows].nonzero(as_tuple=True)
        rows, place = rows[entry], place[entry]
    return [
        Guided(
            rows[part],
            None if classes is None else classes[part],
            share * trusted[place[part]],
            image_size,
            masks=stacked[place[part].to(stacked.device, non_blocking=True)],
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


def _memberships(
    positive: Tensor, owner: Tensor, box_labels: Sequence[Tensor] | None, usable: Tensor
) -> Tensor:
    """Whether each box counts for each class, [M, C]."""
    wanted = positive[owner] & usable[:, None]
    if box_labels is None:
        return wanted
    labels, classes = _joined(box_labels, ()), positive.shape[1]
    valid = (labels >= -1) & (labels < classes) & (labels == labels.round())
    _check_each(valid, owner, box_labels, f"Expected box labels in [-1, {classes - 1}]")
    return wanted & ((labels[:, None] == -1) | (labels[:, None] == torch.arange(classes)))


def _gathered(
    keys: Tensor,
    corners: Tensor,
    trusted: Tensor,
    image_size: tuple[int, int],
    *,
    num_classes: int | None = None,
) -> list[Guided]:
    """Gather boxes [M, 4] by the map that each belongs to, [M]: its image; or image * num_classes + class."""
    if not len(keys):
        return []
    order = keys.argsort(stable=True)
    found = keys.bincount().nonzero().squeeze(1)
    place = torch.searchsorted(found, keys[order])
    counts = place.bincount()
    slot = torch.arange(len(keys)) - (counts.cumsum(0) - counts)[place]  # of each box among its map's
    padded = corners.new_zeros(len(found), int(counts.max()), 4)
    padded[place, slot] = corners[order]
    trust = trusted.new_zeros(len(found)).index_add_(0, place, trusted[order]) / counts
    rows, classes = (found, None) if num_classes is None else (found // num_classes, found % num_classes)
    return [
        Guided(
            rows[part],
            None if classes is None else classes[part],
            share * trust[part],
            image_size,
            boxes=padded[part],
        )
        for part, share in _parts(rows)
    ]


def _parts(rows: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Deal out maps, [P] ascending by image, so that no part has an image twice and the first has them all.

    Returns:
        For each part, which maps it has and one divided by the number of maps of their images.
    """
    if not len(rows):
        return []
    maps = rows.bincount()  # of each image
    rank = torch.arange(len(rows)) - (maps.cumsum(0) - maps)[rows]  # of each map among its image's
    parts = [(rank == number).nonzero().squeeze(1) for number in range(int(maps.max()))]
    return [(part, 1 / maps[rows[part]].float()) for part in parts]


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


def _mask_weights(images: int, weights: Tensor | Sequence[Tensor] | None) -> Tensor:
    if weights is None:
        return torch.ones(images, dtype=torch.float32)
    if not isinstance(weights, Tensor) or weights.shape != (images,):
        raise DataError(
            f"Expected `weights` of masks to be one tensor [{images}], one weight for each image."
        )
    trusted = weights.detach().cpu().float()
    _check_each((trusted >= 0) & (trusted <= 1), torch.arange(images), weights, "Expected weights in [0, 1]")
    return trusted


def _joined(tensors: Tensor | Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """All rows of all tensors, on the CPU: [M, *shape]. One transfer, where they lie on one other device."""
    filled = _together([tensor for tensor in tensors if tensor.numel()])
    return torch.cat(filled).cpu() if filled else torch.zeros(0, *shape, dtype=torch.float32)


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


def _check_each(valid: Tensor, owner: Tensor, values: Tensor | Sequence[Tensor], expected: str) -> None:
    if not bool(valid.all()):
        index = int(owner[~valid][0])
        raise DataError(f"{expected}, but image {index} has {values[index].tolist()}.")
