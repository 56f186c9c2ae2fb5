"""Boxes of many images, with what a file says beside them: the images, their sizes and the classes."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from lesioncare.boxes.box import Box
from lesioncare.errors import DataError

Size = tuple[int, int]
MAX_NAME = 1000
"""Longest image id or class name in characters."""
MAX_PIXEL = 1e7
"""Largest corner in pixels, either sign: far beyond any image, and small enough to compute with."""

__all__ = ["MAX_NAME", "MAX_PIXEL", "BoxSet", "Size", "check_name"]


@dataclass(frozen=True, slots=True)
class BoxSet:
    """Boxes and the images that they are on, the images without any box included.

    Args:
        boxes: in the order of the file.
        images: width and height in pixels of each image by its id, None where unknown. An image that is
            here and has no box is known to have none.
        classes: names of the classes in the order of their numbers; also those that no box has.

    Raises:
        DataError: a box is on an image or of a class that is not here, a class is there twice, a size is
            not positive, a corner is beyond `MAX_PIXEL`, or a name cannot be one (see `check_name`).

    Example:
        >>> boxes = BoxSet.of([Box("a.jpg", 1, 2, 3, 4, label="df")], images={"b.jpg": (600, 450)})
        >>> boxes.classes, list(boxes.images)
        (('df',), ['b.jpg', 'a.jpg'])
    """

    boxes: tuple[Box, ...] = ()
    images: Mapping[str, Size | None] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", tuple(self.boxes))
        object.__setattr__(self, "images", MappingProxyType(dict(self.images)))
        object.__setattr__(self, "classes", tuple(self.classes))
        for image, size in self.images.items():
            check_name(image, "an image id")
            if size is not None and min(size) < 1:
                raise DataError(f"image {image!r}: the size must be positive, but got {size}.")
        self._check_classes()
        far = next((box for box in self.boxes if max(map(abs, box.xyxy)) > MAX_PIXEL), None)
        if far is not None:
            raise DataError(f"box of {far.image!r}: the corners {far.xyxy} are beyond any image.")
        strange = next((box for box in self.boxes if box.image not in self.images), None)
        if strange is not None:
            raise DataError(f"a box is on the image {strange.image!r}, which is not among the images.")

    def __reduce__(self) -> tuple[type["BoxSet"], tuple[object, ...]]:
        # A read-only view of a dict cannot be pickled; workers get a plain dict and make their own view.
        return BoxSet, (self.boxes, dict(self.images), self.classes)

    @classmethod
    def of(
        cls,
        boxes: Iterable[Box],
        images: Mapping[str, Size | None] | None = None,
        classes: Iterable[str] = (),
    ) -> "BoxSet":
        """Add to `images` (size unknown) and to `classes` (sorted) what the boxes name and these lack."""
        boxes = tuple(boxes)
        every = {**(images or {})}
        for box in boxes:
            every.setdefault(box.image, None)
        named = tuple(classes)
        others = {box.label for box in boxes if box.label is not None} - set(named)
        return cls(boxes, every, (*named, *sorted(others)))

    def by_image(self) -> dict[str, list[Box]]:
        """Boxes of each image, in the order of the images; an empty list where there is none."""
        grouped: dict[str, list[Box]] = {image: [] for image in self.images}
        for box in self.boxes:
            grouped[box.image].append(box)
        return grouped

    def at_least(self, score: float) -> "BoxSet":
        """The same without the boxes of a lower score; their images stay."""
        return replace(self, boxes=tuple(box for box in self.boxes if box.score >= score))

    def with_sizes(self, sizes: Mapping[str, Size | None]) -> "BoxSet":
        """The same with sizes filled in where they are unknown; sizes that are known stay."""
        known = {image: size or sizes.get(image) for image, size in self.images.items()}
        return replace(self, images=known)

    def with_labels(self, labels: Mapping[str, str], classes: Iterable[str] = ()) -> "BoxSet":
        """The same with the class of its image, where `labels` has one, for each box that has none.

        The classes are followed by `classes`, and then by what the boxes name and these lack (sorted).
        """
        boxes = [box if box.label else replace(box, label=labels.get(box.image)) for box in self.boxes]
        return BoxSet.of(boxes, self.images, dict.fromkeys((*self.classes, *classes)))

    def _check_classes(self) -> None:
        for name in self.classes:
            check_name(name, "a class")
        known = set(self.classes)
        if len(known) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise DataError(f"the class {twice!r} is there twice. Give each class one number.")
        for box in self.boxes:
            if box.label is not None and box.label not in known:
                raise DataError(f"a box of {box.image!r} has the class {box.label!r}, which is not here.")


def check_name(name: str, what: str) -> str:
    """Return a name that every format can hold: not empty, no outer blanks, no control characters.

    Raises:
        DataError: the name is none; `what` says in the message what it names.
    """
    # What most names are, printable ASCII, is told at once: a file may hold a hundred thousand.
    plain = name.isascii() and name.isprintable()
    if (
        not name
        or name != name.strip()
        or len(name) > MAX_NAME
        or (not plain and any(map(_unwritable, name)))
    ):
        raise DataError(
            f"{what} must be text of 1 to {MAX_NAME} characters without outer blanks, line breaks or "
            f"control characters, but got {name[:40]!r}. Rename it."
        )
    return name


def _unwritable(character: str) -> bool:
    """Whether XML, CSV or UTF-8 has no place for a character: controls, line separators, surrogates."""
    if " " <= character <= "~":
        return False
    return character in "\ufffe\uffff" or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
