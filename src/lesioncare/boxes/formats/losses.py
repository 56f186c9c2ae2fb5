"""What a format cannot hold of a set of boxes, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.formats.folder import stem_of
from lesioncare.boxes.formats.yolo import UNLABELLED
from lesioncare.words import several

__all__ = ["Losses", "losses_of"]


@dataclass(frozen=True, slots=True)
class Losses:
    """What a written file lacks of the set; false if nothing.

    Args:
        format: name of the format.
        lost: one phrase per thing that reading the file back does not give.

    Example:
        >>> print(Losses("yolo", ("the score of 2 boxes",)))
        yolo cannot hold the score of 2 boxes.
        >>> print(Losses("coco", ()))
        coco holds everything.
    """

    format: str
    lost: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lost)

    def __str__(self) -> str:
        if not self.lost:
            return f"{self.format} holds everything."
        return f"{self.format} cannot hold {'; '.join(self.lost)}."


def losses_of(boxset: BoxSet, name: str, holds: frozenset[str]) -> Losses:
    """What the format `name`, which holds the features `holds`, loses of this set.

    Defaults are no loss, nor is rounding, which moves no corner by more than a millionth of a pixel.
    """
    return Losses(name, tuple(_lost(boxset, holds)))


def _lost(boxset: BoxSet, holds: frozenset[str]) -> Iterator[str]:
    labels = {box.label for box in boxset.boxes}
    bare = sum(box.label is None for box in boxset.boxes)
    counts = {
        "label": (len(boxset.boxes) - bare, "the class of {}"),
        "source": (sum(box.source != "manual" for box in boxset.boxes), "the source of {}"),
        "score": (sum(box.score != 1 for box in boxset.boxes), "the score of {}"),
    }
    if "label" in holds:
        counts["unlabelled"] = (bare, f"the lack of a class of {{}} (written as {UNLABELLED!r})")
    for feature, (count, phrase) in counts.items():
        if count and feature not in holds:
            yield phrase.format(several(count, "box", "boxes"))
    sized = sum(size is not None for size in boxset.images.values())
    if sized and "size" not in holds:
        yield f"the size of {several(sized, 'image')}"
    if {"label", "classes"} & holds == {"label"} and boxset.classes != tuple(
        sorted(label for label in labels if label)
    ):
        classes = several(len(boxset.classes), "class", "classes")
        yield f"the list of {classes}, with its order and those without a box"
    if "id" not in holds and any(stem_of(image) == image for image in boxset.images):
        yield "image ids without a suffix (they come back with that of the image file)"
