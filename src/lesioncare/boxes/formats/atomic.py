"""Writing that either happens as a whole or leaves everything as it was."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lesioncare.errors import DataError
from lesioncare.leftover import remove_temporaries, temporary_of
from lesioncare.words import several

__all__ = ["check_file", "check_folder", "inside", "writing_file", "writing_folder"]


def check_file(path: Path, *, overwrite: bool) -> None:
    """Refuse a path where a file would be lost, or where no file can be.

    Raises:
        DataError: a folder is there, or, without `overwrite`, a file.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder. Name a file.")
    if path.exists() and not overwrite:
        raise DataError(f"{path}: already there. Name another file, or give --overwrite to replace it.")


def check_folder(
    path: Path,
    replaces: Collection[str] | None,
    remedy: str = "give --overwrite (overwrite=True) to replace its boxes",
) -> None:
    """Refuse a path where something would be lost.

    Args:
        path: the folder to be written.
        replaces: suffixes of the files that may be deleted with the folder they are in; None keeps all.
        remedy: what else than another name would help, for the message.

    Raises:
        DataError: there is a file, or a folder with something in it that may not be deleted.
    """
    if path.is_file():
        raise DataError(f"{path}: already there, and a file. Remove it, or name a folder.")
    if not path.is_dir() or not any(path.iterdir()):
        return
    if replaces is None:
        raise DataError(f"{path}: already there and not an empty folder. Name another, or {remedy}.")
    # Whoever names the folder of the photographs by mistake must not lose them.
    kept = sorted(str(file.relative_to(path)) for file in _files(path) if file.suffix.lower() not in replaces)
    if kept:
        raise DataError(
            f"{path}: holds {several(len(kept), 'file')} without boxes of this format, first "
            f"{kept[0]!r}. Name "
            "another folder: only one of nothing but boxes is replaced."
        )


@contextmanager
def writing_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block ends without an exception.

    Raises:
        DataError: the file cannot be written.
    """
    with _temporary(path) as temporary:
        yield temporary
        temporary.replace(path)
    remove_temporaries(path)


@contextmanager
def writing_folder(path: Path, replaces: Collection[str] | None = None) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it when the block ends without an exception.

    Raises:
        DataError: `path` may not be replaced (see `check_folder`), or the folder cannot be written.
    """
    with _temporary(path) as temporary, _temporary(path) as old:
        check_folder(path, replaces)
        temporary.mkdir()
        yield temporary
        if path.is_dir():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.is_dir():
                old.rename(path)
            raise
    remove_temporaries(path)


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


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    temporary = temporary_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):  # not there: moved, never made, or a folder that is gone by now
            temporary.unlink()
