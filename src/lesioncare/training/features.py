"""The frozen part's features, kept on disk: each augmented view of each image passes through it once."""

import copy
import hashlib
import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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
        self._rows = np.arange(len(images.positions))
        self._features = [np.load(_features_file(directory, view), mmap_mode="r") for view in range(views)]
        self._boxes = [_KeptBoxes(_boxes_file(directory, view)) for view in range(views)]

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
        with np.load(path) as archive:
            self._ends = np.cumsum(archive["counts"])
            self._boxes = torch.from_numpy(archive["boxes"])
            self._weights = torch.from_numpy(archive["weights"])

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
    where several processes make the same).

    Args:
        images: the images; view v is what epoch v would see.
        frozen: images [N, 3, H, W] -> features [N, K, h, w].
        directory: where the files go; one for each (images, frozen part, transform), see `fingerprint`.
        views: how many augmented views to keep of each image.
        batch_size: images per pass.
        workers: processes that decode images.
        exact: keep float32.

    Raises:
        DataError: an image is damaged.
        ModelError: a feature is not finite in 16 bits.
        RunError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        missing = [view for view in range(views) if not _boxes_file(directory, view).exists()]
        if missing:
            _remove_left_over(directory)
        for view in missing:
            loader = DataLoader(
                images,
                batch_size=batch_size,
                sampler=EpochSampler(len(images), seed=0, shuffle=False, epoch=view),
                collate_fn=collate,
                num_workers=workers,
            )
            _cache_view(loader, frozen, directory, view, np.float32 if exact else np.float16)
    except OSError as error:
        raise RunError(
            f"{directory}: the features cannot be written ({error}). "
            "Free some space, choose another --cache-dir, or train with --cache never."
        ) from error
    return FeatureDataset(images, directory, views)


def fingerprint(images: ImageDataset, frozen: nn.Module, settings: dict[str, Any]) -> str:
    """Name everything that the features depend on: files, boxes, order, weights and settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    paths = images.table.frame["path"].to_numpy()
    for position in images.positions.tolist():
        path = os.path.abspath(paths[position])  # noqa: PTH100  of ten thousand images, Path takes a second
        stat = os.stat(path)  # noqa: PTH116
        digest.update(f"{path}|{stat.st_size}|{stat.st_mtime_ns}".encode())
        digest.update(images.table.boxes.get(position, np.empty(0, np.float32)).tobytes())
        digest.update(images.table.box_scores.get(position, np.empty(0, np.float32)).tobytes())
    for name, tensor in sorted(frozen.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _cache_view(
    loader: DataLoader[Any], frozen: nn.Module, directory: Path, view: int, kind: type[np.floating[Any]]
) -> None:
    parameter = next(frozen.parameters(), None)  # None: nothing is frozen, the images themselves are kept
    device = torch.device("cpu") if parameter is None else parameter.device
    dataset: Any = loader.dataset
    partial = _partial(_features_file(directory, view))
    kept: np.memmap[Any, np.dtype[Any]] | None = None
    boxes, weights, counts, start = list[Tensor](), list[Tensor](), list[Tensor](), 0
    for batch in tqdm(loader, desc=f"Keeping view {view + 1}", unit="batch", leave=False, disable=None):
        with torch.inference_mode():
            values = frozen(batch["images"].to(device))
            features = (values.half() if kind is np.float16 else values.float()).cpu().numpy()
        if not np.isfinite(features).all():
            raise ModelError(
                "The frozen part's features are too large for 16 bits: train with --cache never."
            )
        if kept is None:
            shape = (len(dataset), *features.shape[1:])
            kept = np.lib.format.open_memmap(partial, mode="w+", dtype=kind, shape=shape)
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
    partial = _partial(path)
    with partial.open("wb") as stream:
        np.savez(
            stream,
            boxes=torch.cat(boxes).numpy(),
            weights=torch.cat(weights).numpy(),
            counts=torch.cat(counts).numpy(),
        )
    partial.replace(path)


def _partial(path: Path) -> Path:
    """A name that no other process uses, while the file is not whole."""
    return path.with_name(f"{path.name}@{platform.node()}@{os.getpid()}.part")


def _remove_left_over(directory: Path) -> None:
    """Delete what killed processes of this machine have begun: features may be large."""
    for path in directory.glob("*.part"):
        _, _, owner = path.name.removesuffix(".part").partition("@")
        node, _, process = owner.rpartition("@")
        if not owner or (node == platform.node() and not _runs(int(process))):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _features_file(directory: Path, view: int) -> Path:
    return directory / f"view{view}.npy"


def _boxes_file(directory: Path, view: int) -> Path:
    return directory / f"view{view}.boxes.npz"


def remove_cache(directory: Path) -> None:
    """Delete a cache of features; quiet if there is none."""
    shutil.rmtree(directory, ignore_errors=True)
