"""How long a file of 100,000 boxes takes to open: python benchmarks/review_opening.py.

The time until the first images are listed, in a new process: for a new review, where the file is read and
copied, and for one that goes on. Wall times depend on what else the machine does: the load is written beside
them, in review_opening.csv, and the processor time.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import write_boxes

MANY = 100_000
ROUNDS = 3

OPEN = """
import sys, time
from pathlib import Path
from lesioncare.review.opening import open_review
from lesioncare.review.store import Filter
imported, busy = time.perf_counter(), time.process_time()
review = open_review(Path(sys.argv[1]))
lines = review.queue("anna", Filter(), "todo", (-1.0, 0), 50)
review.progress("anna", Filter())
print(time.perf_counter() - imported, time.process_time() - busy, time.process_time(), len(lines))
"""


def main() -> None:
    """Measure, print, and write the CSV."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _opening(Path(folder))
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["what", "meaning", "n", "median", "largest", "unit", "load"])
        writer.writerows(rows)
    for row in rows:
        print(*row, sep=", ")


def _opening(folder: Path) -> list[list[object]]:
    rng = np.random.default_rng(0)
    boxes = [
        Box(f"{n:06d}.jpg", 20, 20, 100, 100, label="df", source="mbd", score=score)
        for n, score in enumerate(rng.random(MANY).tolist())
    ]
    file = folder / "many.json"
    write_boxes(BoxSet.of(boxes, {box.image: (200, 150) for box in boxes}), file)
    found: dict[str, list[list[float]]] = {"new": [], "goes on": []}
    for _ in range(ROUNDS):
        Path(f"{file}.review").unlink(missing_ok=True)
        for times in found.values():
            words = [sys.executable, "-c", OPEN, str(file)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            times.append([float(word) for word in done.stdout.split()])
    rows: list[list[object]] = []
    for what, times in found.items():
        for place, meaning in (
            (0, "wall time"),
            (1, "processor time"),
            (2, "processor time with all imports"),
        ):
            values = [one[place] for one in times]
            row = [f"{MANY} boxes listed, {what}", meaning, ROUNDS, round(statistics.median(values), 2)]
            rows.append([*row, round(max(values), 2), "s", round(os.getloadavg()[0], 1)])
    return rows


if __name__ == "__main__":
    main()
