"""Six arms on two folds of 1,500 images of HAM10000: killed and resumed, and what the comparison costs.

    python benchmarks/compare_skin.py --output DIR

draws 1,500 images lesion by lesion (seed 0; counts below), then runs `lesioncare compare` twice with the same
options: once to its end, and once killed by SIGKILL in its fourth cell and run again. It prints whether all
weights and predictions are equal, and writes `results/compare_skin.csv`, seconds of the comparison and of
its cells, and `results/compare_skin_arms.csv` and `_pairs.csv`, what came out. About 20
minutes on two free cores. The fixed protocol: tf_efficientnet_lite0, 192x256 pixels, frozen up to blocks.5,
2 views, 6 epochs.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"
DATA = Path(os.environ.get("LESIONCARE_DATA", SHARED / "data")) / "skin7_200x150"
WEIGHTS = SHARED / "weights" / "tf_efficientnet_lite0.imagenet1k.safetensors"
COUNTS = {"NV": 800, "MEL": 200, "BKL": 200, "BCC": 120, "AKIEC": 80, "VASC": 50, "DF": 50}
ARMS = "ce,care-rare,energy-all,balanced-softmax,balanced-softmax+energy-all,ldam-drw"
KILL_AFTER = 3
RESULTS = Path(__file__).parent / "results"


def subset(target: Path) -> None:
    """Write the table: of each class whole lesions in random order, until its count is reached."""
    table = pd.read_csv(DATA / "labels.csv").sample(frac=1, random_state=0)
    parts = []
    for name, count in COUNTS.items():
        rows = table[table.label == name]
        lesions = rows.lesion_id.drop_duplicates()
        order = rows.assign(order=rows.lesion_id.map(dict(zip(lesions, range(len(lesions)), strict=True))))
        parts.append(order.sort_values("order", kind="stable").head(count).drop(columns="order"))
    pd.concat(parts).sort_values("image_id").to_csv(target, index=False)


def command(table: Path, output: Path) -> list[str]:
    """The comparison, as a user would type it."""
    options = {
        "--images": DATA / "images", "--arms": ARMS, "--folds": "0,1/5", "--seeds": "1",
        "--model": "tf_efficientnet_lite0", "--weights": WEIGHTS, "--image-size": "192x256",
        "--freeze": "blocks.5", "--views": "2", "--epochs": "6", "--learning-rate": "1e-3",
        "--augment": "dermoscopy", "--output": output,
    }  # fmt: skip
    words = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-m", "lesioncare", "compare", str(table), *words]


def run(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, check=True)
    return time.perf_counter() - start


def run_killed(words: list[str], output: Path) -> None:
    """Kill the comparison in the middle of its fourth cell, then let it end."""
    process = subprocess.Popen(words)
    while len(list(output.glob("cells/*/*/result.json"))) < KILL_AFTER and process.poll() is None:
        time.sleep(0.2)
    time.sleep(5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    print("killed after", len(list(output.glob("cells/*/*/result.json"))), "cells", flush=True)
    run(words)


def differing(one: Path, other: Path) -> list[str]:
    """Weights and predictions that are not the same bytes in both comparisons."""
    names = ("model.safetensors", "predictions.csv", "validation.csv")
    files = [path.relative_to(one) for name in names for path in sorted(one.glob(f"cells/*/*/{name}"))]
    return [str(file) for file in files if (one / file).read_bytes() != (other / file).read_bytes()]


def cost(output: Path, wall: float) -> dict[str, object]:
    """Seconds of the comparison and of its cells' parts."""
    cells = [json.loads(path.read_text()) for path in output.glob("cells/*/*/seconds.json")]
    spent = {
        part: sum(cell.get(part, 0.0) for cell in cells) for part in {part for cell in cells for part in cell}
    }
    around = json.loads((output / "seconds.json").read_text())
    once = around["prepare"]  # reading the table and images, and the frozen features of all cells
    bare = once + sum(spent.get(part, 0.0) for part in ("train", "test", "cache features"))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, no GPU",
        "cells": len(cells),
        "wall_s": round(wall, 1),
        **{f"cells_{part.replace(' ', '_')}_s": round(value, 1) for part, value in sorted(spent.items())},
        **{f"around_{part.replace(' ', '_')}_s": round(value, 1) for part, value in sorted(around.items())},
        "wall_over_training_alone": round(wall / spent["train"], 3),
        "wall_over_features_once_training_and_testing": round(wall / bare, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "compare_skin")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    table, whole, killed = output / "table.csv", output / "whole", output / "killed"
    subset(table)
    wall = run(command(table, whole))
    row = cost(whole, wall)
    print(row, flush=True)
    run_killed(command(table, killed), killed)
    different = differing(whole, killed)
    row["files_that_differ_after_a_kill"] = len(different)
    print("differ:", different or "none", flush=True)
    with (RESULTS / "compare_skin.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, row)
        writer.writeheader()
        writer.writerow(row)
    for name in ("arms", "pairs"):
        shutil.copy(whole / f"{name}.csv", RESULTS / f"compare_skin_{name}.csv")


if __name__ == "__main__":
    main()
