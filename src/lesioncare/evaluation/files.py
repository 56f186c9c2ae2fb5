"""Writing one file so that a reader sees the old or the new content, never half of it."""

import contextlib
import json
import os
from pathlib import Path

from lesioncare.errors import RunError

__all__ = ["read_seconds", "write_file"]


def write_file(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename.

    Raises:
        RunError: the file cannot be written; the message names it and the reason.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error}). Choose another folder.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_seconds(path: Path) -> dict[str, float]:
    """Read wall seconds by part of the work; none where the file is damaged, for no result needs them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(part): float(seconds) for part, seconds in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
