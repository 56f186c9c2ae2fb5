"""The torch data set, its batches, and a sampler whose order depends on seed and epoch alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed
from torch.utils.data import Dataset, Sampler
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from lesioncare.data.table import ImageTable
from lesioncare.data.transforms import Sample, Transform
from lesioncare.errors import DataError
from lesioncare.images import read_image

Key = int | tuple[int, int]

__all__ = ["Batch", "EpochSampler", "ImageDataset", "Item", "boxes_by_image", "collate", "derived_seed"]


class Item(TypedDict):
    """Image float32 [3, h, w], class code, boxes [n, 4] xyxy in its pixels, weights [n], frame position."""

    image: Tensor
    label: int
    boxes: Tensor
    weights: Tensor
    position: int


class Batch(TypedDict):
    """N images [N, 3, h, w], labels int64 [N], positions int64 [N], and the boxes of all of them in a row.

    boxes [M, 4] and weights [M] are those of the first image, then of the second ...; counts int64 [N] says
    how many each has, and `boxes_by_image` takes them apart. (A tensor of its own for each image would cost
    a file descriptor each between worker processes.)
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor
    weights: Tensor
    counts: Tensor
    positions: Tensor


class ImageDataset(Dataset[Item]):
    """Images of a table, transformed.

    A random transform depends on (seed, epoch, frame position) alone: not on workers, order or the caller's
    random state, which is left as it was.

    Args:
        table: the images.
        positions: frame positions, in the order of the indices.
        transform: see `lesioncare.data.transforms`.
        seed: of the random transform, at least 0.
    """

    def __init__(
        self, table: ImageTable, positions: npt.ArrayLike, transform: Transform, *, seed: int = 0
    ) -> None:
        self.table = table
        self.positions = np.asarray(positions, dtype=np.int64)
        self.transform = transform
        self.seed = seed
        self._paths: list[str] = table.frame["path"].tolist()
        self._labels = table.labels

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, key: Key) -> Item:
        """Load the image of an index, or of (epoch, index); an index alone means epoch 0.

        Raises:
            DataError: the image is damaged; the message names the file and the table's row.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)
        position = int(self.positions[index])
        sample = self._load(position)
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: that would also seed the accelerators, which are not restored.
            torch.default_generator.manual_seed(derived_seed(self.seed, epoch, position))
            sample = self.transform(sample)
        return Item(
            image=sample["image"].as_subclass(Tensor),
            label=int(self._labels[position]),
            boxes=sample["boxes"].as_subclass(Tensor),
            weights=sample["weights"],
            position=position,
        )

    def _load(self, position: int) -> Sample:
        try:
            image = functional.to_image(read_image(Path(self._paths[position])))
        except DataError as error:
            row = self.table.frame["row"].iloc[position]
            raise DataError(f"{self.table.source}, row {row}: {error}") from error
        corners = self.table.boxes.get(position, np.empty((0, 4), np.float32))
        scores = self.table.box_scores.get(position, np.ones(len(corners), np.float32))
        size = (image.shape[-2], image.shape[-1])
        boxes = tv_tensors.BoundingBoxes(
            torch.from_numpy(corners.copy()), format=tv_tensors.BoundingBoxFormat.XYXY, canvas_size=size
        )
        return Sample(image=image, boxes=boxes, weights=torch.from_numpy(scores.copy()))


def collate(items: Sequence[Item]) -> Batch:
    """Join items of one image size into a batch."""
    return Batch(
        images=torch.stack([item["image"] for item in items]),
        labels=torch.tensor([item["label"] for item in items]),
        boxes=torch.cat([item["boxes"] for item in items]),
        weights=torch.cat([item["weights"] for item in items]),
        counts=torch.tensor([len(item["boxes"]) for item in items]),
        positions=torch.tensor([item["position"] for item in items]),
    )


def boxes_by_image(batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """Give the boxes, N x [n, 4], and the weights, N x [n], of each image of a batch."""
    counts = batch["counts"].tolist()
    return list(torch.split(batch["boxes"], counts)), list(torch.split(batch["weights"], counts))


class EpochSampler(Sampler[tuple[int, int]]):
    """Yield a key (epoch, index) for each of n images; shuffled by (seed, epoch) alone.

    Where several processes train together (torch.distributed), each yields its share of a shuffled order; all
    shares are equally long, for which some images are seen twice. An order that is not shuffled, of
    validation or test, is the same in all of them.

    Args:
        n: number of images.
        seed: of the order, at least 0.
        shuffle: whether the order is random.
        epoch: first epoch; `set_epoch` changes it.
    """

    def __init__(self, n: int, *, seed: int, shuffle: bool, epoch: int = 0) -> None:
        self.n = n
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of `epoch`."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.n // _processes()) if self.shuffle else self.n

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._share(self.order()) if self.shuffle else self.order())

    def order(self) -> list[tuple[int, int]]:
        """Give the keys of the whole epoch, of all processes; another sampler overrides it."""
        if not self.shuffle:
            return [(self.epoch, index) for index in range(self.n)]
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        return [(self.epoch, index) for index in torch.randperm(self.n, generator=generator).tolist()]

    @staticmethod
    def _share(order: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """What of a shuffled order is for this process."""
        processes = _processes()
        if not order or processes == 1:
            return order
        order += [order[index % len(order)] for index in range(-len(order) % processes)]
        return order[distributed.get_rank() :: processes]


def _processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def derived_seed(*parts: int) -> int:
    """One seed of 64 bits from several numbers of at least 0."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0])
