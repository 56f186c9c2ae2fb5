"""The torch data set, its batches, and a sampler whose order depends on seed and epoch alone."""

from collections.abc import Iterator, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed
from torch.utils.data import Dataset, Sampler, default_collate
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from lesioncare.data.pixels import Pixels, decode
from lesioncare.data.table import ImageTable
from lesioncare.data.transforms import Sample, Transform

Key = int | tuple[int, int]

NUMBERS = 40
"""Random numbers of an image whose batch is augmented as a whole."""
RANDOM_BELOW = 2**24
"""They are whole: Lightning rounds fractions to 8 bits where it trains in bfloat16 alone."""

__all__ = [
    "NUMBERS",
    "RANDOM_BELOW",
    "Batch",
    "EpochSampler",
    "ImageDataset",
    "Item",
    "boxes_by_image",
    "collate",
    "derived_seed",
]


class Item(TypedDict):
    """Image [3, h, w], class code, boxes [n, 4] xyxy in its pixels, weights [n], frame position.

    The image is float32 where it was transformed; else uint8, with `NUMBERS` numbers below `RANDOM_BELOW`.
    """

    image: Tensor
    label: int
    boxes: Tensor
    weights: Tensor
    position: int
    numbers: NotRequired[Tensor]


class Batch(TypedDict):
    """N images [N, 3, h, w], labels int64 [N], positions int64 [N], and the boxes of all of them in a row.

    boxes [M, 4] and weights [M] are those of the first image, then of the second ...; counts int64 [N] says
    how many each has, and `boxes_by_image` takes them apart. (A tensor of its own for each image would cost
    a file descriptor each between worker processes.) A batch that is not augmented yet has uint8 images, and
    numbers int32 [N, `NUMBERS`] for it; see `lesioncare.data.augmentation`.
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor
    weights: Tensor
    counts: Tensor
    positions: Tensor
    numbers: NotRequired[Tensor]


class ImageDataset(Dataset[Item]):
    """Images of a table, transformed.

    A random transform depends on (seed, epoch, frame position) alone: not on workers, order or the caller's
    random state, which is left as it was.

    Args:
        table: the images.
        positions: frame positions, in the order of the indices.
        transform: see `lesioncare.data.transforms`; None leaves it to the batch, see
            `lesioncare.data.augmentation`.
        seed: of the random transform, at least 0.
        pixels: gives the images at one size before they are transformed; None: the files at their own.
    """

    def __init__(
        self,
        table: ImageTable,
        positions: npt.ArrayLike,
        transform: Transform | None,
        *,
        seed: int = 0,
        pixels: Pixels | None = None,
    ) -> None:
        self.table = table
        self.positions = np.asarray(positions, dtype=np.int64)
        self.transform = transform
        self.seed = seed
        self.pixels = pixels
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
        seed = derived_seed(self.seed, epoch, position)
        if self.transform is None:
            generator = torch.Generator().manual_seed(seed)
            numbers = torch.randint(RANDOM_BELOW, (NUMBERS,), generator=generator, dtype=torch.int32)
            return Item(**self._item(sample, position), numbers=numbers)
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: that would also seed the accelerators, which are not restored.
            torch.default_generator.manual_seed(seed)
            sample = self.transform(sample)
        return self._item(sample, position)

    def _item(self, sample: Sample, position: int) -> Item:
        return Item(
            image=sample["image"].as_subclass(Tensor),
            label=int(self._labels[position]),
            boxes=sample["boxes"].as_subclass(Tensor),
            weights=sample["weights"],
            position=position,
        )

    def _load(self, position: int) -> Sample:
        read = decode(self.table, position) if self.pixels is None else self.pixels.read(position)
        corners = self.table.boxes.get(position, np.empty((0, 4), np.float32))
        scores = self.table.box_scores.get(position, np.ones(len(corners), np.float32))
        boxes = tv_tensors.BoundingBoxes(
            torch.from_numpy(corners.copy()),
            format=tv_tensors.BoundingBoxFormat.XYXY,
            canvas_size=read.file_size,
            clamping_mode=None,
        )
        size = list(read.image.shape[-2:])
        boxes = functional.resize(boxes, size)  # where the image was; nothing where it has its own size
        return Sample(
            image=tv_tensors.Image(read.image), boxes=boxes, weights=torch.from_numpy(scores.copy())
        )


def collate(items: Sequence[Item]) -> Batch:
    """Join items of one image size into a batch; in a loading process, straight into shared memory."""
    batch = Batch(
        images=default_collate([item["image"] for item in items]),
        labels=torch.tensor([item["label"] for item in items]),
        boxes=torch.cat([item["boxes"] for item in items]),
        weights=torch.cat([item["weights"] for item in items]),
        counts=torch.tensor([len(item["boxes"]) for item in items]),
        positions=torch.tensor([item["position"] for item in items]),
    )
    if "numbers" in items[0]:
        batch["numbers"] = torch.stack([item["numbers"] for item in items])
    return batch


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
