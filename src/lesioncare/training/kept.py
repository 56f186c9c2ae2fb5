"""The images of a run as it reads them: from their files, or as features of the frozen part that are kept."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lesioncare.attention import find_target
from lesioncare.data import ImageDataset, ImageTable, eval_transform, train_transform
from lesioncare.data.pixels import Pixels
from lesioncare.errors import ModelError
from lesioncare.training.config import TrainConfig
from lesioncare.training.cut import CutModel, cut_model
from lesioncare.training.features import FeatureDataset, cache_features, fingerprint
from lesioncare.training.live import LiveImages
from lesioncare.training.models import BuiltModel, build_model
from lesioncare.training.shared import KeptRows, SharedInputs
from lesioncare.training.trainer import choose_device, quiet

__all__ = ["Keeper", "Network", "build_network", "keep_features", "run_images"]

_VIEW_SEED = 0
"""Draws the views that are kept: not the run's seed, so that runs from all seeds share them."""


@dataclass(frozen=True)
class Network:
    """A run's network, its cut where a part is frozen, and two images to try it with, [2, 3, H, W]."""

    model: BuiltModel
    cut: CutModel | None
    example: Tensor


@dataclass(frozen=True)
class Keeper:
    """Keeps what does not change while training, for this run and for those that share its images.

    Attributes:
        config: the run's options.
        table: its images.
        judged: the same with the boxes of the test images.
        network: whose frozen part the features are of; without one, the augmented images are kept.
        rows: the images that are kept, of this run and those that it shares them with.
        directory: where.
    """

    config: TrainConfig
    table: ImageTable
    judged: ImageTable
    network: Network
    rows: KeptRows
    directory: Path

    @property
    def wanted(self) -> bool:
        """Whether the options say that something is kept."""
        cache = self.config.model.cache
        return cache == "always" or (cache == "auto" and self.network.cut is not None)

    def views(self) -> FeatureDataset:
        """Keep the augmented views of the training images, as float16."""
        model, rows = self.network.model, self.rows.train
        images = run_images(self.config, self.table, model, rows, augment_seed=_VIEW_SEED)
        augmented = self.config.schedule.augment != "none"
        return self._keep(images, "train", self.config.model.views if augmented else 1)

    def plain(self) -> FeatureDataset:
        """Keep the validation images as they are, and the test images where a part is frozen, as float32."""
        rows = self.rows.validation
        if self.network.cut is not None:
            rows = np.union1d(rows, self.rows.test)
        return self._keep(run_images(self.config, self.judged, self.network.model, rows), "plain", 1)

    def _keep(self, images: ImageDataset, name: str, views: int) -> FeatureDataset:
        config, model, cut = self.config, self.network.model, self.network.cut
        frozen = nn.Identity() if cut is None else cut.frozen
        settings = {
            "layer": None if cut is None else cut.layer,
            "model": config.model.name,
            "size": model.image_size,
            "mean": model.mean,
            "std": model.std,
            "augment": config.schedule.augment if name == "train" else None,
        }
        place = self.directory / name / fingerprint(images, frozen, settings)
        device = choose_device(config.schedule.accelerator)
        features = cache_features(
            images,
            frozen.to(device),
            place,
            views=views,
            batch_size=config.schedule.batch_size,
            workers=0 if config.schedule.workers == "auto" else config.schedule.workers,
            exact=name == "plain",
        )
        frozen.cpu()
        return features

    @torch.no_grad()
    def can_test(self) -> bool:
        """Whether the part behind the cut alone has the map that the whole network has."""
        cut, layer = self.network.cut, self.config.model.shown_layer
        if cut is None or not self.wanted:
            return False
        try:
            whole = find_target(self.network.model.network, (self.network.example,), {}, layer)
            kept = cut.frozen(self.network.example)
            own = find_target(cut.trained, (kept,), {}, layer, image_size=self.network.model.image_size)
        except ModelError:
            return False
        return whole.name == own.name


def build_network(config: TrainConfig, num_classes: int) -> Network:
    """Build the network and cut it, as the options say.

    Raises:
        ModelError: see `build_model` and `cut_model`.
        ConfigError: the weights file does not exist.
    """
    model = build_model(config.model, num_classes)
    example = torch.randn(2, 3, *model.image_size)
    freeze = config.model.freeze
    return Network(model, None if freeze == "none" else cut_model(model.network, freeze, example), example)


def run_images(
    config: TrainConfig,
    table: ImageTable,
    model: BuiltModel,
    positions: npt.NDArray[np.int64],
    *,
    augment_seed: int | None = None,
    pixels: Pixels | None = None,
) -> ImageDataset:
    """Give images as the network wants them, augmented at random by the seed; None: as they are.

    They are read from `pixels`, or else from their files.
    """
    size, mean, std = model.image_size, model.mean, model.std
    if augment_seed is None:
        return ImageDataset(table, positions, eval_transform(size, mean, std), pixels=pixels)
    transform = train_transform(size, mean, std, config.schedule.augment)
    return ImageDataset(table, positions, transform, seed=augment_seed, pixels=pixels)


def keep_features(config: TrainConfig, shared: SharedInputs, cache_dir: Path) -> None:
    """Keep, once, all that runs with these options will read, features or decoded images, if anything.

    Args:
        config: of one of the runs.
        shared: the tables and splits of all of them.
        cache_dir: where it is kept.

    Raises:
        LesionCareError: as for `train`.
    """
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(config.schedule.seed)
        table = shared.table(config)
        network = build_network(config, len(table.classes))
        rows = shared.kept(config)
        keeper = Keeper(config, table, shared.judged(config), network, rows, cache_dir)
        if not keeper.wanted:
            LiveImages(config, table, network.model, rows, cache_dir).keep()
        else:
            keeper.views()
            if len(keeper.rows.validation) or network.cut is not None:
                keeper.plain()
