"""HAM10000, one lesion-grouped fold: no attention against CARE on the rare classes, and on all classes.

Fixed before the first run, not tuned on the test fold: tf_efficientnet_lite0 from ImageNet weights at
192 x 256 px, everything up to blocks.5 frozen and cached (2 augmented views per image), the rest trained
for 8 epochs; boxes from the data set's masks; rare = auto; the same seed and schedule for every arm. A tenth
of the training lesions is held out to watch, not to choose: the last epoch is tested.

    python benchmarks/skin_one_fold.py [--output DIR]

Takes about 18 minutes on two free cores, and goes on where it was stopped.

Writes results/skin_one_fold.csv (arm, metric, value, low, high) and DIR/report.html.
"""

import argparse
import csv
import os
import platform
from pathlib import Path

from lesioncare.allocator import keep_freed_memory
from lesioncare.evaluation import RunResult, compare, interval
from lesioncare.report import build_report
from lesioncare.training import TrainConfig, train

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"
ARMS = {
    "no attention": {"loss": "none"},
    "CARE, rare classes": {"loss": "care", "attend": "rare"},
    "CARE, all classes": {"loss": "care", "attend": "all"},
}


def configuration(attention: dict[str, str]) -> TrainConfig:
    """The protocol, with one arm's attention."""
    data = Path(os.environ.get("LESIONCARE_DATA", SHARED / "data")) / "skin7_200x150"
    return TrainConfig.build(
        data={"table": data / "labels.csv", "image_root": data / "images", "folds": 5, "fold": 0},
        model={
            "name": "tf_efficientnet_lite0",
            "weights": str(SHARED / "weights" / "tf_efficientnet_lite0.imagenet1k.safetensors"),
            "image_size": (192, 256),
            "freeze": "blocks.5",
            "views": 2,
        },
        schedule={"epochs": 8, "augment": "dermoscopy", "learning_rate": 1e-3, "seed": 0, "workers": 1},
        attention=attention,
    )


def rows(runs: list[RunResult]) -> list[dict[str, object]]:
    """One row per arm and number; differences from the first arm have an interval."""
    table: list[dict[str, object]] = []

    def add(arm: str, metric: str, *numbers: float | None) -> None:
        texts = ["" if number is None else f"{number:.4f}" for number in (*numbers, None, None)]
        table.append({"arm": arm, "metric": metric, "value": texts[0], "low": texts[1], "high": texts[2]})

    for run in runs:
        for key, one in interval(run.predictions, run.rare, run.prior).items():
            add(run.name, key, one.value, one.low, one.high)
        for name, numbers in run.metrics.per_class.items():
            add(run.name, f"average_precision:{name}", numbers.average_precision)
            add(run.name, f"recall_adjusted:{name}", numbers.recall_adjusted)
        add(run.name, "rare_average_precision", run.metrics.rare_average_precision)
        add(run.name, "macro_auroc", run.metrics.macro_auroc)
        for which, looks in run.metrics.localisation.items():
            for name in ("energy", "pointing", "area_share", "centre_energy"):
                add(run.name, f"{name}:{which}", getattr(looks, name))
        for part, seconds in run.seconds.items():
            add(run.name, f"seconds:{part}", seconds)
    for run in runs[1:]:
        for key, one in compare(runs[0].predictions, run.predictions, run.rare, run.prior).items():
            add(f"{run.name} minus {runs[0].name}", key, one.difference, one.low, one.high)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description="HAM10000, one fold: no attention against CARE.")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "skin_one_fold")
    output = parser.parse_args().output
    keep_freed_memory()
    runs = []
    for number, (name, attention) in enumerate(ARMS.items()):
        print(name, flush=True)
        config = configuration(attention)
        runs.append(train(config, output / f"arm{number}", cache_dir=output / "features"))
        print({part: round(seconds) for part, seconds in runs[-1].seconds.items()}, flush=True)
    machine = {"machine": f"{platform.machine()}, {os.cpu_count()} cores, no GPU"}
    table = [machine | row for row in rows(runs)]
    target = Path(__file__).parent / "results" / "skin_one_fold.csv"
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, table[0])
        writer.writeheader()
        writer.writerows(table)
    print(build_report(runs, output / "report.html", title="HAM10000, fold 0: attention to the lesion"))


if __name__ == "__main__":
    main()
