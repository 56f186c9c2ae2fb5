"""The table of images, its splits, and the data set that a model is trained on."""

from lesioncare.data.checks import check_images
from lesioncare.data.dataset import Batch, EpochSampler, ImageDataset, Item, boxes_by_image, collate
from lesioncare.data.splits import (
    Split,
    assign_folds,
    check_groups,
    split_by_column,
    split_by_fold,
    table_folds,
)
from lesioncare.data.table import Columns, ImageTable, load_table
from lesioncare.data.transforms import Sample, eval_transform, train_transform

__all__ = [
    "Batch",
    "Columns",
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
    "load_table",
    "split_by_column",
    "split_by_fold",
    "table_folds",
    "train_transform",
]
