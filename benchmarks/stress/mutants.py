"""Change one thing in the code at a time, and see whether the tests of that part notice.

    python benchmarks/stress/mutants.py --count 100 --output benchmarks/stress/mutants.csv
    python benchmarks/stress/mutants.py --parts statistics --count 20 --list

draws a fixed random sample of the mutants (mutations.py) of each part, and runs the part's tests with each,
those of the changed file first, to the first failure. A row each, at the end of the CSV: `killed` (a test
failed), `timeout` (five times the time of the unchanged code, at least two minutes) or `survived`. Given
again it goes on with what is not in the CSV; a larger count keeps the mutants of a smaller one.

Code, tests and documents are copied into a temporary folder, and only there anything is changed. Torch and
the like are imported once; each mutant runs in a process forked from there. Neither mutmut nor cosmic-ray is
used: the one runs all tests first, to find out which of them belong to what, the other starts Python, and
imports torch, for each mutant; neither draws a sample.
"""

import argparse
import csv
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mutations import Mutation, mutations

ROOT = Path(__file__).parents[2]
PARTS: dict[str, tuple[str, str]] = {
    "attention": ("attention/*.py", "tests/attention"),
    "boxes": (
        "boxes/box.py boxes/boxset.py boxes/check.py boxes/control.py boxes/stats.py "
        "boxes/csv_format.py boxes/generation/map_to_box.py boxes/generation/consensus.py",
        "tests/boxes/*.py tests/boxes/generation/test_map_to_box.py tests/boxes/generation/test_consensus.py",
    ),
    "imbalance": ("imbalance/*.py", "tests/imbalance"),
    "statistics": (
        "evaluation/bootstrap.py evaluation/intervals.py evaluation/metrics.py evaluation/resampling.py "
        "evaluation/ranking.py evaluation/correction.py evaluation/comparison.py evaluation/reliability.py "
        "evaluation/localisation.py",
        "tests/evaluation",
    ),
}
"""Part -> patterns of its sources, under src/lesioncare, and of its tests."""
WARM = (
    "numpy",
    "pandas",
    "torch",
    "timm",
    "scipy.stats",
    "scipy.optimize",
    "sklearn.metrics",
    "cv2",
    "captum",
)
"""What tests import that takes long; nothing of lesioncare, which each fork reads anew."""
COPIED = ("src", "tests", "docs", "examples", "benchmarks", "README.md", "pyproject.toml", "mkdocs.yml")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "evidence", "results")
OPTIONS = (
    "-x",
    "--hypothesis-seed=0",
    "--basetemp=basetemp",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
"""What is warm and also a plugin of pytest, as timm's anyio is, has assertions as they are."""
NONE = "none"
MEMORY = 16 * 2**30


@dataclass(frozen=True)
class Row:
    """One mutant; that of the mutation "none" is the unchanged code."""

    part: str
    file: str
    line: int
    column: int
    mutation: str
    result: str
    seconds: float

    @property
    def key(self) -> tuple[str, ...]:
        """What tells mutants apart."""
        return self.part, self.file, str(self.line), str(self.column), self.mutation


def sample(part: str, count: int, seed: int) -> list[tuple[str, Mutation]]:
    """Files and their mutations: the first so many of all, in a random order."""
    package = ROOT / "src" / "lesioncare"
    files = sorted({path for pattern in PARTS[part][0].split() for path in package.glob(pattern)})
    found = [(str(file.relative_to(ROOT)), one) for file in files for one in mutations(file.read_bytes())]
    random.Random(f"{part} {seed}").shuffle(found)
    return found[:count]


def tests_of(part: str, file: str) -> list[str]:
    """The part's test files, those named after the changed file first."""
    found = set[Path]()
    for pattern in PARTS[part][1].split():
        for path in Path().glob(pattern):
            found |= set(path.rglob("test_*.py")) if path.is_dir() else {path}
    name = f"test_{Path(file).stem}"
    return [str(path) for path in sorted(found, key=lambda path: (path.stem != name, str(path)))]


def run_tests(tests: list[str], limit: float) -> tuple[str, float]:
    """Run tests in a process of their own, to the first failure."""
    began, process = time.monotonic(), os.fork()
    if process == 0:
        _be_tests(tests)
    status = None
    while status is None and time.monotonic() - began < limit:
        ended, code = os.waitpid(process, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if ended else None
        time.sleep(0.02)
    with suppress(ProcessLookupError):  # it, or what it has started
        os.killpg(process, signal.SIGKILL)
    if status is None:
        os.waitpid(process, 0)
        result = "timeout"
    else:
        result = "survived" if status == 0 else "killed"
    shutil.rmtree(".hypothesis", ignore_errors=True)  # no mutant may profit from another's examples
    return result, time.monotonic() - began


def _be_tests(tests: list[str]) -> None:
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        log = os.open("pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        import pytest  # noqa: PLC0415  its plugins must not be there before it

        code = int(pytest.main([*OPTIONS, *tests]))
    except BaseException:  # noqa: BLE001  nothing may run on in the fork
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def tried(part: str, file: str, one: Mutation, limit: float) -> Row:
    """Write a mutant into the copy, run the tests, and write the file back."""
    path = Path(file)
    source = path.read_bytes()
    path.write_bytes(one.applied(source))
    try:
        result, seconds = run_tests(tests_of(part, file), limit)
    finally:
        path.write_bytes(source)
    return Row(part, file, one.line, one.column, one.words[:150], result, round(seconds, 1))


def rows_of(part: str, count: int, seed: int, done: dict[tuple[str, ...], Row]) -> Iterator[Row]:
    """What is not done yet: the unchanged code first, since its time sets the limit."""
    plain = next((row for row in done.values() if row.part == part and row.mutation == NONE), None)
    if plain is None:
        result, seconds = run_tests(tests_of(part, ""), 3600)
        if result != "survived":
            sys.exit(
                f"{part}: the tests fail with the code as it is:\n{Path('pytest.log').read_text()[-3000:]}"
            )
        plain = Row(part, PARTS[part][1], 0, 0, NONE, result, round(seconds, 1))
        yield plain
    for file, one in sample(part, count, seed):
        if (part, file, str(one.line), str(one.column), one.words[:150]) not in done:
            yield tried(part, file, one, max(120, 5 * plain.seconds))


def prepare(place: Path) -> None:
    """Copy what the tests need, go there, and import what takes long."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=NOT_COPIED)
        else:
            shutil.copy(source, place / name)
    os.chdir(place)
    sys.path[:] = [str(place / "src"), *(entry for entry in sys.path if entry != str(ROOT / "src"))]
    # Files that change within a second, at the same length, would be taken for the same.
    os.environ.update(PYTHONPATH=str(place / "src"), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    sys.dont_write_bytecode = True
    for name in WARM:
        importlib.import_module(name)
    if "lesioncare" in sys.modules:
        sys.exit("lesioncare was imported before it could be changed")


def read(path: Path) -> dict[tuple[str, ...], Row]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rows = [
        Row(
            **line
            | {"line": int(line["line"]), "column": int(line["column"]), "seconds": float(line["seconds"])}
        )
        for line in lines
    ]
    return {row.key: row for row in rows}


def keep(row: Row, path: Path) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(row))


def tell(rows: list[Row]) -> None:
    """The share that was noticed, by part."""
    for part in PARTS:
        own = [row for row in rows if row.part == part and row.mutation != NONE]
        seen = Counter(row.result for row in own)
        if own:
            share = 100 * (1 - seen["survived"] / len(own))
            mean = sum(row.seconds for row in own) / len(own)
            print(f"{part}: {share:.0f} % of {len(own)} noticed {dict(seen)}, {mean:.1f} s for each")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="mutants of each part")
    parser.add_argument("--parts", default=",".join(PARTS), help="which, with commas between them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="only say which")
    parser.add_argument("--output", type=Path, default=Path("mutants.csv"), help="rows are added at its end")
    options = parser.parse_args()
    parts, output = options.parts.split(","), options.output.resolve()
    if options.list:
        for part in parts:
            for file, one in sample(part, options.count, options.seed):
                print(part, f"{file}:{one.line}:{one.column}", one.words, sep="  ")
        return
    done = read(output)
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        for part in parts:
            for row in rows_of(part, options.count, options.seed, done):
                keep(row, output)
                print(row, flush=True)
        os.chdir(ROOT)
    tell(list(read(output).values()))


if __name__ == "__main__":
    main()
