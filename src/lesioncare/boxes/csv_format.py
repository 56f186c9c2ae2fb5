"""Box tables: one box per line, as CSV or Parquet."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lesioncare.boxes.box import Box
from lesioncare.errors import DataError
from lesioncare.rawtable import first_few, read_raw_table
from lesioncare.words import several

BoxUnit = Literal["auto", "pixel", "fraction"]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CORNER_NAMES = (
    ("x0", "y0", "x1", "y1"),  # before x1: with x0 there, x1 is the right edge
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
)
SIZE_NAMES = ("x", "y", "width", "height")
IMAGE_NAMES = ("image", "image_id", "file", "filename", "path", "patientid")
DECIMAL_COMMAS = "These are decimal commas: save the table with decimal points."
MAX_OUTSIDE = 0.25
"""Share of a box's area that may lie outside its image: more is another image's box, or another size's."""
FRACTION_SLACK = 0.01
"""Fractions of rounded or hand-drawn boxes may leave [0, 1] by this much; they are clipped."""

__all__ = [
    "CORNER_NAMES",
    "DECIMAL_COMMAS",
    "BoxUnit",
    "check_corners",
    "find_columns",
    "has_decimal_commas",
    "is_fraction",
    "parse_corners",
    "read_box_csv",
    "to_pixels",
    "write_box_csv",
]


def read_box_csv(path: Path, size_of: Callable[[str], tuple[int, int] | None] | None = None) -> list[Box]:
    """Read boxes from a table with one box per line.

    The corners stand in x0,y0,x1,y1 or x1,y1,x2,y2 or xmin,ymin,xmax,ymax or x,y,width,height (the form of
    the RSNA pneumonia challenge), the image's id in image, image_id, file, filename, path or patientId.
    Columns label (or class), source and score may be there. A line whose four numbers are empty has no box.

    Args:
        path: the table.
        size_of: width and height in pixels of an image, by its id. With it, numbers that are all at most
            1.01 are fractions of the size, and boxes are checked against the image and clipped to it.
            Lines of an image of which it gives None are left out.
            Without it, numbers are pixels and are taken as they are.

    Raises:
        DataError: a column is missing, or a box cannot be one; the message names file and row.
    """
    raw = read_raw_table(path)
    named = {name.lower(): name for name in raw.columns}
    image, columns = _box_columns(named, path)
    corners = parse_corners(raw[list(columns)], path)
    if columns[2] == named.get("width"):
        corners = np.hstack([corners[:, :2], corners[:, :2] + corners[:, 2:]])
    boxed = ~np.isnan(corners[:, 0])
    raw, corners = raw.loc[boxed], corners[boxed]
    rows = raw.index.to_numpy()
    check_corners(corners, rows, path)
    if size_of is not None:
        sizes = _sizes(raw[image], size_of, path)
        known = ~np.isnan(sizes[:, 0])
        raw, corners, rows = raw.loc[known], corners[known], rows[known]
        corners = to_pixels(corners, sizes[known], "auto", rows=rows, source=path)
    labels = _optional(raw, named, ("label", "class"), "")
    sources = _optional(raw, named, ("source",), "manual")
    scores = _optional(raw, named, ("score",), "1")
    fields = zip(rows, raw[image], corners.tolist(), labels, sources, scores, strict=True)
    return [_box(path, *values) for values in fields]


def write_box_csv(boxes: Iterable[Box], path: Path) -> None:
    """Write boxes in pixels as image,x1,y1,x2,y2,label,source,score; reading gives equal boxes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "x1", "y1", "x2", "y2", "label", "source", "score"])
        writer.writerows([box.image, *box.xyxy, box.label or "", box.source, box.score] for box in boxes)


def find_columns(named: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...] | None:
    """Find the columns called `names` in `named` (lower case -> name); None if one is missing."""
    found = [named[name] for name in names if name in named]
    return tuple(found) if len(found) == len(names) else None


def parse_corners(cells: pd.DataFrame, source: Path) -> Floats:
    """Turn four columns of text, indexed by row, into numbers [n, 4]; NaN where all four are empty.

    Raises:
        DataError: some of the four are empty, or one is not a finite number.
    """
    numbers: Floats = cells.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    empty = (cells == "").to_numpy()
    none: Flags = np.all(empty, axis=1)
    rows = cells.index.to_numpy()
    partly: Flags = np.any(empty, axis=1) & ~none
    _refuse(partly, "a box with some of its four numbers empty", "Fill in all four or none.", rows, source)
    odd: Flags = ~np.all(np.isfinite(numbers), axis=1) & ~none
    shown = cells.loc[odd].agg("; ".join, axis=1).tolist() if odd.any() else None
    remedy = DECIMAL_COMMAS if has_decimal_commas(cells.loc[odd]) else "Correct it."
    _refuse(odd, "a box that is not four finite numbers", remedy, rows, source, shown=shown)
    return numbers


def has_decimal_commas(cells: pd.DataFrame) -> bool:
    """Whether a cell is a number as a spreadsheet in some languages writes it: 0,5125."""
    return any(cells[name].str.fullmatch(r"[-+]?\d+,\d+").any() for name in cells)


def is_fraction(corners: Floats, unit: BoxUnit) -> bool:
    """Whether boxes [n, 4] are fractions of the image: told by `unit`, or for "auto" if none exceeds 1.01."""
    return unit == "fraction" or (unit == "auto" and bool((corners <= 1 + FRACTION_SLACK).all()))


def check_corners(corners: Floats, rows: npt.NDArray[np.int64], source: Path) -> None:
    """Refuse boxes [n, 4] without area.

    Raises:
        DataError: some box has x2 <= x1 or y2 <= y1.
    """
    flat = (corners[:, 2] <= corners[:, 0]) | (corners[:, 3] <= corners[:, 1])
    remedy = "Give the left, top, right and bottom edge, in this order."
    _refuse(flat, "a box without area", remedy, rows, source, shown=_shown(corners, flat))


def to_pixels(
    corners: Floats, sizes: Floats, unit: BoxUnit, *, rows: npt.NDArray[np.int64], source: Path
) -> Floats:
    """Boxes as pixels, clipped to their image.

    Args:
        corners: boxes [n, 4] as (x1, y1, x2, y2).
        sizes: width and height of each box's image [n, 2] in pixels.
        unit: "pixel", "fraction" (of the size) or "auto" (see `is_fraction`).
        rows: line of each box in `source`, for messages.
        source: file that the boxes are from.

    Raises:
        DataError: a fraction is outside [-0.01, 1.01], more than `MAX_OUTSIDE` of a box's area is outside its
            image, or "auto" finds both units.
    """
    check_corners(corners, rows, source)
    size = np.tile(sizes, 2)
    if is_fraction(corners, unit):
        out: Flags = np.any((corners < -FRACTION_SLACK) | (corners > 1 + FRACTION_SLACK), axis=1)
        what, remedy = "a box with a fraction outside [0, 1]", "Correct it, or say that the unit is pixels."
        _refuse(out, what, remedy, rows, source, shown=_shown(corners, out))
        corners = corners * size
    elif unit == "auto":
        tiny: Flags = np.all(corners <= 1, axis=1)
        what, remedy = "a box in fractions beside boxes in pixels", "Use one unit, or name the unit."
        _refuse(tiny, what, remedy, rows, source, shown=_shown(corners, tiny))
    outside: Flags = np.any((corners[:, :2] >= sizes) | (corners[:, 2:] <= 0), axis=1)
    what, remedy = "a box outside its image", "Was it drawn on an image of another size?"
    _refuse(outside, what, remedy, rows, source, shown=_shown(corners, outside))
    clipped = np.clip(corners, 0, size)
    left: Flags = _areas(clipped) < (1 - MAX_OUTSIDE) * _areas(corners)
    what = f"a box that lies more than {MAX_OUTSIDE:.0%} outside its image"
    _refuse(left, what, remedy, rows, source, shown=_shown(corners, left))
    return clipped


def _areas(corners: Floats) -> Floats:
    sides: Floats = corners[:, 2:] - corners[:, :2]
    return sides[:, 0] * sides[:, 1]


def _refuse(
    bad: Flags,
    what: str,
    remedy: str,
    rows: npt.NDArray[np.int64],
    source: Path,
    *,
    shown: Sequence[str] | None = None,
) -> None:
    if not bad.any():
        return
    lines = [f"row {row}" for row in rows[bad]]
    if shown is not None:
        lines = [f"{line} ({text})" for line, text in zip(lines, shown, strict=True)]
    raise DataError(f"{source}: {what}, {several(int(bad.sum()), 'time')}: {first_few(lines)}. {remedy}")


def _shown(corners: Floats, bad: Flags) -> list[str]:
    return [", ".join(f"{value:g}" for value in box) for box in corners[bad]]


def _box_columns(named: Mapping[str, str], path: Path) -> tuple[str, tuple[str, ...]]:
    """Columns of the image and of the four numbers."""
    image = next((named[name] for name in IMAGE_NAMES if name in named), None)
    found = (find_columns(named, names) for names in (*CORNER_NAMES, SIZE_NAMES))
    columns = next((names for names in found if names), None)
    if image is None or columns is None:
        missing = "image" if image is None else "x1, y1, x2, y2 (or x, y, width, height)"
        raise DataError(
            f"{path}: no column {missing}; the columns are {', '.join(named.values())}. Rename them."
        )
    return image, columns


def _optional(raw: pd.DataFrame, named: Mapping[str, str], names: Sequence[str], default: str) -> list[str]:
    name = next((named[name] for name in names if name in named), None)
    return [cell or default for cell in raw[name]] if name else [default] * len(raw)


def _sizes(images: pd.Series, size_of: Callable[[str], tuple[int, int] | None], path: Path) -> Floats:
    """Width and height of each row's image [n, 2], nan where it has none; asks once per image."""
    known: dict[str, tuple[float, float]] = {}
    for row, image in images.items():
        if image not in known:
            try:
                known[image] = size_of(image) or (np.nan, np.nan)
            except DataError as error:
                raise DataError(f"{path}, row {row}: {error}") from error
    return np.array([known[image] for image in images], dtype=np.float64).reshape(-1, 2)


def _box(path: Path, row: int, image: str, corners: Sequence[float], *fields: str) -> Box:
    label, source, score = fields
    try:
        x1, y1, x2, y2 = corners
        return Box(image, x1, y1, x2, y2, label=label or None, source=source, score=float(score))
    except ValueError as error:
        raise DataError(f"{path}, row {row}: the score {score!r} is not a number.") from error
    except DataError as error:
        raise DataError(f"{path}, row {row}: {error}") from error
