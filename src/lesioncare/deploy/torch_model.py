"""Predicting with a run's own network, which can also show where it looked."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageDraw

from lesioncare.attention import AttentionGuide
from lesioncare.boxes.generation import MapToBox
from lesioncare.data import ImageTable
from lesioncare.data.dataset import Batch
from lesioncare.images import read_image
from lesioncare.report.gallery import overlay
from lesioncare.training.apply import TrainedRun, plain_images
from lesioncare.training.features import progress
from lesioncare.training.inference import image_loader, predict_logits

__all__ = ["BOX_COLUMNS", "predict_run"]

BOX_COLUMNS = ("map_x1", "map_y1", "map_x2", "map_y2")
_TO_BOX = MapToBox(blur=0.0, padding=0.0, centre=100.0, level=0.5)  # anywhere in the image
_COLOUR = "white"


def predict_run(
    trained: TrainedRun, table: ImageTable, *, batch_size: int = 32, overlays: Path | None = None
) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """Give the logits of all images, and where the network looked.

    Args:
        trained: the run.
        table: N images.
        batch_size: images per pass.
        overlays: an existing, empty folder that gets a picture of each image under the map of its predicted
            class, with the box of the map's part above half of its maximum.

    Returns:
        The logits [N, C], and a table [N] of the picture's name and the box in pixels of the upright image,
        empty where the map has no positive part; without `overlays` it has no columns.

    Raises:
        DataError: an image cannot be read.
        ModelError: no layer of the network gives a map.
    """
    loader = image_loader(plain_images(trained, table), batch_size=batch_size)
    if overlays is None:
        return predict_logits(trained.network, loader), pd.DataFrame(index=table.frame.index)
    watcher = _Watcher(trained, table, overlays)
    for batch in progress(loader, "Predicting"):
        watcher.look(batch)
    columns = ("overlay", *BOX_COLUMNS)
    return np.concatenate(watcher.logits), pd.DataFrame(
        watcher.rows, columns=columns, index=table.frame.index
    )


class _Watcher:
    """Runs the network on batches, and draws where it looks."""

    def __init__(self, trained: TrainedRun, table: ImageTable, folder: Path) -> None:
        self.logits: list[npt.NDArray[np.float64]] = []
        self.rows: list[tuple[str, float, float, float, float]] = []
        self._network = trained.network
        self._paths = table.frame["path"].tolist()
        self._folder = folder
        layer = trained.config.model.target_layer
        self._guide = AttentionGuide(trained.network, target_layer=layer, gradient="half")

    def look(self, batch: Batch) -> None:
        """Predict a batch; draw its images under the maps of the predicted classes."""
        images = batch["images"].to(next(self._network.parameters()).device)
        with self._guide.watch(always=True):
            logits = self._network(images)
        maps = self._guide.class_activation_map(logits.argmax(1)).detach().float().cpu().numpy()
        self.logits.append(logits.detach().double().cpu().numpy())
        for one, position in zip(maps, batch["positions"].tolist(), strict=True):
            self.rows.append(self._draw(one, position))

    def _draw(self, cam: npt.NDArray[np.float32], position: int) -> tuple[str, float, float, float, float]:
        path = Path(self._paths[position])
        name = f"{position + 1:06d}-{path.stem}.jpg"
        image = read_image(path)
        shown = np.maximum(cam, 0)
        shown = shown / max(float(shown.max()), 1e-30)
        large = np.asarray(Image.fromarray(shown).resize(image.size, Image.Resampling.BILINEAR))
        box = _TO_BOX(large / large.max()) if large.any() else None
        picture = overlay(image, shown)
        if box is not None:
            ImageDraw.Draw(picture).rectangle(box, outline=_COLOUR, width=max(1, min(image.size) // 100))
        picture.save(self._folder / name, quality=90)
        left, top, right, bottom = box or (float("nan"),) * 4
        return name, left, top, right, bottom
