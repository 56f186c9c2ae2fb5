"""The one box type: pixel corners on one image, where it came from and how far to trust it."""

import math
from dataclasses import dataclass

from lesioncare.errors import DataError

__all__ = ["Box"]


@dataclass(frozen=True, slots=True)
class Box:
    """A lesion's bounding box in pixels of the upright image: `x1 < x2`, `y1 < y2`, origin at the top left.

    Args:
        image: the image's id, as the table has it.
        x1: left edge in pixels.
        y1: top edge in pixels.
        x2: right edge in pixels.
        y2: bottom edge in pixels.
        label: class of the lesion, if the box has one.
        source: who made it: "manual", "mbd", "segmentation:NAME", ...
        score: how far to trust it, in [0, 1].

    Raises:
        DataError: a corner is not finite, the box has no area, or the score is outside [0, 1].

    Example:
        >>> Box("a.jpg", 10, 20, 30, 60).area
        800.0
    """

    image: str
    x1: float
    y1: float
    x2: float
    y2: float
    label: str | None = None
    source: str = "manual"
    score: float = 1.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in self.xyxy):
            raise DataError(f"box of {self.image!r}: corners must be finite numbers, but got {self.xyxy}.")
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise DataError(f"box of {self.image!r}: needs x1 < x2 and y1 < y2, but got {self.xyxy}.")
        if not 0.0 <= self.score <= 1.0:
            raise DataError(f"box of {self.image!r}: the score must be in [0, 1], but got {self.score}.")

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Corners (x1, y1, x2, y2) in pixels."""
        return (self.x1, self.y1, self.x2, self.y2)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return float((self.x2 - self.x1) * (self.y2 - self.y1))
