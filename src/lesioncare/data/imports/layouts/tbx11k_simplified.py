"""The table of Kaggle's simplified copy of TBX11K: data.csv, a row for each box or image without."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from lesioncare.boxes.box import Box
from lesioncare.boxes.formats.bounds import parse_number
from lesioncare.data.imports.lesions import box_of_cells
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError

CSV = "data.csv"
_COLUMNS = ("fname", "image_height", "image_width", "source", "bbox", "target", "image_type")
_FOLDERS = {"healthy": "health", "sick_but_no_tb": "sick", "tb": "tb"}
_KINDS = {"active_tb": "active", "latent_tb": "latent", "uncertain_tb": "uncertain"}
# Where copies keep the kind of tuberculosis, and what they write where there is none to tell.
_KIND_COLUMNS, _NO_KIND = ("tb_type", "label", "target"), frozenset({"", "none", "tb", "no_tb"})
_EDGES = ("xmin", "ymin", "width", "height")
_LONGEST = 200
"""Characters of a box's text; more is none, and is not parsed."""

__all__ = ["CSV", "Row", "read_rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Args:
        where: file and row, for messages.
        image: file name.
        folder: health, sick or tb, as the published folders are named.
        part: train or val.
        kind: active, latent or uncertain; None where the row tells none.
        box: in pixels of `size`; None where there is none.
        size: width and height in pixels.
    """

    where: str
    image: str
    folder: str
    part: str
    kind: str | None
    box: Box | None
    size: tuple[float, float]


def read_rows(tree: Tree) -> list[Row]:
    """Read the table.

    Raises:
        DataError: it lacks a column, a row has a value that is not known, or rows of one image contradict
            each other; the message names file and row.
    """
    frame = tree.table([CSV], _COLUMNS)
    path = frame.attrs["path"]
    rows = [
        _row(f"{path}, row {number}", {str(name): str(cell) for name, cell in cells.items()})
        for number, cells in frame.iterrows()
    ]
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.image, row)
        if (other.folder, other.part) != (row.folder, row.part):
            raise DataError(f"{row.where}: another image_type or source than in {row.image}'s first row.")
    return rows


def _row(where: str, cells: Mapping[str, str]) -> Row:
    if cells["image_type"] not in _FOLDERS or cells["source"] not in {"train", "val"}:
        raise DataError(
            f"{where}: image_type {cells['image_type']!r} and source {cells['source']!r}, where "
            f"{', '.join(_FOLDERS)} and train or val are known. Take the file as it was published."
        )
    kind = _kind(where, cells)
    folder = _FOLDERS[cells["image_type"]]
    box = None if cells["bbox"].lower() in {"", "none"} else _box(where, cells, kind)
    if folder != "tb" and (box is not None or kind is not None):
        raise DataError(f"{where}: tuberculosis or a box on an image without ({folder}). Correct the row.")
    size = parse_number(cells["image_width"], where), parse_number(cells["image_height"], where)
    if min(size) < 1:
        raise DataError(f"{where}: an image of {size[0]:g} x {size[1]:g} pixels. Correct the row.")
    return Row(where, cells["fname"], folder, cells["source"], kind, box, size)


def _kind(where: str, cells: Mapping[str, str]) -> str | None:
    for name in _KIND_COLUMNS:
        told = cells.get(name, "").lower()
        if told in _KINDS:
            return _KINDS[told]
        if told not in _NO_KIND:
            raise DataError(
                f"{where}: {name} {told!r} is no kind of tuberculosis that is known ({', '.join(_KINDS)})."
            )
    return None


def _box(where: str, cells: Mapping[str, str], kind: str | None) -> Box:
    """The box from the text of a dictionary, as Python writes it."""
    text = cells["bbox"]
    try:
        found = ast.literal_eval(text) if len(text) <= _LONGEST else None
        edges = [str(found[name]) for name in _EDGES] if isinstance(found, dict) else None
    except (ValueError, SyntaxError, LookupError, TypeError, MemoryError, RecursionError):
        edges = None
    if edges is None:
        raise DataError(
            f"{where}: no box in bbox {text[:60]!r}; expected none or {{'xmin': 1, 'ymin': 2, 'width': 3, "
            "'height': 4}."
        )
    return box_of_cells(where, cells["fname"], edges, kind, sized=True)
