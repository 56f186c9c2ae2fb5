"""What the plain network says about images, and where it looks when it does."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from lesioncare.attention import AttentionGuide, Regions
from lesioncare.data import EpochSampler, ImageDataset, ImageTable, boxes_by_image, collate
from lesioncare.data.dataset import Batch
from lesioncare.data.editing import EditedImages
from lesioncare.errors import ModelError
from lesioncare.evaluation import area_share, centre_energy, energy_in_box, pointing_hit
from lesioncare.evaluation.result import Predictions
from lesioncare.training.features import FeatureDataset, progress
from lesioncare.training.memory import exact_float32

Floats = npt.NDArray[np.float64]

__all__ = ["image_loader", "predict_logits", "predict_table"]

_LOOKS = ("energy", "pointing", "area_share", "centre_energy")


def image_loader(
    images: ImageDataset | FeatureDataset | EditedImages, *, batch_size: int, workers: int = 0
) -> DataLoader[Batch]:
    """Batches of all images in the data set's order."""
    sampler = EpochSampler(len(images), seed=0, shuffle=False)
    dataset: Any = images  # torch types a loader by its items, not by its batches
    return DataLoader(
        dataset, batch_size=batch_size, sampler=sampler, collate_fn=collate, num_workers=workers
    )


@torch.inference_mode()
def predict_logits(network: nn.Module, loader: DataLoader[Batch], *, title: str = "Predicting") -> Floats:
    """Give the logits [N, C] of all images of a loader, with a progress bar."""
    network.eval()
    device = next(network.parameters()).device
    with exact_float32():
        rows = [
            network(batch["images"].to(device)).cpu().double().numpy() for batch in progress(loader, title)
        ]
    return np.concatenate(rows)


def predict_table(
    network: nn.Module,
    images: ImageDataset,
    loader: DataLoader[Batch],
    *,
    target_layer: str | None = None,
    image_size: tuple[int, int] | None = None,
    title: str = "Testing",
) -> tuple[Predictions, npt.NDArray[np.float16] | None]:
    """Give the predictions of labelled images, and each image's map of its true class.

    Args:
        network: what the loader gives, images or features, -> logits [N, C]; put into evaluation mode.
        images: the data set; all images labelled.
        loader: its batches in order.
        target_layer: see `AttentionGuide`.
        image_size: (H, W) that boxes refer to; None: that of what the loader gives.
        title: of the progress bar.

    Returns:
        The predictions, and the maps' positive parts scaled to a maximum of 1, [N, h, w]; no maps, and
        no numbers on where the network looks, if no target layer can be found.
    """
    network.eval()
    watcher = _Watcher(network, target_layer, image_size)
    with exact_float32():
        parts = [watcher.look(batch) for batch in progress(loader, title)]
    looks = {name: np.concatenate([part.looks[name] for part in parts]) for name in _LOOKS}
    frame = images.table.frame.iloc[images.positions]
    predictions = Predictions(
        image=frame["image"].to_numpy(dtype=str),
        path=frame["path"].to_numpy(dtype=str),
        group=frame["group"].to_numpy(dtype=str),
        target=frame["label"].to_numpy(dtype=np.int64),
        logits=np.concatenate([part.logits for part in parts]),
        classes=images.table.classes,
        boxes=_boxes(images.table, images.positions),
        **looks,
    )
    maps = [part.maps for part in parts if part.maps is not None]
    return predictions, np.concatenate(maps) if len(maps) == len(parts) else None


@dataclass(frozen=True)
class _Part:
    logits: Floats
    maps: npt.NDArray[np.float16] | None
    looks: dict[str, Floats]


class _Watcher:
    """Runs the network on batches and reads its maps; gives up on maps, once, where there are none."""

    def __init__(
        self, network: nn.Module, target_layer: str | None, image_size: tuple[int, int] | None
    ) -> None:
        self._network = network
        self._size = image_size
        self._device = next(network.parameters()).device
        self._guide = AttentionGuide(
            network, target_layer=target_layer, image_size=image_size, gradient="half"
        )
        self._has_maps = True

    def look(self, batch: Batch) -> _Part:
        images, labels = batch["images"].to(self._device), batch["labels"].to(self._device)
        maps: Tensor | None = None
        if self._has_maps:
            try:
                logits, maps = self._with_maps(images, labels)
            except ModelError:
                self._has_maps = False
        if maps is None:
            with torch.inference_mode():
                logits = self._network(images)
        rows = logits.detach().cpu().double().numpy()
        if maps is None:
            return _Part(rows, None, {name: np.full(len(rows), np.nan) for name in _LOOKS})
        size = self._size or (int(images.shape[-2]), int(images.shape[-1]))
        return _Part(rows, _stored(maps), _looks(maps, boxes_by_image(batch)[0], size))

    def _with_maps(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with self._guide.watch(always=True):
            logits = self._network(images)
        return logits, self._guide.class_activation_map(labels).detach().float().cpu()


def _looks(maps: Tensor, boxes: Iterable[Tensor], size: tuple[int, int]) -> dict[str, Floats]:
    no_box = torch.zeros(1, 4)  # without area: nothing of the image lies inside
    regions = Regions([box if len(box) else no_box for box in boxes], size, (maps.shape[-2], maps.shape[-1]))
    inside, outside = regions.inside, regions.outside
    values = {
        "energy": energy_in_box(maps, inside, outside),
        "pointing": pointing_hit(maps, inside, outside),
        "area_share": area_share(inside, outside),
        "centre_energy": centre_energy(inside, outside),
    }
    return {name: value.double().numpy() for name, value in values.items()}


def _stored(maps: Tensor) -> npt.NDArray[np.float16]:
    positive = maps.relu()
    peak = positive.amax((1, 2), keepdim=True)
    stored: npt.NDArray[np.float16] = (
        functional.threshold(positive / peak.clamp(min=1e-30), 0, 0).half().numpy()
    )
    return stored


def _boxes(table: ImageTable, positions: npt.NDArray[np.int64]) -> tuple[Floats, ...]:
    empty = np.empty((0, 4))
    return tuple(
        np.asarray(table.boxes.get(int(position), empty), dtype=np.float64) for position in positions
    )
