"""What a review is made of: one event for each thing that a reviewer did to the boxes of one image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lesioncare.boxes import Box
from lesioncare.boxes.boxset import check_name
from lesioncare.boxes.formats.bounds import make_box, to_number, to_object, to_objects
from lesioncare.errors import DataError

Decision = Literal["accepted", "rejected", "skipped"]
"""Accepted: the boxes, as they are now, are right. Rejected: they are wrong, and the image is left out.
Skipped: to be looked at later."""
ChangeAction = Literal["edit", "accept", "reject", "skip", "reopen", "resolve"]
"""What a reviewer does to an image."""
Action = Literal[ChangeAction, "undo", "redo"]
MAX_BOXES_OF_IMAGE = 500
_encode = json.JSONEncoder(ensure_ascii=False).encode

__all__ = [
    "MAX_BOXES_OF_IMAGE",
    "Action",
    "ChangeAction",
    "Decision",
    "Event",
    "Opinion",
    "box_from_json",
    "box_to_json",
    "boxes_from_json",
    "opinion_from_text",
]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody holds of an image: a decision, if it was made, and the boxes."""

    decision: Decision | None = None
    boxes: tuple[Box, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As json values."""
        return {"decision": self.decision, "boxes": [box_to_json(box) for box in self.boxes]}

    def to_text(self) -> str:
        """As json text, for the store."""
        return _encode(self.to_json())


@dataclass(frozen=True, slots=True)
class Event:
    """One thing done to one image.

    Args:
        number: its place in the review, from 1; no number comes twice.
        key: made by the page, so that the same event sent twice is kept once.
        time: UTC, ISO 8601.
        reviewer: who.
        image: the image's number in the review.
        action: what was done.
        parents: the events whose outcome the reviewer saw when this was done; none where it was the file's.
        before: what the image was to the reviewer before.
        after: what it is to the reviewer now.
        target: the event that an undo takes back or a redo does again.
    """

    number: int
    key: str
    time: str
    reviewer: str
    image: int
    action: Action
    parents: tuple[int, ...]
    before: Opinion
    after: Opinion
    target: int | None = None


def box_to_json(box: Box) -> dict[str, Any]:
    """A box as json values, without its image."""
    return {
        "x1": box.x1,
        "y1": box.y1,
        "x2": box.x2,
        "y2": box.y2,
        "label": box.label,
        "source": box.source,
        "score": box.score,
    }


def box_from_json(value: Any, image: str, where: str) -> Box:
    """Take a json value for a box; `where` names it in the message.

    Raises:
        DataError: it is none.
    """
    fields = to_object(value, where)
    x1, y1, x2, y2 = (to_number(fields.get(name), f"{where}, {name}") for name in ("x1", "y1", "x2", "y2"))
    label = fields.get("label")
    if label is not None and not isinstance(label, str):
        raise DataError(f"{where}: the class must be text or null, but got {label!r}.")
    return make_box(
        where,
        image,
        (x1, y1, x2, y2),
        label=label,
        source=check_name(str(fields.get("source", "manual")), "a box's source"),
        score=to_number(fields.get("score", 1.0), f"{where}, score"),
    )


def boxes_from_json(values: Sequence[Any], image: str) -> tuple[Box, ...]:
    """Take json values for the boxes of an image.

    Raises:
        DataError: one is none, or there are more than `MAX_BOXES_OF_IMAGE`.
    """
    if len(values) > MAX_BOXES_OF_IMAGE:
        raise DataError(f"{image!r}: {len(values)} boxes; the limit of one image is {MAX_BOXES_OF_IMAGE}.")
    return tuple(box_from_json(value, image, f"box {at} of {image!r}") for at, value in enumerate(values, 1))


def opinion_from_text(text: str, image: str) -> Opinion:
    """Read what `Opinion.to_text` gave."""
    value = to_object(json.loads(text), image)
    boxes = to_objects(value.get("boxes"), f"boxes of {image!r}")
    return Opinion(value.get("decision"), boxes_from_json(boxes, image))
