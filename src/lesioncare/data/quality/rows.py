"""Reading a table without refusing it: what is wrong with a row is a finding."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lesioncare.data.locate import ImageFinder
from lesioncare.data.quality.findings import Finding
from lesioncare.data.splits import SIDES
from lesioncare.data.table import Columns
from lesioncare.errors import DataError
from lesioncare.rawtable import read_raw_table

CORNERS = ["x1", "y1", "x2", "y2"]

__all__ = ["CORNERS", "read_rows", "row_findings"]


def read_rows(source: Path, columns: Columns, image_root: Path | None) -> pd.DataFrame:
    """Read a table.

    Returns:
        One row per line of the table, RangeIndex: row (the line), image, label, group, split ("" where
        empty), path ("" where no single file fits), and, where the table has boxes, `CORNERS` (text). Absent
        columns are absent.

    Raises:
        DataError: the table cannot be read, or a column that is named, or that of the images, is not there.
    """
    raw = read_raw_table(source)
    wanted = {"image": columns.image, "label": columns.label, "group": columns.group, "split": columns.split}
    wanted |= dict(zip(CORNERS, columns.box, strict=True)) if columns.box else {}
    guessed = columns == Columns.guess(tuple(raw.columns))
    columns.check(list(raw.columns), source, labelled=not guessed)
    if columns.label not in raw.columns:
        wanted["label"] = None
    named = {meaning: name for meaning, name in wanted.items() if name is not None}
    if raw.empty:
        raise DataError(f"{source}: the table has a header and no rows. Add one row per image.")
    if image_root is not None and not image_root.is_dir():
        raise DataError(f"{image_root}: no such folder of images (--images). Check the path.")
    rows = pd.DataFrame({meaning: raw[name] for meaning, name in named.items()})
    finder = ImageFinder([image_root] if image_root else [source.parent, source.parent / "images"])
    found = {image: finder.find(image) for image in rows["image"].unique()}
    paths = {image: files[0] if len(files) == 1 else "" for image, files in found.items()}
    return rows.assign(path=rows["image"].map(paths), row=raw.index).reset_index(drop=True)


def row_findings(rows: pd.DataFrame) -> Iterator[Finding]:
    """What is wrong with the cells, and with rows that name the same file."""
    checks = (
        ("path", "missing image", "no file, or several, of this name"),
        ("label", "empty label", "no class"),
        ("group", "empty group", "no lesion or patient"),
    )
    for column, kind, detail in checks:
        if column in rows.columns:
            yield from (Finding(kind, (int(row),), detail) for row in rows.loc[rows[column] == "", "row"])
    if "split" in rows.columns:
        strange = rows[~rows["split"].str.lower().isin(list(SIDES))]
        for row, split in zip(strange["row"], strange["split"], strict=True):
            yield Finding("unknown split", (int(row),), repr(split[:20]))
    if "label" in rows.columns:
        yield from _listed_twice(rows[rows["path"] != ""])


def _listed_twice(rows: pd.DataFrame) -> Iterator[Finding]:
    for _, same in rows[rows.duplicated("path", keep=False)].groupby("path", sort=False):
        labels = list(dict.fromkeys(same["label"]))
        if len(labels) > 1:
            lines = tuple(int(row) for row in np.asarray(same["row"]))
            yield Finding("listed twice", lines, " and ".join(labels))
