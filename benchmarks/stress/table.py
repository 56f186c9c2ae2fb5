"""Load tables of up to a million rows: how long it takes, and the most memory that is held meanwhile.

    python benchmarks/stress/table.py --rows 10000,100000,1000000 --output benchmarks/stress/table.csv

A row for each number of rows and kind of table, each loaded in a process of its own:

* `images`: every row another image (an empty file: without boxes no image is opened), label and group.
* `boxes`: a thousand images, each many times with another box: its header is read once.
* `quoted`: as `images`, with a line break inside each label's quotes, which moves the rows' line numbers.

`peak_mb` is the highest resident memory above what the process held before (`resource.getrusage`), `kept_mb`
what the table holds of it in the end. Both must grow no faster than the rows, and a million rows must load in
seconds. The images are made in a temporary folder; the CSV grows by each row as it is measured.
"""

import argparse
import csv
import gc
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from PIL import Image

from lesioncare.data import Columns, load_table
from lesioncare.rawtable import read_header

KINDS = ("images", "boxes", "quoted")
FILES = 1000
"""Images of the tables with boxes; files in a folder of the others."""


@dataclass(frozen=True)
class Row:
    """One table, loaded once."""

    kind: str
    rows: int
    file_mb: float
    seconds: float
    peak_mb: float
    kept_mb: float
    peak_bytes_per_row: int


def lines(kind: str, rows: int) -> Iterator[str]:
    """The lines of a table, its header first."""
    label = '"disease\n{}"' if kind == "quoted" else "disease {}"
    if kind != "boxes":
        yield "image,label,group\n"
        for row in range(rows):
            yield f"{row // FILES}/{row % FILES}.png,{label.format(row % 7)},lesion {row // 2}\n"
        return
    yield "image,label,x1,y1,x2,y2\n"
    for row in range(rows):
        left, top = row % 31, row // 31 % 31
        edges = f"{left},{top},{left + 1.5},{top + 1.5}"
        yield f"boxed/{row % FILES}.png,{label.format(row % FILES % 7)},{edges}\n"


def make_images(rows: int, place: Path) -> None:
    """An empty file for each row, and a thousand small images."""
    for folder in range(-(-rows // FILES)):
        (place / str(folder)).mkdir()
        for name in range(min(FILES, rows - FILES * folder)):
            os.close(os.open(place / str(folder) / f"{name}.png", os.O_CREAT | os.O_WRONLY))
    (place / "boxed").mkdir()
    for name in range(FILES):
        Image.new("L", (33, 33)).save(place / "boxed" / f"{name}.png")


def resident() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(kind: str, rows: int, path: Path) -> Row:
    """Load a table in this process."""
    columns, before = Columns.guess(read_header(path)), resident()
    began = time.perf_counter()
    table = load_table(path, columns)
    seconds = time.perf_counter() - began
    assert len(table) == (min(FILES, rows) if kind == "boxes" else rows)
    gc.collect()
    kept = resident() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    size = path.stat().st_size / 1e6
    return Row(
        kind,
        rows,
        round(size, 1),
        round(seconds, 2),
        round(peak / 1e6, 1),
        round(kept / 1e6, 1),
        peak // rows,
    )


def keep(row: Row, output: Path) -> None:
    with output.open("a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, [field.name for field in fields(Row)]).writerow(asdict(row))


def in_a_fork(kind: str, rows: int, path: Path, output: Path) -> None:
    """What one table has taken must not be there before the next."""
    process = os.fork()
    if process:
        _, status = os.waitpid(process, 0)
        if status:
            raise SystemExit(f"{kind}, {rows} rows: failed")
        return
    code = 1
    try:
        row = measure(kind, rows, path)
        keep(row, output)
        print(row, flush=True)
        code = 0
    finally:
        os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default="10000,100000,1000000", help="numbers of rows, with commas between")
    parser.add_argument("--output", type=Path, default=Path("table.csv"))
    options = parser.parse_args()
    numbers = sorted(map(int, options.rows.split(",")))
    options.output.write_text(",".join(field.name for field in fields(Row)) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_images(max(numbers), place)
        for rows in numbers:
            for kind in KINDS:
                path = place / f"{kind}.csv"
                with path.open("w", encoding="utf-8") as file:
                    file.writelines(lines(kind, rows))
                in_a_fork(kind, rows, path, options.output)


if __name__ == "__main__":
    main()
