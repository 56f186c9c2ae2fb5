"""Bounded reading: no file may ask for more memory or time than a box file can need."""

import json
import math
import reprlib
from pathlib import Path
from typing import Any

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import MAX_PIXEL, check_name
from lesioncare.errors import DataError

MAX_BYTES = 512 * 2**20
"""Largest box file in bytes; COCO's own training annotations take 448 MB."""
MAX_BOXES = 2_000_000
"""Most boxes, and most images, of one set."""

__all__ = [
    "MAX_BOXES",
    "MAX_BYTES",
    "check_bytes",
    "check_count",
    "load_json",
    "load_json_text",
    "make_box",
    "parse_number",
    "read_bytes",
    "read_start",
    "read_text",
    "to_number",
    "to_object",
    "to_objects",
    "to_size",
    "to_text",
]


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        DataError: the file is missing, cannot be read or is larger.
    """
    check_bytes(path, limit)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def read_start(path: Path, count: int) -> bytes:
    """Read the first `count` bytes of a file, which tell what it is."""
    check_bytes(path)
    with path.open("rb") as file:
        return file.read(count)


def check_bytes(path: Path, limit: int = MAX_BYTES) -> None:
    """Refuse what is no plain file of at most `limit` bytes, without opening it.

    Raises:
        DataError: the file is missing, is no plain file, or is larger.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such box file. Check the path.")
    size = path.stat().st_size
    if size > limit:
        raise DataError(f"{path}: larger than {limit} bytes, the limit for this kind of file. Split it.")


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a UTF-8 file, with or without a mark, of at most `limit` bytes.

    Raises:
        DataError: as for `read_bytes`, or the file is not UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}).") from error


def load_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: the file is no JSON, or is nested too deeply to be one with boxes.
    """
    return load_json_text(read_text(path), path)


def load_json_text(text: str, path: Path) -> Any:
    """Parse JSON text that is from `path`; errors as for `load_json`."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise DataError(f"{path}: the JSON is nested too deeply for a box file.") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}). Export it again.") from error


def check_count(count: int, path: Path, what: str) -> None:
    """Refuse more than `MAX_BOXES` of something.

    Raises:
        DataError: there are more.
    """
    if count > MAX_BOXES:
        raise DataError(f"{path}: {count} {what}; the limit is {MAX_BOXES}. Split the file.")


def to_object(value: Any, where: str) -> dict[str, Any]:
    """Take a JSON value for an object; `where` names the entry in the message."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object, but got {reprlib.repr(value)}.")
    return value


def to_objects(value: Any, where: str) -> list[dict[str, Any]]:
    """Take a JSON value for a list of objects."""
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list, but got {reprlib.repr(value)}.")
    for number, item in enumerate(value):
        to_object(item, f"{where}[{number}]")
    return value


def to_text(value: Any, where: str) -> str:
    """Take a JSON value for text."""
    if not isinstance(value, str):
        raise DataError(f"{where}: expected text, but got {reprlib.repr(value)}.")
    return value


def to_number(value: Any, where: str) -> float:
    """Take a JSON value for a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: expected a number, but got {reprlib.repr(value)}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{where}: expected a finite number, but got {reprlib.repr(value)}.")
    return number


def parse_number(text: str | None, where: str) -> float:
    """Parse a finite number that a text file spells out."""
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: expected a finite number, but got {reprlib.repr(text)}.")
    return number


def to_size(width: float, height: float, where: str) -> tuple[int, int] | None:
    """Turn numbers into a size in whole pixels; None if either is 0, which tools write for unknown."""
    sides = (width, height)
    if 0 in sides:
        return None
    if any(side != int(side) for side in sides) or min(sides) < 1 or max(sides) > MAX_PIXEL:
        raise DataError(f"{where}: expected a size in whole pixels, but got {width:g} x {height:g}.")
    return (int(width), int(height))


def make_box(
    where: str,
    image: str,
    corners: tuple[float, float, float, float],
    *,
    label: str | None = None,
    source: str = "manual",
    score: float = 1.0,
) -> Box:
    """Build a box; an error names the entry `where` it stands.

    Raises:
        DataError: the box cannot be one, or lies further than `MAX_PIXEL` from the image's corner.
    """
    if max(map(abs, corners)) > MAX_PIXEL:
        raise DataError(f"{where}: the corners {corners} are beyond any image. Correct the box.")
    try:
        for name, what in ((image, "an image id"), (label, "a class"), (source, "a box's source")):
            if name is not None:
                check_name(name, what)
        return Box(image, *corners, label=label, source=source, score=score)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
