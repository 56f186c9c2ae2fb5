"""Writing one file so that a reader sees the old or the new content, never half of it."""

import contextlib
import json
from pathlib import Path

from lesioncare.errors import RunError
from lesioncare.leftover import remove_temporaries, temporary_of

__all__ = ["HTML", "read_seconds", "refuse_foreign", "write_file"]

HTML = b"<!doctype html"
"""How a page begins, in small letters."""


def write_file(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename.

    Raises:
        RunError: the file cannot be written; the message names it and the reason.
    """
    temporary = temporary_of(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error}). Choose another folder.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    remove_temporaries(path)


def refuse_foreign(path: Path, begins: bytes) -> None:
    """Refuse a target that is there and not of the kind that will be written; to be called before the work.

    What a command wrote before may be replaced by what it writes now. A user's table or image may not.

    Args:
        path: the file to be written.
        begins: how a file of that kind begins, in small letters.

    Raises:
        RunError: it begins otherwise, or is a folder.
    """
    try:
        with path.open("rb") as file:
            own = file.read(256).lstrip().lower().startswith(begins)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error}). Name another file.") from error
    if not own:
        raise RunError(f"{path}: is there, and is no file that this command wrote. Name another file.")


def read_seconds(path: Path) -> dict[str, float]:
    """Read wall seconds by part of the work; none where the file is damaged, for no result needs them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(part): float(seconds) for part, seconds in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
