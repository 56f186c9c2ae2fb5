"""BUSI, breast ultrasound with masks of the lesions, as MONAI's list of dictionaries."""

import numpy as np
import pandas as pd
from lesions import data_folder, synthetic

CLASSES = ("benign", "malignant", "normal")


def rows(per_class: int = 12) -> list[dict]:
    """Image, mask and class; drawn images have a bright square, and none where normal."""
    if synthetic():
        rng, squares = np.random.default_rng(0), ((4, 20), (30, 56), (0, 0))
        drawn = []
        for code, (low, high) in list(enumerate(squares)) * per_class:
            mask = np.zeros((1, 64, 64), np.float32)
            mask[:, low:high, low:high] = 1
            drawn.append({"image": mask * 128 + rng.uniform(0, 64, mask.shape), "mask": mask, "label": code})
        return drawn
    folder = data_folder("busi")
    table = pd.read_csv(folder / "labels.csv").groupby("label").head(per_class)
    return [
        {
            "image": str(folder / "images" / f"{row.image_id}.jpg"),
            "mask": str(folder / "masks" / f"{row.image_id}.png"),
            "label": CLASSES.index(row.label),
        }
        for row in table.itertuples()
    ]
