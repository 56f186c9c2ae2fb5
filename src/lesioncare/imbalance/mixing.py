r"""Mixing the images of a batch, with soft targets, and with boxes that remain true.

Image a is mixed with its partner b, and the target becomes share q_a = lam of class y_a and q_b = 1 - lam of
class y_b. One map is asked for per image, so of the two classes one is chosen, and only its own boxes count:
those of the other class say nothing about this map. The rules are the same for mixup and CutMix:

* y_a != y_b: the class with the larger share among those that have a box left. Its boxes' weights are
  multiplied by its share, for only so much of the target speaks for that map.
* y_a = y_b: the one class' map may look at either lesion, so both images' boxes count, at their full weights.
  If only one of the images has boxes, none count: where the other's lesion is, is not known.

Mixing works on whatever a network learns from: images, or the features of its frozen part (mixup is then
manifold mixup, Verma et al., ICML 2019). Boxes are always in pixels of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lesioncare.errors import ConfigError, DataError

Patch = tuple[int, int, int, int]
Corners = tuple[float, float, float, float]
_Marked = list[tuple[Corners, float]]
"""Boxes with their weights."""

__all__ = ["MixBatch", "Mixer", "cutmix", "mixup"]


@dataclass(frozen=True)
class MixBatch:
    """N images and what is known of them.

    Attributes:
        images: [N, ...]: images [N, 3, H, W], or features; may be on another device than all the rest.
        targets: share of each class, [N, C].
        labels: the class that the boxes speak for, int64 [N].
        boxes: N tensors [n, 4], xyxy in pixels of the image.
        weights: N tensors [n].
    """

    images: Tensor
    targets: Tensor
    labels: Tensor
    boxes: Sequence[Tensor]
    weights: Sequence[Tensor]


@dataclass(frozen=True)
class Mixer:
    """Draws partners and shares for a batch, and mixes it.

    lam is drawn from Beta(alpha, alpha), once per batch, and partners are a random permutation of the batch.

    Args:
        kind: "mixup" or "cutmix".
        alpha: above 0; 1 draws every share alike, less gives mostly one image.
        num_classes: C.
        image_size: (H, W) that boxes refer to.
    """

    kind: Literal["mixup", "cutmix"]
    alpha: float
    num_classes: int
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ConfigError(f"Expected `alpha` to be above 0, but got {self.alpha}.")

    def __call__(
        self,
        images: Tensor,
        labels: Tensor,
        boxes: Sequence[Tensor],
        weights: Sequence[Tensor],
        generator: np.random.Generator,
    ) -> MixBatch:
        """Mix a batch with hard labels [N].

        Raises:
            ConfigError: CutMix got what has no height and width.
            DataError: the labels are no classes, or not as many as the images.
        """
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"Expected int64 labels of shape [{len(images)}], but got {labels.dtype} "
                f"of {list(labels.shape)}."
            )
        # On a GPU this would wait for it in every step.
        if labels.device.type == "cpu" and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            raise DataError(f"Expected classes in [0, {self.num_classes}), but got {labels.tolist()}.")
        targets = functional.one_hot(labels, self.num_classes).to(torch.float32)
        batch = MixBatch(images, targets, labels, boxes, weights)
        lam = float(generator.beta(self.alpha, self.alpha))
        partners: list[int] = generator.permutation(len(images)).tolist()
        if self.kind == "mixup":
            return mixup(batch, partners, lam)
        return cutmix(batch, partners, _patch(images, lam, generator), self.image_size)


def mixup(batch: MixBatch, partners: Sequence[int], lam: float) -> MixBatch:
    r"""Overlay each image with its partner.

        x = lam x_a + (1 - lam) x_b,    q = lam q_a + (1 - lam) q_b

    Both lesions stay where they were, the fainter the smaller the share; boxes by the rules above.

    Source: Zhang et al., mixup: beyond empirical risk minimization, ICLR 2018, equation 1.

    Args:
        batch: one label each.
        partners: index of each image's partner, [N].
        lam: in [0, 1].
    """
    images = lam * batch.images + (1 - lam) * _taken(batch.images, partners)
    both = _marked(batch)
    return _joined(batch, images, partners, lam, (both, both))


def cutmix(batch: MixBatch, partners: Sequence[int], patch: Patch, image_size: tuple[int, int]) -> MixBatch:
    r"""Paste a patch of its partner into each image, at the place where it was.

        x = x_b in the patch and x_a elsewhere,    q = lam q_a + (1 - lam) q_b,    lam = 1 - patch area / area

    Of a box of a, what the patch hides is cut out: what is left of it is the same box, up to four smaller
    ones, or none. Of a box of b, what lies in the patch is kept. In both cases the weight is multiplied by
    the visible share of the box, for a sliver of a box shows the lesion hardly or not at all. Then the rules
    above.

    On features the patch is one of whole cells, and covers the pixels that lie below them. Cells also see
    beyond their own pixels, so that the edge is less sharp than in an image.

    Source: Yun et al., CutMix: regularization strategy to train strong classifiers with localizable features,
    ICCV 2019, equation 1.

    Args:
        batch: one label each; its images are [N, K, h, w].
        partners: index of each image's partner, [N].
        patch: (x1, y1, x2, y2) in columns and rows of `batch.images`.
        image_size: (H, W) that boxes refer to.

    Raises:
        ConfigError: the images have no height and width.
    """
    height, width = _grid(batch.images)
    x1, y1, x2, y2 = patch
    images = batch.images.clone()
    images[..., y1:y2, x1:x2] = _taken(batch.images[..., y1:y2, x1:x2], partners)
    lam = 1 - (x2 - x1) * (y2 - y1) / (width * height)
    rows, columns = image_size[0] / height, image_size[1] / width
    hole = (x1 * columns, y1 * rows, x2 * columns, y2 * rows)
    both = _marked(batch)
    around = [[part for mark in marks for part in _outside(mark, hole)] for marks in both]
    within = [[part for mark in marks for part in _inside(mark, hole)] for marks in both]
    return _joined(batch, images, partners, lam, (around, within))


def _taken(images: Tensor, partners: Sequence[int]) -> Tensor:
    """Each image's partner; indexing by a list would wait for the device."""
    return images[torch.tensor(partners).to(images.device, non_blocking=True)]


def _joined(
    batch: MixBatch,
    images: Tensor,
    partners: Sequence[int],
    lam: float,
    left: tuple[list[_Marked], list[_Marked]],
) -> MixBatch:
    """Mix targets, and choose each image's class and boxes; `left` is what a and b keep of theirs."""
    labels, boxes, weights = batch.labels.tolist(), list[Tensor](), list[Tensor]()
    for own, other in enumerate(partners):
        if own != other:
            known = len(batch.boxes[own]) > 0, len(batch.boxes[other]) > 0
            classes = labels[own], int(batch.labels[other])
            label, marks = _choice(classes, known, lam, (left[0][own], left[1][other]))
            labels[own] = label
        else:  # an image mixed with itself is as it was
            marks = _marked(batch)[own]
        like_boxes, like_weights = batch.boxes[own], batch.weights[own]
        boxes.append(like_boxes.new_tensor([corners for corners, _ in marks]).reshape(-1, 4))
        weights.append(like_weights.new_tensor([weight for _, weight in marks]))
    targets = lam * batch.targets + (1 - lam) * batch.targets[list(partners)]
    return MixBatch(images, targets, batch.labels.new_tensor(labels), boxes, weights)


def _choice(
    classes: tuple[int, int], known: tuple[bool, bool], lam: float, left: tuple[_Marked, _Marked]
) -> tuple[int, _Marked]:
    """The class whose map is asked for, and its boxes."""
    if classes[0] == classes[1]:
        return classes[0], [*left[0], *left[1]] if all(known) else []
    shares = lam, 1 - lam
    first = 0 if lam >= 0.5 else 1
    for side in (first, 1 - first):
        if left[side]:
            return classes[side], [(corners, weight * shares[side]) for corners, weight in left[side]]
    return classes[first], []


def _marked(batch: MixBatch) -> list[_Marked]:
    return [
        [(tuple(corners), weight) for corners, weight in zip(boxes.tolist(), trust.tolist(), strict=True)]
        for boxes, trust in zip(batch.boxes, batch.weights, strict=True)
    ]


def _inside(mark: tuple[Corners, float], hole: Corners) -> _Marked:
    """What of a box lies in the hole, its weight multiplied by its share of the box."""
    corners, weight = mark
    shared = _intersection(corners, hole)
    return [(shared, weight * _area(shared) / _area(corners))] if _area(shared) > 0 else []


def _outside(mark: tuple[Corners, float], hole: Corners) -> _Marked:
    """What of a box lies around the hole: above, below, left and right of it."""
    corners, weight = mark
    hidden = _intersection(corners, hole)
    if _area(hidden) <= 0:
        return [mark]
    (x1, y1, x2, y2), (left, top, right, bottom) = corners, hidden
    strips = [(x1, y1, x2, top), (x1, bottom, x2, y2), (x1, top, left, bottom), (right, top, x2, bottom)]
    visible = weight * (1 - _area(hidden) / _area(corners))
    return [(strip, visible) for strip in strips if _area(strip) > 0]


def _intersection(one: Corners, other: Corners) -> Corners:
    x1, y1 = max(one[0], other[0]), max(one[1], other[1])
    return x1, y1, max(x1, min(one[2], other[2])), max(y1, min(one[3], other[3]))


def _area(corners: Corners) -> float:
    return (corners[2] - corners[0]) * (corners[3] - corners[1])


def _patch(images: Tensor, lam: float, generator: np.random.Generator) -> Patch:
    """A patch of area (1 - lam) h w around a random cell, cut off at the edges."""
    height, width = _grid(images)
    side = (1 - lam) ** 0.5
    tall, wide = round(height * side), round(width * side)
    top, left = int(generator.integers(height)) - tall // 2, int(generator.integers(width)) - wide // 2
    return max(left, 0), max(top, 0), min(left + wide, width), min(top + tall, height)


def _grid(images: Tensor) -> tuple[int, int]:
    if images.ndim != 4:
        raise ConfigError(
            f"CutMix needs images or feature maps [N, K, h, w], but got {list(images.shape)}: "
            "freeze less of the model, or choose --remedy mixup."
        )
    return int(images.shape[-2]), int(images.shape[-1])
