"""The frozen part's features, kept on disk: each augmented view of each image passes through it once.

The boxes of a view lie beside its features, in a file for each set of boxes: runs with other boxes on the
same images share the features.
"""

import copy
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lesioncare.data import EpochSampler, ImageDataset, collate
from lesioncare.data.dataset import Batch, Item, Key
from lesioncare.data.partial import new_array, open_array, partial_file, reading_kept, remove_left_over
from lesioncare.data.pixels import file_key
from lesioncare.data.workers import FEW_IMAGES, auto_workers, reporting_dead_workers
from lesioncare.errors import ModelError, RunError
from lesioncare.progress import track
from lesioncare.training.memory import exact_float32

_Boxes = dict[str, Tensor]
"""Boxes, weights and counts of a batch, as `Batch` has them."""

__all__ = ["FeatureDataset", "boxes_fingerprint", "cache_features", "fingerprint", "progress"]


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
        self._rows = np.arange(len(images.positions))
        files = [_features_file(directory, view) for view in range(views)]
        self._features = [open_array(path, len(images.positions)) for path in files]
        boxes = boxes_fingerprint(images)
        self._boxes = [_KeptBoxes(_boxes_file(directory, view, boxes)) for view in range(views)]

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, key: Key) -> Item:
        """Give the features of an index, or of (epoch, index), as the item's image: float32 [K, h, w]."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        view, row = epoch % len(self._features), int(self._rows[index])
        boxes, weights = self._boxes[view][row]
        position = int(self._positions[index])
        return Item(
            image=torch.from_numpy(self._features[view][row].astype(np.float32)),
            label=int(self._labels[position]),
            boxes=boxes,
            weights=weights,
            position=position,
        )

    def only(self, positions: npt.ArrayLike) -> "FeatureDataset":
        """Give the items at these frame positions, in this order."""
        chosen = copy.copy(self)
        wanted = np.asarray(positions, dtype=np.int64)
        order = np.argsort(self._positions, kind="stable")
        chosen._rows = self._rows[order[np.searchsorted(self._positions, wanted, sorter=order)]]
        chosen._positions = wanted
        return chosen


class _KeptBoxes:
    """The boxes of one view: of all images in a row, taken apart by their number."""

    def __init__(self, path: Path) -> None:
        with reading_kept(path), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            self._ends = np.cumsum(archive["counts"])
            self._boxes = torch.from_numpy(archive["boxes"])
            self._weights = torch.from_numpy(archive["weights"])
            total = self._ends[-1] if len(self._ends) else 0
            if self._boxes.shape != (total, 4) or self._weights.shape != (total,):
                raise ValueError("boxes and their counts disagree")

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        own = slice(int(self._ends[row - 1]) if row else 0, int(self._ends[row]))
        return self._boxes[own].clone(), self._weights[own].clone()


def cache_features(
    images: ImageDataset,
    frozen: nn.Module,
    directory: Path,
    *,
    views: int,
    batch_size: int,
    workers: int = 0,
    exact: bool = False,
) -> FeatureDataset:
    """Pass every view of every image through the frozen part and keep the features.

    They are kept as float16, which halves the disk that many views take; training sees the rounded ones. Of
    the images as they are, for test and validation, `exact` keeps float32: what is told of the network is
    then what the whole network says, up to the last digits of float32.

    A view that is already there is not made again; a half-made one is (files appear when they are whole, also
    where several processes make the same). Where only its boxes are missing, the images are changed once more
    to see where these go, but do not pass through the frozen part.

    Args:
        images: the images; view v is what epoch v would see.
        frozen: images [N, 3, H, W] -> features [N, K, h, w].
        directory: where the files go; one for each (images, frozen part, transform), see `fingerprint`.
        views: how many augmented views to keep of each image.
        batch_size: images per pass.
        workers: processes that decode images, at least; with many images and cores, there are more. The
            files are the same for any number.
        exact: keep float32.

    Raises:
        DataError: an image is damaged.
        ModelError: a feature is not finite in 16 bits.
        RunError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        boxes = boxes_fingerprint(images)
        missing = [view for view in range(views) if not _is_whole(directory, view, boxes)]
        if missing:
            remove_left_over(directory)
            processes = max(workers, _own_workers(images, batch_size, on_cpu=not _is_on_gpu(frozen)))
        for view in missing:
            loader = DataLoader(
                images,
                batch_size=batch_size,
                sampler=EpochSampler(len(images), seed=0, shuffle=False, epoch=view),
                collate_fn=collate,
                num_workers=processes,
                pin_memory=_is_on_gpu(frozen),
            )
            target = _features_file(directory, view)
            if target.exists():
                parts = [_boxes_of(batch) for batch in progress(loader, f"Boxes of view {view + 1}")]
            else:
                parts = _cache_view(loader, frozen, target, np.float32 if exact else np.float16)
            _save_boxes(_boxes_file(directory, view, boxes), parts)
    except OSError as error:
        raise RunError(
            f"{directory}: the features cannot be written ({error}). "
            "Free some space, choose another --cache-dir, or train with --cache never."
        ) from error
    return FeatureDataset(images, directory, views)


def fingerprint(images: ImageDataset, frozen: nn.Module, settings: dict[str, Any]) -> str:
    """Name everything that the features depend on: files, order, weights and settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    paths = images.table.frame["path"].to_numpy()
    for position in images.positions.tolist():
        digest.update(file_key(paths[position]).encode())
    for name, tensor in sorted(frozen.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def boxes_fingerprint(images: ImageDataset) -> str:
    """Name the boxes of the images and their scores."""
    digest, empty = hashlib.sha256(), np.empty(0, np.float32)
    for position in images.positions.tolist():
        boxes = images.table.boxes.get(position, empty)
        digest.update(f"{len(boxes)}|".encode() + boxes.tobytes())
        digest.update(images.table.box_scores.get(position, empty).tobytes())
    return digest.hexdigest()[:16]


def _cache_view(
    loader: DataLoader[Any], frozen: nn.Module, target: Path, kind: type[np.floating[Any]]
) -> list[_Boxes]:
    """Write the features of a view; give its boxes, batch by batch."""
    parameter = next(frozen.parameters(), None)  # None: nothing is frozen, the images themselves are kept
    device = torch.device("cpu") if parameter is None else parameter.device
    dataset: Any = loader.dataset
    partial = partial_file(target)
    kept: np.memmap[Any, np.dtype[Any]] | None = None
    parts, start = list[_Boxes](), 0
    for batch in progress(loader, f"Keeping {target.stem}"):
        with torch.inference_mode(), exact_float32():
            values = frozen(batch["images"].to(device))
            features = (values.half() if kind is np.float16 else values.float()).cpu().numpy()
        if not np.isfinite(features).all():
            raise ModelError(
                "The frozen part's features are too large for 16 bits: train with --cache never."
            )
        if kept is None:
            shape = (len(dataset), *features.shape[1:])
            kept = new_array(partial, np.dtype(kind), shape)
        kept[start : start + len(features)] = features
        start += len(features)
        parts.append(_boxes_of(batch))
    if kept is not None:
        kept.flush()
        partial.replace(target)
    return parts


def _own_workers(images: ImageDataset, batch_size: int, *, on_cpu: bool) -> int:
    if len(images) <= FEW_IMAGES:
        return 0
    image = images[0]["image"]
    return auto_workers(len(images), batch_size * image.numel() * image.element_size(), on_cpu=on_cpu)


def _is_on_gpu(frozen: nn.Module | None) -> bool:
    parameter = None if frozen is None else next(frozen.parameters(), None)
    return parameter is not None and parameter.device.type == "cuda"


def _boxes_of(batch: Batch) -> _Boxes:
    return {"boxes": batch["boxes"], "weights": batch["weights"], "counts": batch["counts"]}


def progress(loader: DataLoader[Any], title: str) -> Iterator[Batch]:
    """The batches of a loader, and how far they are."""
    with reporting_dead_workers():
        yield from track(loader, title, "batches")


def _save_boxes(path: Path, parts: Sequence[_Boxes]) -> None:
    partial = partial_file(path)
    with partial.open("wb") as stream:
        arrays: dict[str, Any] = {
            name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]
        }
        np.savez(stream, **arrays)
    partial.replace(path)


def _features_file(directory: Path, view: int) -> Path:
    return directory / f"view{view}.npy"


def _boxes_file(directory: Path, view: int, boxes: str) -> Path:
    return directory / f"view{view}.{boxes}.boxes.npz"


def _is_whole(directory: Path, view: int, boxes: str) -> bool:
    return _features_file(directory, view).exists() and _boxes_file(directory, view, boxes).exists()


def remove_cache(directory: Path) -> None:
    """Delete a cache of features; quiet if there is none."""
    shutil.rmtree(directory, ignore_errors=True)
