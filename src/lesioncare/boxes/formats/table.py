"""Box tables, one box per line: CSV with any columns, that of the RSNA pneumonia challenge, and Parquet.

A line whose four numbers are empty says that its image has no box. `image_width` and `image_height` hold the
image's size. Parquet keeps the list of classes in the file's own metadata.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.formats.bounds import MAX_BYTES, check_bytes, check_count, load_json_text, read_bytes
from lesioncare.boxes.formats.format import Reading
from lesioncare.boxes.formats.rows import OWN_FIELDS, checked, is_wanted, parse_rows
from lesioncare.errors import DataError
from lesioncare.rawtable import read_raw_table

RSNA = {"image": "patientId", "x": "x", "y": "y", "width": "width", "height": "height"}
METADATA = b"lesioncare"
MAX_TEXT_BYTES = 10_000
# What pyarrow raises on damaged files, apart from its own exceptions.
_DAMAGE = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError, MemoryError)

__all__ = ["RSNA", "held", "read_csv", "read_parquet", "write_csv", "write_parquet", "write_rsna"]


def read_csv(path: Path, reading: Reading) -> BoxSet:
    """Read a CSV; columns that `reading.columns` does not name are found by their usual names.

    Numbers are pixels. If all are at most 1.01 they are fractions of the image, whose size then must be in
    the columns width and height or in the images; a table with the column image_width, as we write it, is in
    pixels even then.

    Raises:
        DataError: a column is missing, or a row is wrong; the message names it.
        ConfigError: `reading.columns` names a field that there is not.
    """
    check_bytes(path)
    try:
        raw = read_raw_table(path)
    except csv.Error as error:
        raise DataError(f"{path}: not a proper table ({error}).") from error
    return parse_rows(raw, path, reading, ())


def read_parquet(path: Path, reading: Reading) -> BoxSet:
    """Read a Parquet table, otherwise as `read_csv`.

    Raises:
        DataError: as for `read_csv`, or the file claims more rows or bytes than a box file needs.
        ConfigError: as for `read_csv`.
    """
    try:
        data = pa.BufferReader(read_bytes(path))
        file = pq.ParquetFile(data)
        _check_claims(file, path)
        schema = file.schema_arrow
        wanted = [
            name for name in schema.names if is_wanted(name, reading) and _readable(schema.field(name).type)
        ]
        texts = [name for name in wanted if _is_text(schema.field(name).type)]
        table = pq.ParquetFile(data, read_dictionary=texts).read(columns=wanted, use_threads=False)
        table.validate(full=True)
        cells = {name: list(_cells(table.column(name), path)) for name in wanted}
        classes = _classes(schema.metadata or {}, path)
    except _DAMAGE as error:
        raise DataError(f"{path}: not a readable Parquet table ({str(error)[:200]}).") from error
    raw = pd.DataFrame(cells, dtype=object)
    raw.attrs["columns"] = schema.names
    raw.index = pd.RangeIndex(2, len(raw) + 2, name="row")
    return parse_rows(raw, path, reading, classes)


def write_csv(boxset: BoxSet, path: Path, columns: Mapping[str, str] | None = None) -> None:
    """Write a CSV with one line per box and one per image without a box.

    Args:
        boxset: what to write.
        path: the file.
        columns: fields to write, and the column of each; by default all, under their own names.

    Raises:
        ConfigError: a field is none of `FIELDS`.
    """
    fields = checked(columns or dict.fromkeys(OWN_FIELDS, ""))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([column or name for name, column in fields.items()])
        writer.writerows([record.get(name, "") for name in fields] for record in _records(boxset))


def write_rsna(boxset: BoxSet, path: Path) -> None:
    """Write the training table of the RSNA pneumonia challenge: patientId, x, y, width, height, Target."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*RSNA.values(), "Target"])
        for record in _records(boxset):
            writer.writerow([*(record.get(name, "") for name in RSNA), int("x" in record)])


def write_parquet(boxset: BoxSet, path: Path, columns: Mapping[str, str] | None = None) -> None:
    """Write a Parquet table; arguments as for `write_csv`."""
    fields = checked(columns or dict.fromkeys(OWN_FIELDS, ""))
    records = list(_records(boxset))
    types = {"image": pa.string(), "label": pa.string(), "source": pa.string()}
    types |= {"image_width": pa.int64(), "image_height": pa.int64()}
    arrays = [pa.array([r.get(name) for r in records], types.get(name, pa.float64())) for name in fields]
    table = pa.table(arrays, names=[column or name for name, column in fields.items()])
    classes = json.dumps({"classes": boxset.classes}).encode()
    pq.write_table(table.replace_schema_metadata({METADATA: classes}), path)


def held(columns: Mapping[str, str]) -> frozenset[str]:
    """The features (see `EVERYTHING`) that a table with only these fields holds."""
    needed = {
        "label": {"label"},
        "unlabelled": {"label"},
        "source": {"source"},
        "score": {"score"},
        "size": {"image_width", "image_height"},
    }
    return frozenset({"id"} | {feature for feature, fields in needed.items() if fields <= columns.keys()})


def _records(boxset: BoxSet) -> Iterator[dict[str, Any]]:
    """Values by field, one record per box or per image without a box; a field that is empty is not there."""
    for image, boxes in boxset.by_image().items():
        size = boxset.images[image]
        start = {"image": image} | ({"image_width": size[0], "image_height": size[1]} if size else {})
        if not boxes:
            yield start
        for box in boxes:
            x1, y1, x2, y2 = map(float, box.xyxy)
            corners = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
            sides = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
            label = {} if box.label is None else {"label": box.label}
            yield start | corners | sides | label | {"source": box.source, "score": float(box.score)}


def _check_claims(file: pq.ParquetFile, path: Path) -> None:
    """Refuse before decoding what claims to grow beyond the bounds."""
    check_count(file.metadata.num_rows, path, "rows")
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > 2 * MAX_BYTES:
        raise DataError(f"{path}: claims more than {2 * MAX_BYTES} bytes of data. Split it.")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _readable(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(number or pa.types.is_null(kind) or _is_text(kind))


def _cells(column: pa.ChunkedArray, path: Path) -> Iterator[str]:
    """Values as text; a text that many rows share exists once, or a small file could fill the memory."""
    for chunk in column.chunks:
        if not pa.types.is_dictionary(chunk.type):
            yield from map(_cell, chunk.to_pylist())
            continue
        if (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) > MAX_TEXT_BYTES:
            raise DataError(f"{path}: a text of more than {MAX_TEXT_BYTES} bytes. Is it a table of boxes?")
        values = [_cell(value) for value in chunk.dictionary.to_pylist()]
        yield from ("" if index is None else values[index] for index in chunk.indices.to_pylist())


def _cell(value: object) -> str:
    """A value as text; floats with all their digits, and nothing for null and NaN."""
    empty = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if empty else str(value).strip()


def _classes(metadata: Mapping[bytes, bytes], path: Path) -> list[str]:
    if METADATA not in metadata:
        return []
    document = load_json_text(metadata[METADATA].decode(), path)
    classes = document.get("classes") if isinstance(document, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise DataError(f"{path}: the list of classes in the metadata is damaged. Write the file again.")
    return classes
