"""What follows from the events of a review: a fold of them, in their order, and nothing else."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Self

from lesioncare.review.events import Decision, Event, Opinion

Status = Literal["open", "edited", "accepted", "rejected", "skipped", "conflict"]
STATUSES: tuple[Status, ...] = ("open", "edited", "accepted", "rejected", "skipped", "conflict")

__all__ = ["STATUSES", "ImageHistory", "State", "Status"]


@dataclass(slots=True)
class ImageHistory:
    """The events of one image.

    The heads are the events that no later event has seen. Reviewers do not see each other's boxes until they
    have decided, so two reviewers leave two heads; if these disagree, the image is in conflict until somebody
    resolves it, with an event that has seen both.
    """

    original: Opinion
    events: list[Event] = field(default_factory=list)
    heads: dict[int, Event] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Add the next event."""
        self.events.append(event)
        for parent in event.parents:
            self.heads.pop(parent, None)
        self.heads[event.number] = event
        if event.action == "undo":
            self._bring_back(event)

    def _bring_back(self, undo: Event) -> None:
        """Let the opinions of others stand again that the undone event had resolved."""
        target = next((event for event in self.events if event.number == undo.target), None)
        for event in self.events:
            if target and event.number in target.parents and event.reviewer != undo.reviewer:
                self.heads[event.number] = event

    def holds(self, opinion: Opinion) -> bool:
        """Whether an opinion says anything: a decision on the boxes, or other boxes than the file's."""
        decided = opinion.decision in ("accepted", "rejected")
        return decided or opinion.boxes != self.original.boxes

    def opinions(self) -> dict[str, Opinion]:
        """What is held of the image by whom; the newest of a reviewer, or that of who resolved a conflict."""
        return {event.reviewer: event.after for event in self.heads.values() if self.holds(event.after)}

    @property
    def status(self) -> Status:
        """What the image is to all reviewers together."""
        held = [event.after for event in self.heads.values() if self.holds(event.after)]
        if not held:
            return "skipped" if any(e.after.decision == "skipped" for e in self.heads.values()) else "open"
        first = held[0]
        return "conflict" if any(_differ(first, other) for other in held[1:]) else first.decision or "edited"

    def seen_by(self, reviewer: str) -> Event | None:
        """The event whose outcome a reviewer sees: the newest own one or what resolved it; None: the file."""
        own = [event for event in self.events if event.reviewer == reviewer]
        if not own:
            return None
        heads = [event for event in self.heads.values() if event.reviewer == reviewer]
        if heads:
            return heads[-1]
        later = [event for event in self.heads.values() if event.number > own[-1].number]
        return later[-1] if later else own[-1]

    def may_have_seen(self, number: int, reviewer: str) -> bool:
        """Whether an event rests on one of the reviewer's own, so that its outcome may be on their page."""
        events = {event.number: event for event in self.events}
        waiting = [number]
        while waiting:
            event = events[waiting.pop()]
            if event.reviewer == reviewer:
                return True
            waiting += event.parents
        return False

    def own(self, reviewer: str) -> Opinion | None:
        """The reviewer's newest opinion made without having seen another's; None if there is none."""
        mine = [e for e in self.events if e.reviewer == reviewer and e.action != "resolve"]
        return mine[-1].after if mine and self.holds(mine[-1].after) else None

    def status_for(self, reviewer: str) -> Status:
        """What the image is to one reviewer."""
        seen = self.seen_by(reviewer)
        if seen is None:
            return "open"
        changed = seen.after.boxes != self.original.boxes
        return seen.after.decision or ("edited" if changed else "open")


@dataclass(slots=True)
class State:
    """The state of a review: the history of every image that was touched, and what each can undo.

    `counts` says how many touched images have each status, and `counts_for` that for each reviewer.
    """

    images: dict[int, ImageHistory] = field(default_factory=dict)
    last: int = 0
    counts: Counter[Status] = field(default_factory=Counter)
    counts_for: dict[str, Counter[Status]] = field(default_factory=lambda: defaultdict(Counter))
    _done: dict[str, list[Event]] = field(default_factory=dict)
    _undone: dict[str, list[Event]] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Fold events."""
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event) -> None:
        """Add the next event."""
        if event.image not in self.images:
            self.images[event.image] = ImageHistory(event.before)
        else:
            self._count(event, -1)
        self.images[event.image].apply(event)
        self._count(event, 1)
        self.last = event.number
        self._apply_to_undo(event)

    def _count(self, event: Event, by: int) -> None:
        history = self.images[event.image]
        self.counts[history.status] += by
        if any(one.reviewer == event.reviewer for one in history.events):
            self.counts_for[event.reviewer][history.status_for(event.reviewer)] += by

    def _apply_to_undo(self, event: Event) -> None:
        done = self._done.setdefault(event.reviewer, [])
        undone = self._undone.setdefault(event.reviewer, [])
        if event.action == "undo" and done:
            undone.append(done.pop())
        elif event.action == "redo" and undone:
            done.append(undone.pop())
        elif event.action not in ("undo", "redo"):
            done.append(event)
            undone.clear()

    def to_undo(self, reviewer: str) -> Event | None:
        """The event that an undo of this reviewer would take back."""
        done = self._done.get(reviewer)
        return done[-1] if done else None

    def to_redo(self, reviewer: str) -> Event | None:
        """The event that a redo of this reviewer would do again."""
        undone = self._undone.get(reviewer)
        return undone[-1] if undone else None

    def status(self, image: int) -> Status:
        """What an image is to all reviewers together."""
        history = self.images.get(image)
        return history.status if history else "open"

    def status_for(self, image: int, reviewer: str) -> Status:
        """What an image is to one reviewer."""
        history = self.images.get(image)
        return history.status_for(reviewer) if history else "open"

    def reviewers(self) -> list[str]:
        """Who has done something, in order of the first event."""
        return list(self._done)

    def decided(self, reviewer: str) -> dict[int, Decision]:
        """Image -> the reviewer's own decision to accept or reject, resolutions aside."""
        found: dict[int, Decision] = {}
        for number, history in self.images.items():
            opinion = history.own(reviewer)
            if opinion is not None and opinion.decision in ("accepted", "rejected"):
                found[number] = opinion.decision
        return found


def _differ(one: Opinion, other: Opinion) -> bool:
    """Whether two opinions cannot both stand; where both reject, the boxes no longer matter."""
    if one.decision == other.decision == "rejected":
        return False
    return one.decision != other.decision or one.boxes != other.boxes
