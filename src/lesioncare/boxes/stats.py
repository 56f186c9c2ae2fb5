"""Counts and sizes of a set of boxes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lesioncare.boxes.boxset import BoxSet

__all__ = ["BoxStats", "Spread", "stats_of"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Smallest value, quartiles and largest value, interpolated linearly."""

    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float


@dataclass(frozen=True, slots=True)
class BoxStats:
    """What a set of boxes has; a spread is None where no box tells the value.

    Args:
        images: number of images.
        bare: number of images without a box.
        boxes: number of boxes.
        classes: boxes of each class, those without a box included; None counts boxes without a class.
        sources: boxes of each source, the most frequent first.
        side: length of a box's shorter side in pixels.
        share: part of its image that a box covers, in [0, 1], where the image's size is known.
        score: trust in a box, in [0, 1].
    """

    images: int
    bare: int
    boxes: int
    classes: dict[str | None, int]
    sources: dict[str, int]
    side: Spread | None
    share: Spread | None
    score: Spread | None


def stats_of(boxset: BoxSet) -> BoxStats:
    """Count boxes, and spread their sizes and scores.

    Example:
        >>> from lesioncare.boxes import Box
        >>> stats_of(BoxSet.of([Box("a.jpg", 0, 0, 10, 20)], {"a.jpg": (40, 20), "b.jpg": None})).share.median
        0.25
    """
    labels = Counter(box.label for box in boxset.boxes)
    classes: dict[str | None, int] = {name: labels[name] for name in boxset.classes}
    if labels[None]:
        classes[None] = labels[None]
    shares = [
        box.area / (size[0] * size[1])
        for box in boxset.boxes
        if (size := boxset.images[box.image]) is not None
    ]
    return BoxStats(
        images=len(boxset.images),
        bare=len(boxset.images) - len({box.image for box in boxset.boxes}),
        boxes=len(boxset.boxes),
        classes=classes,
        sources=dict(Counter(box.source for box in boxset.boxes).most_common()),
        side=_spread(min(box.x2 - box.x1, box.y2 - box.y1) for box in boxset.boxes),
        share=_spread(shares),
        score=_spread(box.score for box in boxset.boxes),
    )


def _spread(values: Iterable[float]) -> Spread | None:
    numbers = np.fromiter(values, dtype=np.float64)
    return Spread(*np.percentile(numbers, (0, 25, 50, 75, 100)).tolist()) if numbers.size else None
