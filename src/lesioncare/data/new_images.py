"""Images that are to be predicted: one, those of a folder, or of a table without labels."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lesioncare.data.checks import check_images
from lesioncare.data.table import Columns, ImageTable, load_table
from lesioncare.errors import DataError
from lesioncare.images import IMAGE_SUFFIXES, is_image
from lesioncare.rawtable import read_header

__all__ = ["find_images", "list_images"]


def find_images(
    source: Path, *, image_root: Path | None = None, image_column: str | None = None
) -> ImageTable:
    """List one image, those of a folder and of the folders in it, or of a table, and decode each once.

    Args:
        source: image file, folder, or CSV or Parquet table.
        image_root: folder of a table's images.
        image_column: the table's column of file names; guessed if not given.

    Returns:
        A table without labels; a folder's images are named by their path in it, in order.

    Raises:
        DataError: there are no images, or some cannot be read; the message names them.
    """
    if not source.exists():
        raise DataError(f"{source}: does not exist. Give an image, a folder of images, or a table of them.")
    if source.is_dir():
        table = _folder(source)
    elif source.is_file() and is_image(source):
        table = list_images([source.name], [str(source)], source)
    else:
        table = _table(source, image_root, image_column)
    check_images(table)
    return table


def list_images(names: Sequence[str], paths: Sequence[str], source: Path) -> ImageTable:
    """A table of these files, without labels; each is a group of its own."""
    frame = pd.DataFrame({"image": names, "path": paths})
    frame = frame.assign(label=-1, group=frame["image"], split=None, row=range(1, len(frame) + 1))
    return ImageTable(frame=frame, classes=(), boxes={}, box_scores={}, source=source)


def _folder(folder: Path) -> ImageTable:
    paths = sorted(path for path in folder.rglob("*") if _is_image(path, folder))
    if not paths:
        raise DataError(f"{folder}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    names = [str(path.relative_to(folder)) for path in paths]
    return list_images(names, [str(path) for path in paths], folder)


def _is_image(path: Path, folder: Path) -> bool:
    """Whether it is one; not the ._a.jpg of macOS, nor what is in .ipynb_checkpoints."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.is_file() and is_image(path)


def _table(source: Path, image_root: Path | None, image_column: str | None) -> ImageTable:
    columns = Columns.guess(read_header(source))
    columns = Columns(image=image_column or columns.image, label=columns.label)
    table = load_table(source, columns, image_root=image_root, require_labels=False)
    return dataclasses.replace(table, frame=table.frame.assign(label=-1), classes=())
