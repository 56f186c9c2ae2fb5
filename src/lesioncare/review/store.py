"""The file of a review: SQLite in WAL mode, to which events are only ever added.

The images and boxes are copied in when the review begins, so that a page lists the least trusted of 100,000
without reading them all, and so that the boxes cannot change under the reviewers' eyes.
"""

import hashlib
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lesioncare.boxes import BoxSet
from lesioncare.boxes.formats.atomic import writing_file
from lesioncare.errors import ReviewError
from lesioncare.review.events import Event, Opinion, opinion_from_text

__all__ = ["Filter", "NotWritten", "Record", "Store", "create_store", "fingerprint"]

_FORMAT = "1"
_PART = 500
_WAIT_S = 30.0
"""How long a writer waits for another one, in seconds."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE images (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, width INTEGER, height INTEGER,
    trust REAL NOT NULL, opinion TEXT NOT NULL
);
CREATE TABLE boxes (image INTEGER NOT NULL, label TEXT, source TEXT NOT NULL, score REAL NOT NULL);
CREATE INDEX images_by_trust ON images (trust, number);
CREATE INDEX boxes_by_image ON boxes (image);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, time TEXT NOT NULL,
    reviewer TEXT NOT NULL, image INTEGER NOT NULL REFERENCES images (number), action TEXT NOT NULL,
    parents TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, target INTEGER
);
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'events are never deleted'); END;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """An image of the review: its number from 1, id, size in pixels if known, and least score of a box."""

    number: int
    id: str
    width: int | None
    height: int | None
    trust: float


@dataclass(frozen=True, slots=True)
class Filter:
    """Images that have a box with all of these; None does not ask."""

    label: str | None = None
    source: str | None = None
    min_score: float = 0.0
    max_score: float = 1.0

    def to_sql(self) -> tuple[str, list[object]]:
        """A condition on `images`, and its values."""
        if self == Filter():
            return "1", []
        conditions = "b.image = images.number AND b.score BETWEEN ? AND ?"
        values: list[object] = [self.min_score, self.max_score]
        if self.label is not None:
            conditions += " AND b.label = ?"
            values.append(self.label)
        if self.source is not None:
            conditions += " AND b.source = ?"
            values.append(self.source)
        return f"EXISTS (SELECT 1 FROM boxes b WHERE {conditions})", values  # noqa: S608  all ours


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    found = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        found.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as stream:
            found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()


def create_store(path: Path, boxset: BoxSet, boxes_file: str) -> None:
    """Write the file of a new review, complete or not at all, readable by its owner only.

    Args:
        path: the file.
        boxset: the boxes to be reviewed.
        boxes_file: fingerprint of the file that they are from.
    """
    with writing_file(path) as temporary, closing(sqlite3.connect(temporary)) as connection:
        temporary.chmod(0o600)
        # Nobody reads the file yet, and it is put on the disk as a whole.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_TABLES)
        meta = {
            "format": _FORMAT,
            "boxes": boxes_file,
            # Kept, so that the address stays the same when the server starts again.
            "token": secrets.token_urlsafe(24),
            "classes": json.dumps(boxset.classes),
        }
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        _add_images(connection, boxset)
        connection.commit()
    _sync(path)


def _add_images(connection: sqlite3.Connection, boxset: BoxSet) -> None:
    images, boxes = [], []
    for number, (image, of_image) in enumerate(boxset.by_image().items(), start=1):
        width, height = boxset.images[image] or (None, None)
        # Nothing was found on an image without a box: nothing is trusted less.
        trust = min((box.score for box in of_image), default=0.0)
        text = Opinion(None, tuple(of_image)).to_text()
        images.append((number, image, width, height, trust, text))
        boxes += [(number, box.label, box.source, box.score) for box in of_image]
    connection.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?)", images)
    connection.executemany("INSERT INTO boxes VALUES (?, ?, ?, ?)", boxes)


def _sync(path: Path) -> None:
    """Put a new file on the disk before anything relies on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class NotWritten(ReviewError):  # noqa: N818  it is an error of the disk, and the page tries again
    """An event could not be kept now; the same may succeed later."""


class Store:
    """An open review file; all methods may be called from any thread.

    Raises:
        ReviewError: the file is no review, or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=_WAIT_S, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # an answered save survives a power cut
            self.meta = dict(self._connection.execute("SELECT name, value FROM meta"))
        except sqlite3.Error as error:
            raise ReviewError(
                f"{path}: not a readable review ({error}). Name another file with --review."
            ) from error
        if self.meta.get("format") != _FORMAT:
            raise ReviewError(
                f"{path}: a review of format {self.meta.get('format')}; this version reads {_FORMAT}."
            )

    def close(self) -> None:
        """Close the file; what the log holds goes into it."""
        with self._lock:
            self._connection.close()

    @property
    def token(self) -> str:
        """The secret part of the page's address."""
        return str(self.meta["token"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the boxes."""
        return tuple(json.loads(self.meta["classes"]))

    def sources(self) -> list[str]:
        """Who made the boxes."""
        return [row[0] for row in self._rows("SELECT DISTINCT source FROM boxes ORDER BY source")]

    def count(self, wanted: Filter | None = None) -> int:
        """How many images there are."""
        condition, values = (wanted or Filter()).to_sql()
        return int(self._rows(f"SELECT count(*) FROM images WHERE {condition}", values)[0][0])  # noqa: S608

    def matching(self, wanted: Filter, numbers: Sequence[int]) -> list[int]:
        """Those of some images that a filter lets through."""
        condition, values = wanted.to_sql()
        found: list[int] = []
        for start in range(0, len(numbers), _PART):
            part = numbers[start : start + _PART]
            marks = ",".join("?" * len(part))
            sql = f"SELECT number FROM images WHERE number IN ({marks}) AND {condition}"  # noqa: S608
            found += [row[0] for row in self._rows(sql, [*part, *values])]
        return found

    def after(self, wanted: Filter, trust: float, number: int, limit: int) -> list[Record]:
        """At most `limit` images in order of trust, then number, that come after an image."""
        condition, values = wanted.to_sql()
        sql = (
            "SELECT number, id, width, height, trust FROM images "  # noqa: S608  the condition is ours
            f"WHERE (trust, number) > (?, ?) AND {condition} ORDER BY trust, number LIMIT ?"
        )
        return [Record(*row) for row in self._rows(sql, [trust, number, *values, limit])]

    def records(self, numbers: Sequence[int]) -> list[Record]:
        """Some images in order of trust, then number."""
        found: list[Record] = []
        for start in range(0, len(numbers), _PART):
            part = numbers[start : start + _PART]
            marks = ",".join("?" * len(part))
            sql = f"SELECT number, id, width, height, trust FROM images WHERE number IN ({marks})"  # noqa: S608
            found += [Record(*row) for row in self._rows(sql, part)]
        return sorted(found, key=lambda record: (record.trust, record.number))

    def image(self, number: int) -> tuple[Record, Opinion]:
        """An image and the file's boxes on it.

        Raises:
            ReviewError: there is no such image.
        """
        sql = "SELECT number, id, width, height, trust, opinion FROM images WHERE number = ?"
        rows = self._rows(sql, [number])
        if not rows:
            raise ReviewError(f"the review has no image number {number}.")
        record = Record(*rows[0][:5])
        return record, opinion_from_text(rows[0][5], record.id)

    def images(self) -> Iterator[tuple[Record, Opinion]]:
        """All images in the order of the file."""
        sql = "SELECT number, id, width, height, trust, opinion FROM images ORDER BY number"
        for *fields, text in self._rows(sql):
            record = Record(*fields)
            yield record, opinion_from_text(text, record.id)

    def events(self, after: int = 0) -> list[Event]:
        """The events after a number, in order."""
        sql = (
            "SELECT e.number, key, time, reviewer, image, action, parents, before, after, target, id "
            "FROM events e JOIN images i ON i.number = e.image WHERE e.number > ? ORDER BY e.number"
        )
        return [_event(row) for row in self._rows(sql, [after])]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the file for writing: no other process adds an event in the meantime.

        Raises:
            NotWritten: the file cannot be written.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise NotWritten(f"{self.path}: cannot be written ({error}).") from error

    def add(self, event: Event) -> int:
        """Add an event, within `writing`, and give its number; that of the event itself is not used."""
        values = (
            *(event.key, event.time, event.reviewer, event.image, event.action, json.dumps(event.parents)),
            *(event.before.to_text(), event.after.to_text(), event.target),
        )
        cursor = self._connection.execute(
            "INSERT INTO events (key, time, reviewer, image, action, parents, before, after, target) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        return int(cursor.lastrowid or 0)

    def remember(self, name: str, value: str) -> None:
        """Keep a fact about the review.

        Raises:
            NotWritten: the file cannot be written.
        """
        with self.writing():
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
        self.meta[name] = value

    def find(self, key: str) -> tuple[int, int] | None:
        """Number and image of the event with a key; None if there is none."""
        rows = self._rows("SELECT number, image FROM events WHERE key = ?", [key])
        return (rows[0][0], rows[0][1]) if rows else None

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._connection.execute(sql, values).fetchall()


def _event(row: Sequence) -> Event:  # type: ignore[type-arg]
    number, key, time, reviewer, image, action, parents, before, after, target, name = row
    outcomes = opinion_from_text(before, name), opinion_from_text(after, name)
    return Event(number, key, time, reviewer, image, action, tuple(json.loads(parents)), *outcomes, target)
