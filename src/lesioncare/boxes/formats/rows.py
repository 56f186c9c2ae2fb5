"""From the rows of a table, whatever file they are from, to boxes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet, Size, check_name
from lesioncare.boxes.csv_format import (
    CORNER_NAMES,
    IMAGE_NAMES,
    SIZE_NAMES,
    Flags,
    Floats,
    find_columns,
    is_fraction,
    parse_corners,
)
from lesioncare.boxes.formats.bounds import check_count, make_box, parse_number, to_size
from lesioncare.boxes.formats.format import Reading
from lesioncare.errors import ConfigError, DataError

CORNERS = ("x1", "y1", "x2", "y2")
OWN_FIELDS = ("image", *CORNERS, "label", "source", "score", "image_width", "image_height")
FIELDS = (*OWN_FIELDS, *SIZE_NAMES)
"""What a column may hold; the box is in the corners, or in x, y, width, height."""

__all__ = ["CORNERS", "FIELDS", "OWN_FIELDS", "checked", "is_wanted", "parse_rows"]


def checked(columns: Mapping[str, str]) -> Mapping[str, str]:
    """Return columns by field, as they are.

    Raises:
        ConfigError: a field is none of `FIELDS`.
    """
    strange = next((field for field in columns if field not in FIELDS), None)
    if strange is not None:
        raise ConfigError(f"columns: there is no field {strange!r}. The fields are {', '.join(FIELDS)}.")
    return columns


def is_wanted(name: str, reading: Reading) -> bool:
    """Whether a column may hold a field, by its name or because `reading.columns` names it."""
    usual = {*FIELDS, *IMAGE_NAMES, "class", *(corner for names in CORNER_NAMES for corner in names)}
    return name.strip().lower() in usual or name in (reading.columns or {}).values()


def parse_rows(raw: pd.DataFrame, path: Path, reading: Reading, classes: Sequence[str]) -> BoxSet:
    """Turn text cells, indexed by their line in `path`, into boxes; see `read_csv` for the rules.

    Raises:
        DataError: a column is missing, or a row is wrong; the message names it.
        ConfigError: `reading.columns` names a field that there is not.
    """
    check_count(len(raw), path, "rows")
    fields = _fields(raw, path, reading.columns or {})
    corners = _corners(raw, fields, path)
    boxed = ~np.isnan(corners[:, 0])
    images = _images(raw, fields, path)
    if boxed.any() and not _tells_pixels(raw, reading) and is_fraction(corners[boxed], "auto"):
        corners = corners * _sizes_of(raw[fields["image"]], boxed, images, reading, path)
    others = [_cells(raw, fields.get(name)) for name in ("label", "source", "score")]
    rows = zip(raw.index, raw[fields["image"]], corners.tolist(), *others, strict=True)
    boxes = [_box(path, row) for row, has_box in zip(rows, boxed, strict=True) if has_box]
    return BoxSet.of(boxes, images, classes)


def _fields(raw: pd.DataFrame, path: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """Column of each field: as told, else by its usual names in any case."""
    for field, column in checked(columns).items():
        if column not in raw.columns:
            raise DataError(f"{path}: no column {column!r} ({field}); there are {_list(raw)}.")
    found = dict(columns)
    named = {name.lower(): name for name in raw.columns}
    usual = {"image": IMAGE_NAMES, "label": ("label", "class"), "source": ("source",), "score": ("score",)}
    usual |= {name: (name,) for name in ("image_width", "image_height")}
    for field, names in usual.items():
        there = [named[name] for name in names if name in named]
        if there:
            found.setdefault(field, there[0])
    corners = _corner_fields(columns, named)
    if "image" not in found or corners is None:
        missing = "x1, y1, x2, y2 (or x, y, width, height)" if "image" in found else "image"
        raise DataError(f"{path}: no column {missing}; there are {_list(raw)}. Rename or map them.")
    sides = {"image_width": named.get("width"), "image_height": named.get("height")}
    if "x1" in corners and not columns:  # beside corners, width and height are the image's
        found = {field: name for field, name in sides.items() if name} | found
    return found | corners


def _corner_fields(columns: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str] | None:
    """The four numbers' columns: all from `columns`, or all by their names."""
    for fields in (CORNERS, SIZE_NAMES):
        if all(field in columns for field in fields):
            return {field: columns[field] for field in fields}
    for names in (*CORNER_NAMES, SIZE_NAMES):
        found = find_columns(named, names)
        if found:
            return dict(zip(names if names == SIZE_NAMES else CORNERS, found, strict=True))
    return None


def _corners(raw: pd.DataFrame, fields: Mapping[str, str], path: Path) -> Floats:
    names = SIZE_NAMES if "x1" not in fields else CORNERS
    cells = pd.DataFrame({name: raw[fields[name]] for name in names}, index=raw.index)
    corners = parse_corners(cells, path)
    if names == SIZE_NAMES:
        corners = np.hstack([corners[:, :2], corners[:, :2] + corners[:, 2:]])
    return corners


def _images(raw: pd.DataFrame, fields: Mapping[str, str], path: Path) -> dict[str, Size | None]:
    """Every image of the table with its size, if told."""
    widths, heights = (_cells(raw, fields.get(side)) for side in ("image_width", "image_height"))
    images: dict[str, Size | None] = {}
    for row, image, width, height in zip(raw.index, raw[fields["image"]], widths, heights, strict=True):
        where = f"{path}, row {row}"
        if image not in images:
            _check_image(image, where)
        pixels = [parse_number(side or "0", f"{where}: size") for side in (width, height)]
        size = to_size(pixels[0], pixels[1], where)
        if images.get(image) not in {None, size}:
            raise DataError(f"{where}: {image!r} has the size {size}, before {images[image]}. Correct one.")
        images[image] = size
    return images


def _cells(raw: pd.DataFrame, column: str | None) -> Sequence[str]:
    """Text of a column, or nothing in every row."""
    return [""] * len(raw) if column is None else raw[column].tolist()


def _check_image(image: str, where: str) -> None:
    try:
        check_name(image, "an image id")
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _tells_pixels(raw: pd.DataFrame, reading: Reading) -> bool:
    """Whether the table has our own column of sizes, even if empty: what we write is in pixels."""
    return "image_width" in {*(reading.columns or ()), *(name.lower() for name in raw.columns)}


def _sizes_of(
    rows: pd.Series, boxed: Flags, known: Mapping[str, Size | None], reading: Reading, path: Path
) -> Floats:
    """Width, height, width, height of each row's image [n, 4]; 0 for rows without a box."""
    sizes: dict[str, Size] = {}
    for image in rows[boxed].unique():
        size = known[image] or (None if reading.images is None else reading.images.size(image))
        if size is None:
            raise DataError(
                f"{path}: the boxes are fractions, as none exceeds 1.01, and the size of {image!r} is "
                "unknown. Name the folder of the images with --images (image_root)."
            )
        sizes[image] = size
    return np.array([sizes.get(image, (0, 0)) * 2 for image in rows], dtype=np.float64).reshape(-1, 4)


def _box(path: Path, cells: tuple[Any, ...]) -> Box:
    row, image, (x1, y1, x2, y2), label, source, score = cells
    where = f"{path}, row {row}"
    trust = parse_number(score or "1", f"{where}: score")
    return make_box(
        where, image, (x1, y1, x2, y2), label=label or None, source=source or "manual", score=trust
    )


def _list(raw: pd.DataFrame) -> str:
    return ", ".join(map(str, raw.attrs.get("columns", raw.columns)[:20]))
