"""A review: what is next, what somebody did, and what it comes to."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lesioncare.boxes import Box
from lesioncare.errors import ReviewError
from lesioncare.review.events import ChangeAction, Decision, Event, Opinion, box_to_json
from lesioncare.review.state import State, Status
from lesioncare.review.store import Filter, Record, Store

Wanted = Literal["todo", "any", "open", "edited", "accepted", "rejected", "skipped", "conflict"]
_DECISIONS: dict[ChangeAction, Decision] = {"accept": "accepted", "reject": "rejected", "skip": "skipped"}
_DECIDED: tuple[Status, ...] = ("accepted", "rejected")
_PART = 500

__all__ = ["Change", "Review", "Wanted"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a reviewer did to an image.

    Args:
        key: made by the page; a change that comes twice is kept once.
        reviewer: who.
        image: the image's number.
        action: what; "undo" and "redo" are asked for by `Review.undo` and `Review.redo`.
        boxes: the boxes as they are now.
        seen: the events whose outcome the page showed; none where it was the file's.
        decision: of a "resolve", what stands now.
    """

    key: str
    reviewer: str
    image: int
    action: ChangeAction
    boxes: tuple[Box, ...]
    seen: tuple[int, ...] = ()
    decision: Decision | None = None


class Review:
    """An open review; all methods may be called from any thread, and by several processes on one file.

    Args:
        path: the file of the review.
        independent: whether every reviewer judges every image; otherwise they share them out. A review that
            was once independent stays so: who has seen the others' decisions cannot be blind again.

    Raises:
        ReviewError: the file is no review.
    """

    def __init__(self, path: Path, *, independent: bool = False) -> None:
        self.store = Store(path)
        if independent and "independent" not in self.store.meta:
            self.store.remember("independent", "yes")
        self.independent = "independent" in self.store.meta
        self._state = State()
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    @property
    def state(self) -> State:
        """The state after all events, also those of other processes."""
        with self._lock:
            for event in self.store.events(self._state.last):
                self._state.apply(event)
            return self._state

    def queue(
        self, reviewer: str, wanted: Filter, status: Wanted, after: tuple[float, int], limit: int
    ) -> list[dict[str, Any]]:
        """At most `limit` images of a status, least trusted first, after (trust, number) of an image."""
        with self._lock:
            state = self.state
            found: list[dict[str, Any]] = []
            # Only touched images can have another status than open: the other 100,000 need no look.
            every = status in ("todo", "any", "open")
            for record in self._ordered(wanted, after) if every else self._touched(state, wanted, after):
                if self._is_wanted(state, record.number, reviewer, status):
                    found.append(self._line(state, record, reviewer))
                    if len(found) == limit:
                        break
            return found

    def progress(self, reviewer: str, wanted: Filter) -> dict[str, int]:
        """How many images a filter lets through, and how many are decided, in conflict and skipped."""
        with self._lock:
            state = self.state
            numbers = self.store.matching(wanted, list(state.images)) if wanted != Filter() else None
            if numbers is None and not self.independent:
                counts = state.counts
            elif numbers is None:
                counts = state.counts_for[reviewer]
            else:
                counts = type(state.counts)(self._status(state, number, reviewer) for number in numbers)
            return {
                "total": self.store.count(wanted),
                "done": sum(counts[name] for name in _DECIDED),
                "conflicts": counts["conflict"],
                "skipped": counts["skipped"],
            }

    def image(self, number: int, reviewer: str) -> dict[str, Any]:
        """What a reviewer sees of an image, as json values.

        Raises:
            ReviewError: there is no such image.
        """
        with self._lock:
            state = self.state
            record, original = self.store.image(number)
            history = state.images.get(number)
            seen = history.seen_by(reviewer) if history else None
            opinion = seen.after if seen else original
            others = history.opinions() if history else {}
            blind = self.independent and (seen is None or seen.after.decision not in _DECIDED)
            return self._line(state, record, reviewer) | {
                "width": record.width,
                "height": record.height,
                "decision": opinion.decision,
                "boxes": [box_to_json(box) for box in opinion.boxes],
                "original": [box_to_json(box) for box in original.boxes],
                "seen": [seen.number] if seen else [],
                "heads": list(history.heads) if history else [],
                "others": []
                if blind
                else [
                    {"reviewer": name, **held.to_json()} for name, held in others.items() if name != reviewer
                ],
            }

    def record(self, change: Change) -> int:
        """Keep a change; when this returns, it is on the disk. Give the number of its event.

        Raises:
            ReviewError: the image does not exist, or the file cannot be written.
        """
        _, original = self.store.image(change.image)
        with self._lock, self.store.writing():
            state = self.state
            history = state.images.get(change.image)
            events = {event.number: event for event in history.events} if history else {}
            kept = self.store.find(change.key)
            if kept is not None:
                return kept[0]
            if any(number not in events for number in change.seen):
                raise ReviewError(
                    f"image {change.image}: the page has seen events {change.seen} that never were."
                )
            if history and change.action != "resolve":
                # Whatever the page says: only who resolves a conflict replaces what somebody else decided.
                seen = tuple(n for n in change.seen if history.may_have_seen(n, change.reviewer))
                change = replace(change, seen=seen)
            own = [events[number] for number in change.seen if events[number].reviewer == change.reviewer]
            shown = own or [events[number] for number in change.seen]
            before = shown[-1].after if shown else original
            decision = change.decision if change.action == "resolve" else _DECISIONS.get(change.action)
            after = Opinion(decision, change.boxes)
            return self.store.add(
                Event(
                    0,
                    change.key,
                    _now(),
                    change.reviewer,
                    change.image,
                    change.action,
                    change.seen,
                    before,
                    after,
                )
            )

    def undo(self, reviewer: str, key: str) -> int | None:
        """Take back the reviewer's last change, wherever it was; give the image, or None if there is none."""
        return self._step(reviewer, key, "undo")

    def redo(self, reviewer: str, key: str) -> int | None:
        """Do again what the reviewer last took back; give the image, or None if there is none."""
        return self._step(reviewer, key, "redo")

    def outcomes(self) -> Iterator[tuple[Record, Opinion, Opinion | None, Status, list[str]]]:
        """All images: record, the file's boxes, what stands (None if nothing), status, and whose it is."""
        state = self.state
        for record, original in self.store.images():
            history = state.images.get(record.number)
            held = history.opinions() if history else {}
            standing = next(iter(held.values()), None)
            yield record, original, standing, state.status(record.number), list(held)

    def _step(self, reviewer: str, key: str, action: Literal["undo", "redo"]) -> int | None:
        with self._lock, self.store.writing():
            state = self.state
            kept = self.store.find(key)
            if kept is not None:
                return kept[1]
            target = state.to_undo(reviewer) if action == "undo" else state.to_redo(reviewer)
            if target is None:
                return None
            history = state.images[target.image]
            seen = history.seen_by(reviewer)
            before = seen.after if seen else history.original
            after = target.before if action == "undo" else target.after
            parents: tuple[int, ...] = (seen.number,) if seen else ()
            if action == "redo" and target.action == "resolve":
                parents = tuple(history.heads)
            self.store.add(
                Event(0, key, _now(), reviewer, target.image, action, parents, before, after, target.number)
            )
            return target.image

    def _ordered(self, wanted: Filter, after: tuple[float, int]) -> Iterator[Record]:
        while True:
            part = self.store.after(wanted, *after, _PART)
            yield from part
            if len(part) < _PART:
                return
            after = (part[-1].trust, part[-1].number)

    def _touched(self, state: State, wanted: Filter, after: tuple[float, int]) -> Iterator[Record]:
        for record in self.store.records(self.store.matching(wanted, list(state.images))):
            if (record.trust, record.number) > after:
                yield record

    def _status(self, state: State, number: int, reviewer: str) -> Status:
        own = state.status_for(number, reviewer)
        if self.independent and own not in _DECIDED:
            return own  # what the others think is not to be seen yet
        return state.status(number)

    def _is_wanted(self, state: State, number: int, reviewer: str, wanted: Wanted) -> bool:
        if wanted == "any":
            return True
        status = self._status(state, number, reviewer)
        return status in ("open", "edited") if wanted == "todo" else status == wanted

    def _line(self, state: State, record: Record, reviewer: str) -> dict[str, Any]:
        return {
            "number": record.number,
            "id": record.id,
            "trust": record.trust,
            "status": self._status(state, record.number, reviewer),
            "mine": state.status_for(record.number, reviewer),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
