"""The frozen part's features, kept on disk: each augmented view of each image passes through it once."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from lesioncare.data import EpochSampler, ImageDataset, collate
from lesioncare.data.dataset import Item, Key
from lesioncare.errors import ModelError, RunError

__all__ = ["FeatureDataset", "cache_features", "fingerprint"]


class FeatureDataset(Dataset[Item]):
    """The items of an `ImageDataset` with features in place of images; epoch e sees view e mod views.

    Args:
        images: the data set that the features were made of.
        directory: what `cache_features` wrote.
        views: how many views of each image there are.
    """

    def __init__(self, images: ImageDataset, directory: Path, views: int) -> None:
        self._labels = images.table.labels
        self._positions = images.positions
        self._features = [np.load(_features_file(directory, view), mmap_mode="r") for view in range(views)]
        self._boxes = [_load_boxes(_boxes_file(directory, view)) for view in range(views)]

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, key: Key) -> Item:
        """Give the features of an index, or of (epoch, index), as the item's image: float32 [K, h, w]."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        view = epoch % len(self._features)
        boxes, weights = self._boxes[view]
        position = int(self._positions[index])
        return Item(
            image=torch.from_numpy(self._features[view][index].astype(np.float32)),
            label=int(self._labels[position]),
            boxes=boxes[index],
            weights=weights[index],
            position=position,
        )


def cache_features(
    images: ImageDataset, frozen: nn.Module, directory: Path, *, views: int, batch_size: int, workers: int = 0
) -> FeatureDataset:
    """Pass every view of every image through the frozen part and keep the features as float16.

    A view that is already there is not made again; a half-made one is (files appear when they are whole).

    Args:
        images: the images; view v is what epoch v would see.
        frozen: images [N, 3, H, W] -> features [N, K, h, w].
        directory: where the files go; one for each (images, frozen part, transform), see `fingerprint`.
        views: how many augmented views to keep of each image.
        batch_size: images per pass.
        workers: processes that decode images.

    Raises:
        DataError: an image is damaged.
        ModelError: a feature is not finite in 16 bits.
        RunError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for view in range(views):
            if not _boxes_file(directory, view).exists():
                loader = DataLoader(
                    images,
                    batch_size=batch_size,
                    sampler=EpochSampler(len(images), seed=0, shuffle=False, epoch=view),
                    collate_fn=collate,
                    num_workers=workers,
                )
                _cache_view(loader, len(images), frozen, directory, view)
    except OSError as error:
        raise RunError(
            f"{directory}: the features cannot be written ({error}). "
            "Free some space, choose another --cache-dir, or train with --cache never."
        ) from error
    return FeatureDataset(images, directory, views)


def fingerprint(images: ImageDataset, frozen: nn.Module, settings: dict[str, Any]) -> str:
    """Name everything that the features depend on: files, boxes, order, weights and settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for position in images.positions:
        path = Path(images.table.frame["path"].iloc[position])
        stat = path.stat()
        digest.update(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode())
        digest.update(images.table.boxes.get(position, np.empty(0, np.float32)).tobytes())
        digest.update(images.table.box_scores.get(position, np.empty(0, np.float32)).tobytes())
    for name, tensor in sorted(frozen.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _cache_view(loader: DataLoader[Any], images: int, frozen: nn.Module, directory: Path, view: int) -> None:
    parameter = next(frozen.parameters(), None)  # None: nothing is frozen, the images themselves are kept
    device = torch.device("cpu") if parameter is None else parameter.device
    partial = directory / f"view{view}.part"
    kept: np.memmap[Any, np.dtype[np.float16]] | None = None
    boxes, weights, counts, start = list[Tensor](), list[Tensor](), list[Tensor](), 0
    for batch in tqdm(loader, desc=f"Keeping view {view + 1}", unit="batch", leave=False, disable=None):
        with torch.inference_mode():
            features = frozen(batch["images"].to(device)).half().cpu().numpy()
        if not np.isfinite(features).all():
            raise ModelError("The frozen part's features are too large for 16 bits: train with --no-cache.")
        if kept is None:
            shape = (images, *features.shape[1:])
            kept = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
        kept[start : start + len(features)] = features
        start += len(features)
        boxes.append(batch["boxes"])
        weights.append(batch["weights"])
        counts.append(batch["counts"])
    if kept is not None:
        kept.flush()
        partial.replace(_features_file(directory, view))
    _save_boxes(_boxes_file(directory, view), boxes, weights, counts)


def _save_boxes(path: Path, boxes: list[Tensor], weights: list[Tensor], counts: list[Tensor]) -> None:
    partial = path.with_suffix(".part")
    with partial.open("wb") as stream:
        np.savez(
            stream,
            boxes=torch.cat(boxes).numpy(),
            weights=torch.cat(weights).numpy(),
            counts=torch.cat(counts).numpy(),
        )
    partial.replace(path)


def _load_boxes(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    with np.load(path) as archive:
        ends = np.cumsum(archive["counts"])[:-1]
        boxes = [torch.from_numpy(part) for part in np.split(archive["boxes"], ends)]
        weights = [torch.from_numpy(part) for part in np.split(archive["weights"], ends)]
    return boxes, weights


def _features_file(directory: Path, view: int) -> Path:
    return directory / f"view{view}.npy"


def _boxes_file(directory: Path, view: int) -> Path:
    return directory / f"view{view}.boxes.npz"


def remove_cache(directory: Path) -> None:
    """Delete a cache of features; quiet if there is none."""
    shutil.rmtree(directory, ignore_errors=True)
