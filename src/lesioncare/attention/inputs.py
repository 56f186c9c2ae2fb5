"""From the boxes or masks of a batch to what the guide needs, in one pass over all of them, on the CPU.

Which images are guided decides the shapes of everything after it, so it must be known to Python. Boxes come
from the CPU as a rule; deciding there costs a GPU neither a kernel nor a wait. The bookkeeping is plain
Python: for the few dozen boxes of a batch that takes less time than torch operations.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lesioncare.attention.regions import Regions, Resolution, clip
from lesioncare.errors import DataError
from lesioncare.tensors import INTEGERS

Key = tuple[int, int]
"""An image's place in the batch and a class; -1 for the class of its one label."""

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
    owner = [index for index, box in enumerate(boxes) if box.numel() for _ in range(len(box))]
    corners = _joined(boxes, (4,))
    _check_each(torch.isfinite(corners).all(dim=1), owner, boxes, "Expected boxes with finite corners")
    corners, usable = clip(corners, image_size)
    trusted = torch.ones(len(owner), dtype=torch.float32)  # also where another type is the default
    if weights is not None:
        trusted = _joined(weights, ()).float()
        _check_each((trusted >= 0) & (trusted <= 1), owner, weights, "Expected weights in [0, 1]")
        usable = usable & (trusted > 0)
    members = defaultdict[Key, list[int]](list)  # the boxes of each map
    for box, key in _keys(owner, usable, positive, box_labels):
        members[key].append(box)
    trust = trusted.tolist()
    guided = []
    padded = torch.cat((corners, corners.new_zeros(1, 4)))  # the last row, without area, is the padding
    for keys, shares in _parts(sorted(members)):
        of_each = [members[key] for key in keys]
        most = max(map(len, of_each))
        means = [sum(trust[box] for box in found) / len(found) for found in of_each]
        at = torch.tensor([found + [len(owner)] * (most - len(found)) for found in of_each])
        guided.append(Guided(*_columns(keys, shares, means), image_size, boxes=padded[at]))
    return guided


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
    if isinstance(masks, Tensor) and not masks.ndim:
        raise DataError("Expected masks of shape [N, H, W], but got a single number.")
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
    usable = ((high > 0) & (trusted > 0)).tolist()
    place = {image: at for at, image in enumerate(given) if usable[at]}  # of an image's mask in `stacked`
    keys = [(image, -1) for image in place]
    if positive is not None:
        keys = [(image, label) for image in place for label in positive[image].nonzero().flatten().tolist()]
    trust = trusted.tolist()
    guided = []
    for own, shares in _parts(keys):
        at = torch.tensor([place[image] for image, _ in own])
        columns = _columns(own, shares, [trust[place[image]] for image, _ in own])
        chosen = stacked[at.to(stacked.device, non_blocking=True)]
        guided.append(Guided(*columns, image_size, masks=chosen))
    return guided


def positive_labels(target: Tensor, logits: Tensor) -> Tensor | None:
    """Give which labels each image has, [N, C], bool, on the CPU; None if the target is one class each.

    Raises:
        DataError: the target is neither integers [N] nor zeros and ones [N, C].
    """
    if target.ndim == 1 and target.dtype in INTEGERS:
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


def _keys(
    owner: Sequence[int], usable: Tensor, positive: Tensor | None, box_labels: Sequence[Tensor] | None
) -> Iterable[tuple[int, Key]]:
    """Each usable box with the key of each map that it counts for."""
    boxes = usable.nonzero().flatten().tolist()
    if positive is None:
        if box_labels is not None:
            raise DataError("`box_labels` tell which label a box belongs to: they need a multi-hot `target`.")
        return [(box, (owner[box], -1)) for box in boxes]
    wanted = [row.nonzero().flatten().tolist() for row in positive]
    named = [-1] * len(owner)
    if box_labels is not None:
        labels, classes = _joined(box_labels, ()), positive.shape[1]
        valid = (labels >= -1) & (labels < classes) & (labels == labels.round())
        _check_each(valid, owner, box_labels, f"Expected box labels in [-1, {classes - 1}]")
        named = labels.tolist()
    return [
        (box, (owner[box], label))
        for box in boxes
        for label in wanted[owner[box]]
        if named[box] in (-1, label)
    ]


def _parts(keys: Sequence[Key]) -> list[tuple[list[Key], list[float]]]:
    """Deal out maps, ascending by image, so that no part has an image twice and the first has them all.

    Returns:
        For each part, its maps and one divided by the number of maps of their images.
    """
    maps, seen = Counter(image for image, _ in keys), Counter[int]()
    parts: list[tuple[list[Key], list[float]]] = []
    for key in keys:
        rank = seen[key[0]]
        seen[key[0]] += 1
        if rank == len(parts):
            parts.append(([], []))
        parts[rank][0].append(key)
        parts[rank][1].append(1 / maps[key[0]])
    return parts


def _columns(
    keys: Sequence[Key], shares: Sequence[float], trust: Sequence[float]
) -> tuple[Tensor, Tensor | None, Tensor]:
    """`rows`, `classes` and `weights` of a `Guided`."""
    rows, classes = torch.tensor(keys).T
    weights = [share * mean for share, mean in zip(shares, trust, strict=True)]
    return rows, None if keys[0][1] == -1 else classes, torch.tensor(weights, dtype=torch.float32)


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
    _check_each((trusted >= 0) & (trusted <= 1), range(images), weights, "Expected weights in [0, 1]")
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


def _check_each(
    valid: Tensor, owner: Sequence[int], values: Tensor | Sequence[Tensor], expected: str
) -> None:
    if not bool(valid.all()):
        index = owner[int((~valid).nonzero()[0])]
        raise DataError(f"{expected}, but image {index} has {values[index].tolist()}.")
