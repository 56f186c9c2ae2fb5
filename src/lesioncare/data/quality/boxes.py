"""Boxes that cannot be meant: what the table's columns or a box file say, against the images' sizes."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.check import check_boxes
from lesioncare.boxes.csv_format import DECIMAL_COMMAS, BoxUnit, has_decimal_commas, is_fraction
from lesioncare.boxes.formats import read_boxes
from lesioncare.boxes.formats.folder import stem_of
from lesioncare.data.box_labels import boxes_of_other_classes
from lesioncare.data.quality.findings import Finding
from lesioncare.data.quality.rows import CORNERS
from lesioncare.data.quality.scan import Scan
from lesioncare.errors import DataError
from lesioncare.words import noun, several

__all__ = ["box_findings"]


def box_findings(
    every: pd.DataFrame,
    rows: pd.DataFrame,
    scan: Scan,
    unit: BoxUnit,
    *,
    box_file: Path | None,
    image_root: Path,
) -> Iterator[Finding]:
    """Check the boxes of a file, or else those in the table's own columns.

    Raises:
        DataError: the box file cannot be read.
    """
    sizes = dict(zip(rows["path"], map(tuple, scan.sizes.tolist()), strict=True))
    if box_file is not None:
        unknown, boxes = _of_file(box_file, rows, image_root)
        yield from unknown
    elif set(CORNERS) <= set(every.columns):
        wrong, boxes = _of_table(every, sizes, unit)
        yield from wrong
    else:
        return
    # An image is called by its row, so that no message has a name in it.
    by_row = dict(zip(every["row"].astype(str), every["path"], strict=True))
    known = {row: sizes.get(path) for row, path in by_row.items() if any(sizes.get(path) or (0,))}
    images = {box.image: known.get(box.image) for box in boxes}
    yield from _other_classes(boxes, rows)
    for found in check_boxes(BoxSet.of(boxes, images)):
        if found.kind != "no class":
            yield Finding("box", (int(found.image),), f"{found.kind}: {found.detail}")


def _other_classes(boxes: list[Box], rows: pd.DataFrame) -> Iterator[Finding]:
    if "label" not in rows.columns:
        return
    labels: dict[str, str] = dict(zip(rows["row"].astype(str), rows["label"], strict=True))
    for box in boxes_of_other_classes(boxes, labels.get, set(labels.values())):
        told = f"other class: {box.label}, the image is {labels[box.image]}"
        yield Finding("box", (int(box.image),), told)


def _of_file(path: Path, rows: pd.DataFrame, root: Path) -> tuple[list[Finding], list[Box]]:
    boxset = read_boxes(path, image_root=root)
    lines: dict[str, str] = {}
    for image, file, row in zip(rows["image"], rows["path"], rows["row"], strict=True):
        name = file.replace("\\", "/").rpartition("/")[2]
        for key in (image, stem_of(image), name, stem_of(name)):
            lines.setdefault(key, str(row))
    boxes, strange = [], 0
    for box in boxset.boxes:
        row = lines.get(box.image) or lines.get(box.image.rpartition("/")[2])
        if row is None:
            strange += 1
        else:
            boxes.append(replace(box, image=row))
    number = f"{several(strange, 'box', 'boxes')} of the file {noun(strange, 'is', 'are')}"
    told = f"{number} on images that the table does not have"
    return ([Finding("box", (), told)] if strange else []), boxes


def _of_table(
    every: pd.DataFrame, sizes: dict[str, tuple[int, ...]], unit: BoxUnit
) -> tuple[list[Finding], list[Box]]:
    filled = every[(every[CORNERS] != "").any(axis=1)]
    numbers = filled[CORNERS].apply(lambda cells: pd.to_numeric(cells, errors="coerce"))
    corners = np.asarray(numbers, np.float64)
    finite = [all(map(math.isfinite, four)) for four in corners.tolist()]
    fraction = any(finite) and is_fraction(corners[finite], unit)
    findings, boxes = [], []
    commas = has_decimal_commas(filled[CORNERS])
    strange = f"not four numbers. {DECIMAL_COMMAS}" if commas else "not four numbers"
    for four, row, path, good in zip(
        corners.tolist(), filled["row"].tolist(), filled["path"], finite, strict=True
    ):
        size = sizes.get(path, (0, 0))
        if not good:
            findings.append(Finding("box", (row,), strange))
            continue
        scaled = [value * side for value, side in zip(four, size * 2, strict=True)] if fraction else four
        if fraction and not all(size):
            continue  # the image is told as missing or unreadable
        try:
            boxes.append(Box(str(row), *scaled))
        except DataError:
            shown = ", ".join(f"{value:g}" for value in four)
            findings.append(Finding("box", (row,), f"no area: {shown}"))
    return findings, boxes
