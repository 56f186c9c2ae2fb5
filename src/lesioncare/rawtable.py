"""Reading one table file as text cells that remember the line they stand on."""

import csv
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lesioncare.errors import DataError

PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
DELIMITERS = (",", ";", "\t")

__all__ = ["first_few", "read_header", "read_raw_table"]


def read_raw_table(path: Path) -> pd.DataFrame:
    """Read a CSV (comma, semicolon or tab; UTF-8, with or without a mark) or Parquet file as text.

    Returns:
        One row per record; every cell is text without outer blanks, "" where empty. The index, named "row",
        is the line number that an editor shows (the header is line 1); for Parquet, record number + 1.

    Raises:
        DataError: the file is missing, empty, not a table, has lines of different lengths, or names a
            column twice.
    """
    frame = _read_parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else _read_csv(path)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    frame = pd.DataFrame({name: frame[name].str.strip() for name in frame.columns})
    frame.index.name = "row"
    return frame


def read_header(path: Path) -> tuple[str, ...]:
    """Column names of a CSV or Parquet file.

    Raises:
        DataError: as for `read_raw_table`.
    """
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return tuple(read_raw_table(path).columns)
    return tuple(_header(_read_text(path), path)[0])


def first_few(items: Sequence[str], limit: int = 5) -> str:
    """Join the first `limit` items for an error message and count the others.

    Example:
        >>> first_few(["row 2", "row 5", "row 9"], limit=2)
        'row 2; row 5; and 1 more'
    """
    rest = len(items) - limit
    return "; ".join([*items[:limit], *([f"and {rest} more"] if rest > 0 else [])])


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such table. Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(
            f"{path}: is a folder. Give a table (CSV or Parquet) that lists its images."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a table in UTF-8 text. Save it as CSV (UTF-8) or Parquet.") from error
    if "\0" in text:
        raise DataError(f"{path}: not a table in UTF-8 text. Save it as CSV (UTF-8) or Parquet.")
    if not text.strip():
        raise DataError(f"{path}: the table is empty. It needs a header line and one line per image.")
    return text


def _header(text: str, path: Path) -> tuple[list[str], str]:
    """Column names and the delimiter that splits the first line into most of them."""
    line = (text.partition("\n")[0].splitlines() or [""])[0]  # not all lines: there may be a million
    readings = [(next(csv.reader([line], delimiter=mark), []), mark) for mark in DELIMITERS]
    names, mark = max(readings, key=lambda reading: len(reading[0]))
    names = [name.strip() for name in names]
    if not any(names):
        raise DataError(f"{path}, row 1: no column has a name. The first line has to be the header.")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"{path}, row 1: the column {twice[0]!r} is there twice. Rename or remove one.")
    return names, mark


def _read_csv(path: Path) -> pd.DataFrame:
    text = _read_text(path)
    _, mark = _header(text, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text),
                sep=mark,
                dtype=str,
                na_filter=False,
                skip_blank_lines=False,
                index_col=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(
            f"{path}: not a proper table ({reason}). Every line needs as many fields as the header; "
            "put quotes around a field that contains the delimiter."
        ) from error
    frame.index = pd.Index(_line_numbers(frame, text))
    blank = (frame == "").all(axis=1)
    return frame.loc[~blank]


def _line_numbers(frame: pd.DataFrame, text: str) -> pd.Series:
    """Line on which each record starts; a quoted field may hold line breaks."""
    numbers = pd.Series(range(2, len(frame) + 2), dtype="int64")
    if text.count("\n") + (not text.endswith("\n")) <= len(frame) + 1:
        return numbers
    breaks = sum((frame[name].str.count("\n") for name in frame.columns), start=numbers * 0)
    return numbers + breaks.cumsum().shift(fill_value=0).astype("int64")


def _read_parquet(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such table. Check the path.")
    try:
        frame = pd.read_parquet(path).reset_index(drop=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet table ({error}).") from error
    texts = {name: column.astype("string").fillna("").astype(str) for name, column in frame.items()}
    frame = pd.DataFrame(texts)
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    return frame
