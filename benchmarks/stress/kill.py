"""Kill commands with SIGKILL at random moments, give them again, and compare with a run that was not killed.

    python benchmarks/stress/kill.py --moments 20 --output benchmarks/stress/kill.csv

A row is one command killed once: when it was, whether it had ended by then, whether anything was half-written
under a final name, whether a process of it was left, and whether the same command then gave the same files,
byte for byte. The moments are drawn evenly over the time that the command takes when it is left alone.
"""

import argparse
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd
from safetensors import SafetensorError, safe_open

from lesioncare.data.synthetic import SyntheticConfig, write_dataset

TRAINING = (
    "--model lesioncare.experiment.demo:small_network --image-size 32 --epochs 6 --batch-size 8 "
    "--validation 0.2 --accelerator cpu"
)
COMPARED = ("model.safetensors", "predictions.csv", "validation.csv", "history.csv", "maps.npz")
COMMANDS = {
    "train": (f"train data/table.csv {TRAINING} --output {{}}", COMPARED),
    "compare": (
        f"compare folds.csv --images data {TRAINING} --arms ce,care-all --folds 2 --threads 1 "
        "--rare red-lacunae --output {}",
        (*COMPARED, "cells.csv", "splits.csv", "arms.csv", "pairs.csv"),
    ),
    "boxes make": ("boxes make data/images --method mbd --workers 2 --output {}/boxes.json", ("boxes.json",)),
    "import": ("import folder clinic --output {}/out", ("table.csv", "import.txt")),
    "export": (
        "export run --output {}/out",
        ("model.onnx", "model.pt2", "model.torchscript.pt", "preprocessing.json", "README.md"),
    ),
}
REFUSING = {"boxes make", "import", "export"}
"""Commands that do not replace what is there, so that one which had ended is not given again."""


@dataclass(frozen=True)
class Row:
    """One command killed once."""

    command: str
    killed_after_s: float
    ended_before: bool
    half_written: int
    processes_left: int
    same_files: bool
    left_over: int


def start(words: str, place: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lesioncare", *words.split()],
        cwd=place,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def finish(words: str, place: Path) -> float:
    began = time.monotonic()
    if start(words, place).wait() != 0:
        sys.exit(f"lesioncare {words} failed in {place}")
    return time.monotonic() - began


def contents(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for name in names for path in folder.rglob(name)}


def _final(found: dict[str, bytes]) -> dict[str, bytes]:
    """Without what lies in a folder that was being made."""
    return {name: content for name, content in found.items() if ".tmp" not in name}


def half_written(folder: Path, whole: dict[str, bytes]) -> int:
    """Files under a final name that cannot be read to their end."""
    found = contents(folder, tuple({Path(name).name for name in whole}))
    return sum(
        not _is_whole(folder / name, content, whole.get(name)) for name, content in _final(found).items()
    )


def _is_whole(path: Path, content: bytes, expected: bytes | None) -> bool:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                return bool(file.keys())
        if path.suffix == ".csv":
            return content.endswith(b"\n") and len(pd.read_csv(path)) > 0
    except (OSError, ValueError, SafetensorError):
        return False
    if path.suffix in {".npz", ".pt2", ".pt"}:
        return content[:2] == b"PK" and b"PK\5\6" in content
    return content.rstrip()[-1:] == b"}" if path.suffix == ".json" else content == expected


def processes_of(session: int, patience: float = 20) -> int:
    """Processes of a session that are still there after some time."""
    end = time.monotonic() + patience
    while True:
        listed = subprocess.run(
            ["ps", "-o", "stat=", "-s", str(session)], capture_output=True, text=True, check=False
        )
        left = [state for state in listed.stdout.split() if not state.startswith("Z")]
        if not left or time.monotonic() > end:
            return len(left)
        time.sleep(0.1)


def kill_once(name: str, moment: float, place: Path, whole: dict[str, bytes]) -> Row:
    words, names = COMMANDS[name]
    folder = place / "killed"
    shutil.rmtree(folder, ignore_errors=True)
    process = start(words.format("killed"), place)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    ended = process.wait() == 0
    left = processes_of(process.pid)
    torn = half_written(folder, whole)
    if not (name in REFUSING and _final(contents(folder, names)) == whole):
        finish(words.format("killed"), place)
    found = _final(contents(folder, names))
    for path in sorted(found.keys() ^ whole.keys()) + [
        path for path in found if found[path] != whole.get(path)
    ]:
        print(f"  differs: {path}", flush=True)
    same = found == whole
    rest = sum(path.suffix in {".part", ".tmp", ".partial", ".lock"} for path in folder.rglob("*"))
    return Row(name, round(moment, 2), ended, torn, left, same, rest)


def run(name: str, moments: int, seed: int, place: Path) -> list[Row]:
    words, names = COMMANDS[name]
    seconds = finish(words.format("whole"), place)
    whole = contents(place / "whole", names)
    shutil.rmtree(place / "whole")
    draw = random.Random(f"{name} {seed}")
    rows = []
    for number in range(moments):
        rows.append(kill_once(name, draw.uniform(0, seconds), place, whole))
        print(number, rows[-1], flush=True)
    return rows


def prepare(names: list[str], place: Path) -> None:
    """Make what the commands begin with: a folder of images per class, and a trained run."""
    if "import" in names:
        for row in pd.read_csv(place / "folds.csv").itertuples():
            target = place / "clinic" / str(row.label) / Path(str(row.image)).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(place / "data" / str(row.image), target)
    if "export" in names:
        finish(COMMANDS["train"][0].format("run"), place)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moments", type=int, default=20, help="kills of each command")
    parser.add_argument("--commands", default=",".join(COMMANDS), help="which, with commas between them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("kill.csv"), help="rows are added at its end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        counts = {"common-mole": 13, "network": 9, "red-lacunae": 3}
        table = write_dataset(place / "data", SyntheticConfig(train_counts=counts, n_test=4, size=32))
        pd.read_csv(table).drop(columns=["split", "artefacts"]).to_csv(place / "folds.csv", index=False)
        found, names = list[Row](), options.commands.split(",")
        prepare(names, place)
        for name in names:
            rows = run(name, options.moments, options.seed, place)
            found += rows
            new = not options.output.exists()
            with options.output.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, [field.name for field in fields(Row)])
                if new:
                    writer.writeheader()
                writer.writerows(asdict(row) for row in rows)
    bad = [row for row in found if row.half_written or row.processes_left or not row.same_files]
    print(f"{len(bad)} bad")


if __name__ == "__main__":
    main()
