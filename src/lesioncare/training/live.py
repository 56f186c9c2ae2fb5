"""The images of a run whose network learns as a whole: augmented anew in every epoch, decoded once."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lesioncare.data import ImageDataset, ImageTable, eval_transform, train_transform
from lesioncare.data.augmentation import BatchAugment
from lesioncare.data.pixels import FilePixels, Pixels, has_room, keep_pixels
from lesioncare.data.transforms import stored_size
from lesioncare.data.workers import auto_workers
from lesioncare.training.config import ScheduleConfig, TrainConfig
from lesioncare.training.models import BuiltModel
from lesioncare.training.shared import Ints, KeptRows
from lesioncare.training.trainer import choose_device

_VALIDATING = 4
"""Workers of validation at most: there is less to do, and those of training wait beside them."""

__all__ = ["LiveImages", "loader_workers"]


@dataclass(frozen=True)
class LiveImages:
    """Reads images at one size, which are kept on disk unless the options or the disk forbid it.

    What a network learns does not depend on whether they are: they have the same size either way.

    Attributes:
        config: the run's options.
        table: its images.
        model: the network, and the images that it wants.
        rows: the images that are kept, of this run and those that it shares them with.
        directory: where.
    """

    config: TrainConfig
    table: ImageTable
    model: BuiltModel
    rows: KeptRows
    directory: Path

    def keep(self) -> None:
        """Keep all of them now."""
        _ = self._train_pixels, self.plain_pixels

    def train(self, positions: Ints) -> ImageDataset:
        """Give the training images, augmented, or left for `augment`."""
        seed = self.config.schedule.seed
        transform = None if self.augment is not None else train_transform(*self._wanted)
        return ImageDataset(self.table, positions, transform, seed=seed, pixels=self._train_pixels)

    def plain(self, positions: Ints) -> ImageDataset:
        """Give validation images as they are."""
        transform = eval_transform(self.model.image_size, self.model.mean, self.model.std)
        return ImageDataset(self.table, positions, transform, pixels=self.plain_pixels)

    @cached_property
    def augment(self) -> BatchAugment | None:
        """What augments the training batches as a whole; None where each image is augmented alone."""
        batched = self.config.schedule.augment_on == "batch"
        return BatchAugment(*self._wanted) if batched else None

    @cached_property
    def plain_pixels(self) -> Pixels:
        """Validation and test images at the model's size."""
        return self._pixels(np.union1d(self.rows.validation, self.rows.test), self.model.image_size)

    @cached_property
    def _train_pixels(self) -> Pixels:
        size = stored_size(self.model.image_size, self.config.schedule.augment)
        return self._pixels(self.rows.train, size)

    @property
    def _wanted(self) -> tuple[Any, ...]:
        return self.model.image_size, self.model.mean, self.model.std, self.config.schedule.augment

    def _pixels(self, rows: Ints, size: tuple[int, int]) -> Pixels:
        place = self.directory / "images"
        if self.config.model.cache == "never" or not has_room(self.table, rows, size, place):
            return FilePixels(self.table, size)
        return keep_pixels(self.table, rows, size, place)


def loader_workers(schedule: ScheduleConfig, dataset: Any, *, training: bool) -> int:
    """Give the number of processes that load a data set: what the options say, or what suits the machine.

    Kept features are read from memory, so that a process would only hand them on.
    """
    if schedule.workers != "auto":
        return schedule.workers
    if not isinstance(dataset, ImageDataset) or not len(dataset):
        return 0
    image = dataset[0]["image"]
    found = auto_workers(
        len(dataset),
        schedule.batch_size * image.numel() * image.element_size(),
        on_cpu=choose_device(schedule.accelerator).type == "cpu",
        sharing=schedule.devices,
    )
    return found if training else min(found, _VALIDATING)
