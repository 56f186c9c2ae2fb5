"""Exported files against the torch network on real images, and a CARE network's graph against a plain one's.

    python benchmarks/export_check.py [--images 1000] [--output DIR]

Trains two small networks (one epoch on 835 images of HAM10000, with CARE on all classes and without), exports
each in every format, and compares the files with the network on 1,000 images, evenly spaced over HAM10000.
The network sees them as `evaluate` does, prepared by torch; the files as `predict --backend onnx` does,
prepared without it. Goes on where it was stopped; minutes on two free cores.

Writes export_check.csv beside this file: the largest difference of a logit and of a probability, how many
images get another class, and the nodes of the ONNX graph: how many, and whether types and counts are the
plain network's.
"""

import argparse
import csv
import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pandas as pd

from lesioncare.allocator import keep_freed_memory
from lesioncare.data import list_images
from lesioncare.deploy import Export, export_run
from lesioncare.deploy.formats import FORMATS
from lesioncare.deploy.verify import Reference, real_reference, verify
from lesioncare.training import TrainConfig, train
from lesioncare.training.apply import TrainedRun, load_run, plain_images

HERE = Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared"
DATA = Path(os.environ.get("LESIONCARE_DATA", SHARED / "data")) / "skin7_200x150"
WEIGHTS = SHARED / "weights" / "tf_efficientnet_lite0.imagenet1k.safetensors"
MODELS = {
    "tf_efficientnet_lite0": {"weights": str(WEIGHTS), "image_size": (128, 128)},
    "test_resnet": {"weights": "none", "image_size": (96, 96)},
}
PER_CLASS = 120


def trained(model: str, attention: str, directory: Path, table: Path) -> TrainedRun:
    """One epoch of one network."""
    config = TrainConfig.build(
        data={"table": table, "image_root": DATA / "images", "check_images": False},
        model={"name": model, **MODELS[model]},
        schedule={"epochs": 1, "augment": "flips", "accelerator": "cpu"},
        attention={"loss": attention, "attend": "all"},
    )
    train(config, directory)
    return load_run(directory)


def node_types(export: Export) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(export.directory / "model.onnx").graph.node)


def changed(name: str, export: Export, reference: Reference) -> int:
    """Images that get another class."""
    run = FORMATS[name].open(export.directory / FORMATS[name].file)
    pairs = zip(reference.inputs, reference.logits, strict=True)
    return sum(int((run(inputs).argmax(1) != logits.argmax(1)).sum()) for inputs, logits in pairs)


def rows(model: str, output: Path, table: Path, n_images: int) -> list[list[object]]:
    """One row per arm and format."""
    listed = pd.read_csv(DATA / "labels.csv")["image_id"]
    names = listed.iloc[np.linspace(0, len(listed) - 1, n_images).round().astype(int)].tolist()
    images = list_images(names, [str(DATA / "images" / f"{name}.jpg") for name in names], DATA)
    found: list[list[object]] = []
    plain: Counter[str] | None = None
    for arm in ("none", "care"):
        run = trained(model, arm, output / f"{model}-{arm}", table)
        export = export_run(run, output / f"{model}-{arm}-export", overwrite=True)
        run.network.cpu()
        reference = real_reference(run.network, plain_images(run, images), export.manifest.preprocessing)
        nodes = node_types(export)
        plain = plain or nodes
        for name in export.manifest.files:
            opened = FORMATS[name].open(export.directory / FORMATS[name].file)
            check = verify(name, opened, reference)
            graph = [nodes.total(), "yes" if nodes == plain else "no"] if name == "onnx" else ["", ""]
            numbers = [check.inputs, f"{check.logit:.2e}", f"{check.probability:.2e}"]
            found.append([model, arm, name, *numbers, changed(name, export, reference), *graph])
            print(*found[-1], sep=", ", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument(
        "--output", type=Path, default=Path(tempfile.gettempdir()) / "lesioncare-export-check"
    )
    options = parser.parse_args()
    keep_freed_memory()
    options.output.mkdir(parents=True, exist_ok=True)
    table = options.output / "table.csv"
    labels = pd.read_csv(DATA / "labels.csv")
    chosen = [part.sample(min(len(part), PER_CLASS), random_state=0) for _, part in labels.groupby("label")]
    pd.concat(chosen).to_csv(table, index=False)
    found = [row for model in MODELS for row in rows(model, options.output, table, options.images)]
    header = ["model", "attention", "format", "images", "logit_difference", "probability_difference"]
    with (HERE / "export_check.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*header, "other_class", "onnx_nodes", "same_graph_as_plain"])
        writer.writerows(found)


if __name__ == "__main__":
    main()
