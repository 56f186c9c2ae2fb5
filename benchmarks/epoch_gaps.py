"""What a device waits for at the start of an epoch: torch's loader, and one that goes on to the next epoch.

    python benchmarks/epoch_gaps.py       # a minute on two quiet cores

writes `epoch_gaps.csv` beside this file. The device is one that computes elsewhere, as a GPU does: a step is
a sleep of --step seconds. Kept images of HAM10000 (300x300 px, bytes) come from --workers processes in
batches of --batch, augmented by nobody. Both loaders take turns, epoch by epoch, and the first epoch of both
is left out. `first_ms` is the wait for an epoch's first batch, `others_ms` for each of the others, medians
over the epochs; `share` is the steps' time over the epoch's: 1 where nothing is waited for.

Data: below LESIONCARE_DATA or ../shared/data; without it nothing is measured.
"""

import argparse
import csv
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from feeding import find_table
from torch.utils.data import DataLoader

from lesioncare.data import Columns, EpochLoader, EpochSampler, ImageDataset, collate, load_table
from lesioncare.data.pixels import keep_pixels
from lesioncare.rawtable import read_header

HERE = Path(__file__).parent
FIELDS = (
    *("loader", "images", "batch", "workers", "step_ms", "epochs"),
    *("first_ms", "others_ms", "share", "share_low", "share_high"),
)


def torch_loader(data: ImageDataset, options: argparse.Namespace) -> DataLoader[Any]:
    """torch's own."""
    sampler = EpochSampler(len(data), seed=0, shuffle=True)
    return DataLoader(
        data,
        batch_size=options.batch,
        sampler=sampler,
        collate_fn=collate,
        num_workers=options.workers,
        persistent_workers=True,
    )


def epoch_loader(data: ImageDataset, options: argparse.Namespace) -> DataLoader[Any]:
    """The one of `lesioncare train`."""
    sampler = EpochSampler(len(data), seed=0, shuffle=True)
    return EpochLoader(
        data,
        sampler,
        batch_size=options.batch,
        epochs=options.epochs + 1,
        num_workers=options.workers,
        persistent_workers=True,
    )


def epoch(loader: DataLoader[Any], step: float) -> list[float]:
    """Seconds that each batch was waited for, and at the end those of the epoch."""
    waits, start = [], time.perf_counter()
    asked = start
    for _ in loader:
        waits.append(time.perf_counter() - asked)
        time.sleep(step)
        asked = time.perf_counter()
    return [*waits, time.perf_counter() - start]


def row(name: str, epochs: list[list[float]], options: argparse.Namespace) -> dict[str, Any]:
    """One row of the file."""
    shares = [options.step * (len(one) - 1) / one[-1] for one in epochs]
    low, middle, high = statistics.quantiles(shares, n=4)
    first = statistics.median(one[0] for one in epochs)
    others = statistics.median(wait for one in epochs for wait in one[1:-1])
    setting = {"images": options.images, "batch": options.batch, "workers": options.workers}
    return {
        **{"loader": name, **setting, "step_ms": f"{1000 * options.step:g}", "epochs": options.epochs},
        **{"first_ms": f"{1000 * first:.1f}", "others_ms": f"{1000 * others:.1f}"},
        **{"share": f"{middle:.3f}", "share_low": f"{low:.3f}", "share_high": f"{high:.3f}"},
    }


def main() -> None:
    """Measure both and write the CSV."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--step", type=float, default=0.12)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    source = find_table()
    if source is None:
        sys.exit(
            "Skipped: HAM10000 is not there; set LESIONCARE_DATA to the folder that holds skin7_200x150."
        )
    torch.set_num_threads(1)
    table = load_table(source, Columns.guess(read_header(source)), image_root=source.parent / "images")
    positions = np.arange(options.images)
    with tempfile.TemporaryDirectory() as folder:
        pixels = keep_pixels(table, positions, (300, 300), Path(folder))
        data = ImageDataset(table, positions, None, pixels=pixels)
        loaders = {"torch": torch_loader(data, options), "lesioncare": epoch_loader(data, options)}
        found: dict[str, list[list[float]]] = {name: [] for name in loaders}
        for _ in range(options.epochs + 1):
            for name, loader in loaders.items():
                found[name].append(epoch(loader, options.step))
    rows = [row(name, epochs[1:], options) for name, epochs in found.items()]
    with (HERE / "epoch_gaps.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for one in rows:
        print(one)


if __name__ == "__main__":
    main()
