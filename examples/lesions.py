"""Data for the examples: real images with boxes from LESIONCARE_DATA, or drawn ones with --synthetic.

LESIONCARE_DATA is a folder with `skin7_200x150/` in it: HAM10000's images and a labels.csv with boxes.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lesioncare.data import Columns, ImageDataset, Item, eval_transform, load_table
from lesioncare.data.synthetic import SyntheticConfig, write_dataset

SIZE = 64
MEAN = STD = (0.5, 0.5, 0.5)
BOXED = Columns(box=("x1", "y1", "x2", "y2"))


def data_folder(name: str) -> Path:
    """The folder of a data set, or an end that says what is missing."""
    folder = Path(os.environ.get("LESIONCARE_DATA", "../shared/data")) / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: set LESIONCARE_DATA, or give --synthetic.")
    return folder


def synthetic() -> bool:
    """Whether --synthetic was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--synthetic", action="store_true", help="draw the images instead of reading real ones"
    )
    return bool(parser.parse_args().synthetic)


def lesions(per_class: int = 8) -> ImageDataset:
    """A few lesions of each class: items with image [3, 64, 64], label, and boxes [n, 4] in its pixels."""
    folder = Path(tempfile.mkdtemp(prefix="lesions-"))
    if synthetic():
        kinds = dict.fromkeys(("common-mole", "network", "red-lacunae"), per_class)
        table = load_table(
            write_dataset(folder, SyntheticConfig(train_counts=kinds, n_test=1, size=SIZE)), BOXED
        )
    else:
        source = data_folder("skin7_200x150")
        rows = pd.read_csv(source / "labels.csv").groupby("label").head(per_class)
        rows.to_csv(folder / "table.csv", index=False)
        columns = Columns("image_id", box=("x0", "y0", "x1", "y1"))
        table = load_table(folder / "table.csv", columns, image_root=source / "images")
    return ImageDataset(table, range(len(table)), eval_transform((SIZE, SIZE), MEAN, STD))


def batch_of(items: list[Item]) -> dict[str, Any]:
    """A batch as any loop can have it: one tensor of boxes [n, 4] for each image, n = 0 for none."""
    return {
        "images": torch.stack([item["image"] for item in items]),
        "labels": torch.tensor([item["label"] for item in items]),
        "boxes": [item["boxes"] for item in items],
        "positions": torch.tensor([item["position"] for item in items]),
    }


def tell(losses: list[Tensor | float]) -> None:
    """Print how the loss went."""
    first, last = (sum(map(float, part)) / len(part) for part in (losses[:5], losses[-5:]))
    print(f"loss with attention: {first:.3f} in the first 5 steps, {last:.3f} in the last 5 of {len(losses)}")
