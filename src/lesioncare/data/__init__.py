"""The table of images, its splits, and the data set that a model is trained on.

What needs torch is loaded when it is first used, so that a table can be read without it.
"""

from typing import TYPE_CHECKING

from lesioncare.data.checks import check_images
from lesioncare.data.new_images import find_images, list_images
from lesioncare.data.table import Columns, ImageTable, load_table
from lesioncare.lazy import load_later

if TYPE_CHECKING:
    from lesioncare.data.dataset import Batch, EpochSampler, ImageDataset, Item, boxes_by_image, collate
    from lesioncare.data.loader import EpochLoader
    from lesioncare.data.splits import (
        Split,
        assign_folds,
        check_groups,
        split_by_column,
        split_by_fold,
        table_folds,
    )
    from lesioncare.data.transforms import Sample, eval_transform, train_transform

_LATER = {
    "dataset": ("Batch", "EpochSampler", "ImageDataset", "Item", "boxes_by_image", "collate"),
    "loader": ("EpochLoader",),
    "splits": ("Split", "assign_folds", "check_groups", "split_by_column", "split_by_fold", "table_folds"),
    "transforms": ("Sample", "eval_transform", "train_transform"),
}
_HOME = {name: module for module, names in _LATER.items() for name in names}

__all__ = [
    "Batch",
    "Columns",
    "EpochLoader",
    "EpochSampler",
    "ImageDataset",
    "ImageTable",
    "Item",
    "Sample",
    "Split",
    "assign_folds",
    "boxes_by_image",
    "check_groups",
    "check_images",
    "collate",
    "eval_transform",
    "find_images",
    "list_images",
    "load_table",
    "split_by_column",
    "split_by_fold",
    "table_folds",
    "train_transform",
]

__getattr__ = load_later(__name__, _HOME)
