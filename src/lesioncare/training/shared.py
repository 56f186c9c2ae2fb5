"""What several runs have in common: their tables, read and checked once, and their splits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesioncare.data import ImageTable, Split
from lesioncare.training.config import DataConfig, TrainConfig
from lesioncare.training.inputs import judged_table, read_table, split_table

Ints = npt.NDArray[np.int64]

__all__ = ["KeptRows", "SharedInputs"]


@dataclass(frozen=True)
class KeptRows:
    """Of which images frozen features are kept: frame positions, ascending.

    Attributes:
        train: for training.
        validation: for validation.
        test: for test.
    """

    train: Ints
    validation: Ints
    test: Ints


class SharedInputs:
    """Tables and splits of several runs, each made once; can be handed to other processes.

    Images are checked once, also where the runs' boxes differ. Features are kept of every image that one of
    the runs needs, so that runs of all folds can read one file.

    Args:
        configs: the runs, at least one.

    Raises:
        DataError: see `read_table` and `split_table`.
    """

    def __init__(self, configs: Sequence[TrainConfig]) -> None:
        self._tables: dict[DataConfig, ImageTable] = {}
        self._judged: dict[DataConfig, ImageTable] = {}
        self._splits: dict[DataConfig, Split] = {}
        checked: set[DataConfig] = set()
        for config in configs:
            images, table = _without_boxes(config.data), _any_fold(config.data)
            if table not in self._tables:
                known = _any_fold(images) in checked
                data = config.data.model_copy(update={"check_images": False}) if known else config.data
                self._tables[table] = read_table(data)
                self._judged[table] = judged_table(data, self._tables[table])
                if data.check_images:
                    checked.add(_any_fold(images))
            if images not in self._splits:
                self._splits[images] = split_table(self._tables[table], config)

    def table(self, config: TrainConfig) -> ImageTable:
        """Give the table of one of the runs."""
        return self._tables[_any_fold(config.data)]

    def judged(self, config: TrainConfig) -> ImageTable:
        """Give the same table with the boxes that the test images are judged by."""
        return self._judged[_any_fold(config.data)]

    def split(self, config: TrainConfig) -> Split:
        """Give the split of one of the runs."""
        return self._splits[_without_boxes(config.data)]

    def kept(self, config: TrainConfig) -> KeptRows:
        """Give the images of which features are kept: all that any run on the same images needs."""
        own = _any_fold(_without_boxes(config.data))
        splits = [split for data, split in self._splits.items() if _any_fold(data) == own]
        names = ("train", "validation", "test")
        return KeptRows(*(_union([getattr(split, name) for split in splits]) for name in names))


def _any_fold(data: DataConfig) -> DataConfig:
    return data.model_copy(update={"fold": 0})


def _without_boxes(data: DataConfig) -> DataConfig:
    """What the split depends on: arms may differ in their boxes."""
    same = {"box_file": None, "min_score": 0.0, "test_boxes": "same", "check_images": True}
    return data.model_copy(update=same)


def _union(parts: Sequence[Ints]) -> Ints:
    return np.unique(np.concatenate(parts))
