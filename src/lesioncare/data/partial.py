"""Files that are being made, beside other processes that may make the same."""

import os
import platform
from pathlib import Path

__all__ = ["partial_file", "remove_left_over"]


def partial_file(path: Path) -> Path:
    """A name that no other process uses, while the file is not whole."""
    return path.with_name(f"{path.name}@{platform.node()}@{os.getpid()}.part")


def remove_left_over(directory: Path) -> None:
    """Delete what killed processes of this machine have begun: it may be large."""
    for path in directory.glob("*.part"):
        _, _, owner = path.name.removesuffix(".part").partition("@")
        node, _, process = owner.rpartition("@")
        if not owner or (node == platform.node() and not _runs(int(process))):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
