"""Names of what is being made, by which a later process can tell that its maker was killed.

SIGKILL and a power cut leave such files behind. Their names tell whose they are: a machine and a process.
"""

import hashlib
import os
import platform
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

__all__ = ["is_left_over", "owned", "remove_temporaries", "temporary_of"]


def owned(stem: str) -> str:
    """The stem with this machine and this process behind it."""
    return f"{stem}@{platform.node()}@{os.getpid()}"


def is_left_over(name: str) -> bool:
    """Whether the process that made this name, by `owned`, ran on this machine and has ended."""
    _, _, owner = name.partition("@")
    node, _, process = owner.rpartition("@")
    return node == platform.node() and process.isdecimal() and not _runs(int(process))


def temporary_of(path: Path) -> Path:
    """A name beside `path` that nobody else uses, for what will be moved there."""
    # Short: the final name may already be as long as a name can be.
    return path.with_name(owned(f".{_mark(path)}-{uuid.uuid4().hex[:8]}") + ".tmp")


def remove_temporaries(path: Path) -> None:
    """Delete what killed processes of this machine have left of `temporary_of` the same path.

    To be called when the new file or folder is in its place: until then an older one, which was moved away
    to be replaced, may be among them and nowhere else.
    """
    for found in path.parent.glob(f".{_mark(path)}-*.tmp"):
        if is_left_over(found.name.removesuffix(".tmp")):
            shutil.rmtree(found, ignore_errors=True)
            with suppress(OSError):  # a folder, which is gone by now
                found.unlink()


def _mark(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]


def _runs(process: int) -> bool:
    if os.name != "posix":  # elsewhere asking may end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True
