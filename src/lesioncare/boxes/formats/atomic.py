"""Writing that either happens as a whole or leaves everything as it was."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lesioncare.errors import DataError

__all__ = ["inside", "writing_file", "writing_folder"]


@contextmanager
def writing_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block ends without an exception.

    Raises:
        DataError: the file cannot be written.
    """
    with _temporary(path) as temporary:
        yield temporary
        temporary.replace(path)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it when the block ends without an exception.

    Raises:
        DataError: `path` is there and not an empty folder, or the folder cannot be written.
    """
    with _temporary(path) as temporary:
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise DataError(f"{path}: already there and not an empty folder. Remove it, or name another.")
        temporary.mkdir()
        yield temporary
        if path.is_dir():
            path.rmdir()
        temporary.rename(path)


def inside(folder: Path, name: str) -> Path:
    """The path of `name`, which may have folders, in `folder`; its own folders are made.

    Raises:
        DataError: the name is absolute or climbs out of the folder.
    """
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or ":" in relative.parts[0]:
        raise DataError(f"image {name!r}: the id leads out of the folder to be written. Use relative ids.")
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    # A short name of its own: the final one may already be as long as a name can be.
    temporary = path.parent / f".{uuid.uuid4().hex[:12]}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):  # not there: moved, never made, or a folder that is gone by now
            temporary.unlink()
