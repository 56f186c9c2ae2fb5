"""What feeding costs: images per second of `lesioncare train` over those of a loop on tensors in memory.

    python benchmarks/feeding.py                                       # CPU: some minutes on two quiet cores
    python benchmarks/feeding.py --device cuda --models resnet50 --size 224 --batch 256 --precision bf16-mixed

adds rows to `feeding.csv` beside this file, one for each model and way; rows of the same setting are
replaced. `ratio` is 1 where decoding, resizing, augmenting, copying and Lightning cost nothing.

The bare loop is PyTorch alone: images of this size, ready in the device's memory, the same network, batch,
precision and memory order, cross-entropy, AdamW. Both take turns in one process: `lesioncare.train` trains,
and after each of its epochs the bare loop does as many steps. The first epoch of both is left out. An epoch
counts from its start to its last step; the checkpoint is left out. `ratio` is the median over the epochs,
`low` and `high` their quartiles. `clock` is what is counted: wall time or, with --clock cpu, the CPU time of
the process, which others on the machine do not lengthen; with --threads 1 and no worker that is what the wall
would show on a quiet machine.

Ways: where the images come from (`kept`: decoded once, see --cache; `files`: decoded anew in each epoch), and
how they are augmented (`item`: one by one; `batch`: as a whole, on the device).

Data: HAM10000 (200 x 150 px JPEG), below LESIONCARE_DATA or ../shared/data; without it nothing is measured.
"""

import argparse
import copy
import csv
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from torch.nn import functional

from lesioncare.allocator import keep_freed_memory
from lesioncare.training import TrainConfig, train
from lesioncare.training import run as run_module

HERE = Path(__file__).parent
KEY = ("device", "model", "size", "batch", "precision", "images", "cores", "threads", "clock", "way")
FIELDS = (*KEY, "workers", "epochs", "bare_per_s", "train_per_s", "ratio", "low", "high")
TESTED = 16


def main() -> None:
    """Measure each model in each way."""
    options = parse()
    table = find_table()
    if table is None:
        sys.exit(
            "Skipped: HAM10000 is not there; set LESIONCARE_DATA to the folder that holds skin7_200x150."
        )
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    for model in options.models:
        for way in options.ways:
            with tempfile.TemporaryDirectory() as folder:
                row = measure(table, model, way, options, Path(folder))
            save(row)
            print({name: row[name] for name in FIELDS}, flush=True)


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--models", nargs="+", default=["resnet18", "test_resnet"])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--images", type=int, help="default: 256, on a GPU 5120")
    parser.add_argument("--epochs", type=int, help="that count; default: 5, on a GPU 3")
    parser.add_argument("--ways", nargs="+", help="default: all four, on a GPU those of the batch")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    options = parser.parse_args()
    cuda = options.device == "cuda"
    options.images = options.images or (5120 if cuda else 256)
    options.epochs = options.epochs or (3 if cuda else 5)
    batch, item = ["kept-batch", "files-batch"], ["kept-item", "files-item"]
    options.ways = options.ways or (batch if cuda else item + batch)
    return options


def find_table() -> Path | None:
    """HAM10000's table, if it is here."""
    folders = [os.environ.get("LESIONCARE_DATA"), HERE.parents[1] / "shared" / "data", "/work/shared/data"]
    tables = [Path(folder) / "skin7_200x150" / "labels.csv" for folder in folders if folder]
    return next((table for table in tables if table.is_file()), None)


def some_images(table: Path, images: int, folder: Path) -> Path:
    """Write a table of so many training images, and a few to test."""
    frame = pd.read_csv(table).sample(images + TESTED, random_state=0)
    names = [str(table.parent / "images" / f"{name}.jpg") for name in frame["image_id"]]
    sides = ["train"] * images + ["test"] * TESTED
    made = pd.DataFrame({"image": names, "label": frame["label"].eq("NV"), "split": sides})
    made.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


class Turns(pl.Callback):
    """Times each epoch of the trainer, and after it as many steps of the bare loop."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.seconds: list[tuple[float, float]] = []
        self.workers = 0
        self._now = time.perf_counter if options.clock == "wall" else time.process_time
        self._bare: Bare | None = None
        self._start = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Note the time."""
        if self._bare is None:
            self._bare = Bare(pl_module, self.options)
            self.workers = trainer.train_dataloader.num_workers
        wait(self.options)
        self._start = self._now()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Note the time, and let the bare loop have its turn."""
        wait(self.options)
        ours = self._now() - self._start
        start = self._now()
        self._bare.epoch(-(-self.options.images // self.options.batch))
        wait(self.options)
        self.seconds.append((ours, self._now() - start))


class Bare:
    """The loop that everybody writes first, with the images in memory."""

    def __init__(self, module: Any, options: argparse.Namespace) -> None:
        device, self.order = torch.device(options.device), module._format
        self.network = copy.deepcopy(module.network)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=5e-4)
        shape = (options.batch, 3, options.size, options.size)
        # Four batches in turn: as good as all, and they fit the memory.
        self.images = [torch.randn(shape).to(device, memory_format=self.order) for _ in range(4)]
        self.labels = [torch.randint(0, 2, (options.batch,)).to(device) for _ in range(4)]
        kind = {"bf16": torch.bfloat16, "16-m": torch.float16}.get(options.precision[:4])
        self.amp = torch.autocast(options.device, kind, enabled=kind is not None)

    def epoch(self, steps: int) -> None:
        """Do so many steps."""
        with torch.enable_grad():
            for step in range(steps):
                self.optimizer.zero_grad()
                with self.amp:
                    loss = functional.cross_entropy(
                        self.network(self.images[step % 4]), self.labels[step % 4]
                    )
                loss.backward()
                self.optimizer.step()


def wait(options: argparse.Namespace) -> None:
    """Let the device finish."""
    if options.device == "cuda":
        torch.cuda.synchronize()


def measure(table: Path, model: str, way: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train in one way, with the bare loop in between."""
    source, _, augment = way.partition("-")
    config = TrainConfig.build(
        data={"table": some_images(table, options.images, folder), "validation": 0, "check_images": False},
        model={
            "name": model,
            "weights": "none",
            "image_size": (options.size, options.size),
            "cache": "auto" if source == "kept" else "never",
        },
        schedule={
            "epochs": options.epochs + 1,
            "batch_size": options.batch,
            "augment_on": augment,
            "accelerator": "gpu" if options.device == "cuda" else "cpu",
            "precision": options.precision,
        },
        attention={"loss": "none"},
    )
    turns, make = Turns(options), run_module.make_trainer

    def make_with_turns(*given: Any) -> Any:
        trainer, history = make(*given)
        trainer.callbacks.insert(0, turns)
        return trainer, history

    run_module.make_trainer = make_with_turns
    try:
        train(config, folder / "run")
    finally:
        run_module.make_trainer = make
    return summarise(turns, model, way, options)


def summarise(turns: Turns, model: str, way: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row of the file."""
    seconds = turns.seconds[1:]
    ratios = [bare / ours for ours, bare in seconds]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    device = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    shown = {"size": options.size, "batch": options.batch, "precision": options.precision}
    images = options.images
    return {
        **{"device": device, "model": model, **shown, "images": images, "way": way},
        **{
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "clock": options.clock,
            "workers": turns.workers,
        },
        "epochs": len(seconds),
        "bare_per_s": round(images / statistics.median(bare for _, bare in seconds), 1),
        "train_per_s": round(images / statistics.median(ours for ours, _ in seconds), 1),
        "ratio": round(statistics.median(ratios), 3),
        "low": round(low, 3),
        "high": round(high, 3),
    }


def save(row: dict[str, Any]) -> None:
    """Write the row into the file, in place of one of the same setting."""
    path = HERE / "feeding.csv"
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    key = [str(row[name]) for name in KEY]
    rows = [other for other in rows if [other[name] for name in KEY] != key]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])


if __name__ == "__main__":
    main()
