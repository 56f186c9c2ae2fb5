"""The table and its split, as a run's options describe them."""

from lesioncare.data import (
    Columns,
    ImageTable,
    Split,
    check_groups,
    check_images,
    load_table,
    split_by_column,
    split_by_fold,
)
from lesioncare.evaluation import BoxesOfRun, BoxUse
from lesioncare.rawtable import read_header
from lesioncare.training.config import DataConfig, TrainConfig

__all__ = ["boxes_of_run", "count_boxes", "judged_table", "read_table", "split_table"]


def read_table(
    config: DataConfig, *, classes: tuple[str, ...] | None = None, labelled: bool = True
) -> ImageTable:
    """Load the table with the columns that the options name, guessing the usual names for the others.

    Raises:
        DataError: see `load_table`; or, where images are checked, some cannot be decoded.
    """
    columns = Columns.of(
        read_header(config.table),
        image=config.image_column,
        label=config.label_column,
        group=config.group_column,
        split=config.split_column,
        box=config.box_columns,
        box_unit=config.box_unit,
    )
    table = load_table(
        config.table,
        columns,
        image_root=config.image_root,
        box_file=config.box_file,
        min_score=config.min_score,
        classes=classes,
        require_labels=labelled,
    )
    if config.check_images:
        check_images(table)
    return table


def judged_table(config: DataConfig, table: ImageTable) -> ImageTable:
    """Give the table with the boxes that the test images are judged by: where the network should look.

    Automatic boxes that training learns from must not be what it is judged by, where there are better ones.

    Raises:
        DataError: the boxes cannot be used.
    """
    if config.test_boxes == "same":
        return table
    return read_table(_judging(config), classes=table.classes)


def _judging(config: DataConfig) -> DataConfig:
    """The options of the table with the boxes of the test images."""
    if config.test_boxes == "same":
        return config
    file = None if config.test_boxes == "table" else config.test_boxes
    changes = {"box_file": file, "min_score": 0.0, "check_images": False, "test_boxes": "same"}
    return config.model_copy(update=changes)


def count_boxes(config: DataConfig, table: ImageTable) -> BoxUse:
    """Count the boxes of a table that was read with these options, and say where they are from."""
    boxes = sum(map(len, table.boxes.values()))
    return BoxUse(
        file=str(config.box_file or config.table),
        table=len(table),
        images=len(table.boxes),
        boxes=boxes,
        sources=dict(table.box_sources),
    )


def boxes_of_run(config: TrainConfig, table: ImageTable, judged: ImageTable) -> BoxesOfRun:
    """Count the boxes that a run learns from, and those that it is judged by."""
    learnt = None if config.attention.loss == "none" else count_boxes(config.data, table)
    return BoxesOfRun(learnt=learnt, judged=count_boxes(_judging(config.data), judged))


def split_table(table: ImageTable, config: TrainConfig) -> Split:
    """Split by the table's split column if it has one, else by folds; no group is on two sides.

    Raises:
        DataError: a group is on two sides, or a class has too few groups.
    """
    data = config.data
    # Not the schedule's seed: runs with other seeds must learn from, and be tested on, the same images.
    if table.frame["split"].notna().any():
        split = split_by_column(table, seed=0, validation=data.validation)
    else:
        split = split_by_fold(table, fold=data.fold, n_folds=data.folds, seed=0, validation=data.validation)
    check_groups(table, split)
    return split
