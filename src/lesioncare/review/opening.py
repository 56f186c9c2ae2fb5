"""Beginning a review, or going on with one."""

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesioncare.boxes import BoxSet
from lesioncare.boxes.formats import read_boxes
from lesioncare.errors import LesionCareError, ReviewError
from lesioncare.review.reviewing import Review
from lesioncare.review.store import create_store, fingerprint

__all__ = ["open_review", "review_file"]


def review_file(boxes: Path) -> Path:
    """Where the review of a box file is kept: beside it."""
    return boxes.with_name(f"{boxes.name}.review")


def open_review(
    boxes: Path,
    *,
    path: Path | None = None,
    format: str | None = None,  # noqa: A002  the word that the command line uses
    image_root: Path | None = None,
    independent: bool = False,
) -> Review:
    """Open the review of a box file; begin it if there is none.

    Args:
        boxes: file or folder with boxes.
        path: the file of the review; None for the one beside the boxes.
        format: of the boxes; None to find out.
        image_root: folder of the images; needed to begin with boxes in YOLO's format.
        independent: see `Review`.

    Raises:
        DataError: the boxes cannot be read.
        ReviewError: the file holds no review, or that of other boxes.
    """
    path = path or review_file(boxes)
    if not boxes.exists() and path.exists():
        raise ReviewError(f"{boxes}: is gone; {path} is the review of it. Put the boxes back.")
    if not path.exists():
        needs_images = image_root if format == "yolo" or boxes.is_dir() else None
        with _no_collection():
            boxset = read_boxes(boxes, format, image_root=needs_images)
            if not boxset.images:
                raise ReviewError(f"{boxes}: holds no image, so there is nothing to review.")
            _create(path, boxset, fingerprint(boxes))
    review = _opened(path, independent)
    if review.store.meta.get("boxes") != fingerprint(boxes):
        review.close()
        raise ReviewError(
            f"{boxes}: has changed since {path} was begun. Put the old file back, or begin another review "
            "with --review NEW."
        )
    return review


def _create(path: Path, boxset: BoxSet, boxes_file: str) -> None:
    try:
        create_store(path, boxset, boxes_file)
    except sqlite3.Error as error:
        raise ReviewError(
            f"{path}: cannot be written ({error}). Name a file in another folder with --review."
        ) from error


def _opened(path: Path, independent: bool) -> Review:
    try:
        return Review(path, independent=independent)
    except LesionCareError:
        raise
    except Exception as error:  # a file may hold anything
        raise ReviewError(
            f"{path}: the review is damaged ({error}). Name another file with --review."
        ) from error


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no garbage: among a million new objects, all in use, that takes a fifth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
