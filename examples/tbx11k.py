"""TBX11K, chest X-rays with tuberculosis, behind torchxrayvision's data-set interface."""

import numpy as np
import pandas as pd
import torchxrayvision as xrv
from lesions import data_folder, synthetic
from PIL import Image


class TBX11K(xrv.datasets.Dataset):
    """X-rays of active or latent tuberculosis, with masks made of the boxes; or noise with a square."""

    def __init__(self, per_class: int = 16, size: int = 64) -> None:
        self.size, self.pathologies, self.folder = size, ["active", "latent"], None
        if synthetic():
            self.csv = pd.DataFrame({"image_id": range(2 * per_class), "label": self.pathologies * per_class})
            corners = [
                [0.2, 0.2, 0.5, 0.5] if row % 2 else [0.5, 0.5, 0.9, 0.9] for row in self.csv["image_id"]
            ]
            self.boxes = pd.DataFrame(corners, columns=["x0", "y0", "x1", "y1"], index=self.csv["image_id"])
        else:
            self.folder = data_folder("cxr_tbx11k")
            rows = pd.read_csv(self.folder / "labels.csv").query("label in @self.pathologies")
            self.csv = rows.groupby("label").head(per_class)
            self.boxes = pd.read_csv(self.folder / "boxes.csv", index_col="image_id")
        self.labels = np.stack([self.csv["label"] == name for name in self.pathologies], 1).astype(np.float32)

    def __len__(self) -> int:
        return len(self.csv)

    def __getitem__(self, row: int) -> dict:
        name, size = self.csv["image_id"].iloc[row], self.size
        mask = np.zeros((1, size, size), np.float32)
        for x0, y0, x1, y1 in self.boxes.loc[[name], ["x0", "y0", "x1", "y1"]].to_numpy() * size:
            mask[0, int(y0) : int(y1) + 1, int(x0) : int(x1) + 1] = 1
        if self.folder is None:
            image = 128 * mask[0] + np.random.default_rng(row).uniform(0, 64, (size, size))
        else:
            path = next((self.folder / "images").glob(f"{name}.*"))
            image = np.asarray(Image.open(path).convert("L").resize((size, size)), np.float32)
        label = int(self.labels[row].argmax())
        image = xrv.datasets.normalize(image, 255)[None].astype(np.float32)  # [1, h, w] in [-1024, 1024]
        return {"idx": row, "lab": self.labels[row], "img": image, "pathology_masks": {label: mask[0]}}
