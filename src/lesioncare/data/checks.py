"""Checking all images before hours of training, not during them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesioncare.data.table import ImageTable
from lesioncare.errors import DataError
from lesioncare.images import is_image, read_image
from lesioncare.rawtable import first_few
from lesioncare.words import several

__all__ = ["check_images"]


def check_images(
    table: ImageTable,
    positions: npt.ArrayLike | None = None,
    *,
    workers: int = 2,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Decode every image completely.

    Args:
        table: the images.
        positions: frame positions to check; default all.
        workers: threads that decode.
        progress: called with the number of images done, after each.

    Raises:
        DataError: images are damaged; the message counts them and names the first five, those of a table
            with their rows.
    """
    chosen = np.arange(len(table)) if positions is None else np.asarray(positions, dtype=np.int64)
    rows = table.frame["row"].iloc[chosen]
    files = table.source.is_dir() or is_image(table.source)  # a folder of images has no rows
    damaged = []
    with ThreadPoolExecutor(workers) as pool:
        complaints = pool.map(_complaint, table.frame["path"].iloc[chosen])
        for done, (row, complaint) in enumerate(zip(rows, complaints, strict=True), start=1):
            if complaint:
                damaged.append(complaint if files else f"row {row}: {complaint}")
            if progress is not None:
                progress(done)
    if damaged:
        raise DataError(
            f"{table.source}: {len(damaged)} of {several(len(chosen), 'image')} cannot be used: "
            f"{first_few(damaged)} "
            f"Replace these files, or {'take them out' if files else 'remove their rows'}."
        )


def _complaint(path: str) -> str | None:
    try:
        read_image(Path(path))
    except DataError as error:
        return str(error)
    return None
