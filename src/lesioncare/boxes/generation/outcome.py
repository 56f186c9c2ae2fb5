"""What became of one image, and the file that remembers it across a killed run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lesioncare.boxes.box import Box
from lesioncare.boxes.generation.maker import Found
from lesioncare.errors import RunError

__all__ = ["Outcome", "PartialFile"]


@dataclass(frozen=True)
class Outcome:
    """One image after its turn.

    Args:
        image: its id.
        size: width and height in pixels; None where the image cannot be read.
        found: the box; None where nothing stands out.
        error: why the image cannot be read.
    """

    image: str
    size: tuple[int, int] | None = None
    found: Found | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields of a line of the file."""
        found = self.found and {"corners": self.found.corners, "score": self.found.score}
        return {"image": self.image, "size": self.size, "found": found}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Outcome":
        """Undo `as_json`.

        Raises:
            Exception: of any kind; the fields are of no outcome.
        """
        image, found, (width, height) = fields["image"], fields["found"], fields["size"]
        if not isinstance(image, str) or min(width, height) < 1:
            raise ValueError("no image")
        if found is not None:
            x1, y1, x2, y2 = found["corners"]
            found = Found((x1, y1, x2, y2), found["score"])
            Box(image, *found.corners, score=found.score)  # which refuses what is no box
        return cls(image, (width, height), found)


class PartialFile:
    """An append-only file of outcomes, one JSON line each, behind a line that tells the method.

    A killed process leaves at most one torn line, at the end; it is cut off when the file is opened again.
    Unreadable images are not remembered: the next run looks at them again.

    Args:
        path: the file; made, with its folder, where it is not there.
        method: `repr` of the maker.

    Raises:
        RunError: the file was made with another method, is damaged before its last line, or cannot be opened
            or written.
    """

    def __init__(self, path: Path, method: str) -> None:
        self._path = path
        header = {"lesioncare": "boxes", "version": 1, "method": method}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)  # what a full disk refused is not tried again
        except OSError as error:
            raise RunError(f"{path}: cannot be opened ({error}).") from error
        try:
            self.done = self._recover(header)
        except BaseException:
            self._file.close()
            raise

    def append(self, outcomes: Iterable[Outcome]) -> None:
        """Remember outcomes; they are safe from a kill when this returns.

        Raises:
            RunError: they cannot be written.
        """
        lines = [_line(outcome.as_json()) for outcome in outcomes if outcome.error is None]
        self._write(b"".join(lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _recover(self, header: dict[str, object]) -> dict[str, Outcome]:
        self._file.seek(0)
        text = self._file.read()
        whole = text.rfind(b"\n") + 1
        lines = text[:whole].splitlines()
        if lines or not _line(header).startswith(text):
            self._check(b"".join(lines[:1]), header)  # before anything is cut off: it may be another's file
        self._file.truncate(whole)
        if not lines:
            self._write(_line(header))
            return {}
        outcomes = [self._parse(number, line) for number, line in enumerate(lines[1:], 2)]
        return {one.image: one for one in outcomes}

    def _write(self, text: bytes) -> None:
        try:
            while text:
                text = text[self._file.write(text) :]
        except OSError as error:
            raise RunError(
                f"{self._path}: cannot be written ({error}). Free some space; the same command goes on "
                "from here."
            ) from error

    def _check(self, line: bytes, header: dict[str, object]) -> None:
        if line + b"\n" != _line(header):
            raise RunError(
                f"{self._path}: belongs to a run with another method or other parameters, or is not a "
                "file of a run at all. Finish that run first, or remove the file to begin anew."
            )

    def _parse(self, number: int, line: bytes) -> Outcome:
        try:
            return Outcome.from_json(json.loads(line))
        except Exception as error:  # a line may hold anything
            where = f"{self._path}, line {number}"
            raise RunError(f"{where}: damaged ({error}). Remove the file to begin anew.") from error


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
