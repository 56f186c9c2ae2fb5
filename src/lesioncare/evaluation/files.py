"""Writing one file so that a reader sees the old or the new content, never half of it."""

import contextlib
import os
from pathlib import Path

from lesioncare.errors import RunError

__all__ = ["write_file"]


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
