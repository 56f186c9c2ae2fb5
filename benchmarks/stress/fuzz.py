"""Random arguments for public functions that take arrays, random files for the readers (targets.py).

    python benchmarks/stress/fuzz.py --count 500 --output benchmarks/stress/fuzz.csv

Whatever comes in, a result or a `LesionCareError` comes out. The readers of boxes: benchmarks/boxes_fuzz.py.
"""

import argparse
import csv
import time
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from targets import TARGETS

from lesioncare.errors import LesionCareError


@dataclass(frozen=True)
class Row:
    """What one function did with its inputs."""

    target: str
    inputs: int
    accepted: int
    refused: int
    foreign: int
    seconds: float
    first_foreign: str


def run(name: str, count: int) -> Row:
    function, arguments = TARGETS[name]
    seen, first = Counter[str](), ""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*arguments))
    def feed(drawn: tuple[Any, ...]) -> None:
        nonlocal first
        try:
            function(*drawn)
            seen["accepted"] += 1
        except LesionCareError:
            seen["refused"] += 1
        except Exception as error:  # noqa: BLE001  whatever it is, is what is looked for
            seen["foreign"] += 1
            first = first or f"{type(error).__name__}: {error} of {drawn!r}"[:300].replace("\n", " ")

    before = time.perf_counter()
    feed()
    seconds = round(time.perf_counter() - before, 1)
    return Row(name, seen.total(), seen["accepted"], seen["refused"], seen["foreign"], seconds, first)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500, help="inputs of each function")
    parser.add_argument("--targets", help="which of them, with ; between them")
    parser.add_argument("--output", type=Path, default=Path("fuzz.csv"))
    options = parser.parse_args()
    torch.manual_seed(0)
    with options.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        for name in options.targets.split(";") if options.targets else TARGETS:
            row = run(name, options.count)
            print(row, flush=True)
            writer.writerow(asdict(row))
            file.flush()


if __name__ == "__main__":
    main()
