"""Train a tiny network with attention for a long time and see whether anything grows.

    python benchmarks/stress/soak.py --minutes 60 --output benchmarks/stress/soak.csv

`lesioncare.training.train` on the CPU, in one process and one thread, on images made from numbers. A row for
each minute: steps done so far, resident memory after a collection of garbage, open file descriptors, and the
medians over that minute of a step's CPU seconds and wall seconds (loading of its batch, forward, backward,
update; what lies between epochs, such as a checkpoint, is left out), and of the CPU seconds of a plain step
that never changes (another copy of the network, one kept batch, forward and backward), made after every
twentieth step: how fast the machine was in that minute. The CSV is begun anew and is whole after each row.

The verdict compares minute 5 with the last one, since the first minutes still make what stays; a shorter run
is compared from its second row. Wanted: memory grows by at most 1 %, descriptors by none, and the CPU time
of a step over that of the plain step by at most 3 % (the Theil-Sen slope of the ratio over the minutes, times
their number, over the median). The time alone would also tell what else the machine did: it is said beside.
"""

import argparse
import csv
import gc
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from unittest import mock

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from scipy.stats import theilslopes
from torch.nn import functional

from lesioncare.data.synthetic import SyntheticConfig, write_dataset
from lesioncare.experiment.demo import small_network
from lesioncare.training import TrainConfig, run, train

COUNTS = {"common-mole": 1200, "network": 600, "red-lacunae": 200}
"""Some 250 steps in an epoch, as in a real data set: what an epoch adds to the history must not dominate."""
MEMORY, DESCRIPTORS, DRIFT = 1.0, 0, 3.0
"""Limits: %, number, %."""
EVERY = 20
"""Steps to one plain step."""
SETTLED = 5
"""Minutes after which nothing may grow."""


@dataclass(frozen=True)
class Row:
    """One minute."""

    minute: int
    steps: int
    rss_mb: float
    descriptors: int
    step_cpu_s: float
    step_wall_s: float
    plain_cpu_s: float


class Plain:
    """A step whose work is always the same: what it costs tells how fast the machine is."""

    def __init__(self) -> None:
        own = torch.Generator().manual_seed(0)
        self.network = small_network(len(COUNTS))
        self.images = torch.rand(8, 3, 32, 32, generator=own)
        self.target = torch.arange(8) % len(COUNTS)

    def __call__(self) -> float:
        """Its CPU seconds."""
        began = time.process_time()
        functional.cross_entropy(self.network(self.images), self.target).backward()
        self.network.zero_grad()
        return time.process_time() - began


class Meter(Callback):
    """Writes a row each minute, and stops the training after the last one."""

    def __init__(self, minutes: int, output: Path) -> None:
        self.minutes, self.output, self.rows = minutes, output, list[Row]()
        self.steps, self.times = 0, list[tuple[float, float]]()
        self.plain, self.plain_times = Plain(), list[float]()
        self.last, self.begun = (0.0, 0.0), time.monotonic()
        write(self.rows, output)

    def on_train_start(self, *_: Any) -> None:
        """Begin to count: reading and caching images is over."""
        self.begun = time.monotonic()

    def on_train_epoch_start(self, *_: Any) -> None:
        """Leave out what lay between the epochs."""
        self.last = time.process_time(), time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Note the step, and look around once in a minute."""
        now = time.process_time(), time.perf_counter()
        self.times.append((now[0] - self.last[0], now[1] - self.last[1]))
        self.steps += 1
        if self.steps % EVERY == 0:
            self.plain_times.append(self.plain())
        if time.monotonic() - self.begun >= 60 * (len(self.rows) + 1):
            self.rows.append(self.row())
            self.times.clear()
            self.plain_times.clear()
            write(self.rows, self.output)
            print(self.rows[-1], flush=True)
            trainer.should_stop = trainer.should_stop or len(self.rows) >= self.minutes
        self.last = time.process_time(), time.perf_counter()

    def row(self) -> Row:
        """What is there now."""
        plain = round(statistics.median(self.plain_times), 6)
        cpu, wall = (statistics.median(each) for each in zip(*self.times, strict=True))
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        rss = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        files = len(list(Path("/proc/self/fd").iterdir()))
        return Row(len(self.rows) + 1, self.steps, round(rss, 2), files, round(cpu, 6), round(wall, 6), plain)


def write(rows: list[Row], output: Path) -> None:
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def verdict(rows: list[Row]) -> tuple[str, bool]:
    """What grew after the first minutes, in words, and whether all of it is within its limit."""
    kept = rows[SETTLED - 1 :] if len(rows) > SETTLED else rows[1:]
    first, last = kept[0], kept[-1]
    memory = 100 * (last.rss_mb / first.rss_mb - 1)
    files = last.descriptors - first.descriptors
    drift = growth([row.step_cpu_s / row.plain_cpu_s for row in kept])
    alone = growth([row.step_cpu_s for row in kept])
    good = memory <= MEMORY and files <= DESCRIPTORS and drift <= DRIFT
    return (
        f"{'held' if good else 'GROWS'}: minutes {first.minute} to {last.minute}, {last.steps} steps, "
        f"memory {memory:+.2f} % (at most {MEMORY:g}), descriptors {files:+d} (at most {DESCRIPTORS}), "
        f"CPU time of a step over a plain one {drift:+.2f} % (at most {DRIFT:g}), alone {alone:+.2f} %"
    ), good


def growth(values: list[float]) -> float:
    """Percent by which values grow from the first to the last, by their Theil-Sen slope."""
    slope = theilslopes(values).slope if len(values) > 1 else 0.0
    return float(100 * slope * (len(values) - 1) / statistics.median(values))


def soak(minutes: int, output: Path, place: Path) -> list[Row]:
    """Train until the minutes are over."""
    table = write_dataset(place / "data", SyntheticConfig(train_counts=COUNTS, n_test=4, size=32))
    config = TrainConfig.build(
        data={"table": table, "validation": 0.1},
        model={"name": "lesioncare.experiment.demo:small_network", "image_size": (32, 32)},
        schedule={"epochs": 10**6, "batch_size": 8, "accelerator": "cpu", "workers": 0},
        attention={"loss": "care", "attend": "all"},
    )
    meter, make = Meter(minutes, output), run.make_trainer

    def metered(*given: Any) -> Any:
        trainer, history = make(*given)
        trainer.callbacks.append(meter)
        return trainer, history

    with mock.patch.object(run, "make_trainer", metered):  # train() makes its own trainer
        train(config, place / "run")
    return meter.rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=60, help="at least 3")
    parser.add_argument("--output", type=Path, default=Path("soak.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = soak(max(3, options.minutes), options.output, Path(folder))
    text, good = verdict(rows)
    print(text)
    sys.exit(not good)


if __name__ == "__main__":
    main()
