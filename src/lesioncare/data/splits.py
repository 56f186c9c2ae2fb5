"""Splitting a table into training, validation and test images: by class, and never through a group."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from lesioncare.data.table import ImageTable
from lesioncare.errors import ConfigError, DataError
from lesioncare.rawtable import first_few
from lesioncare.words import noun, several

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[Any]
SIDES = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}

__all__ = ["Split", "assign_folds", "check_groups", "split_by_column", "split_by_fold"]


@dataclass(frozen=True)
class Split:
    """Frame positions of the training, validation (may be empty) and test images, ascending."""

    train: Ints
    validation: Ints
    test: Ints


def assign_folds(labels: npt.ArrayLike, groups: npt.ArrayLike, *, n_folds: int, seed: int) -> Ints:
    """Give each image a fold such that classes spread evenly and no group is in two folds.

    Args:
        labels: class of each image [n].
        groups: lesion or patient of each image [n].
        n_folds: number of folds, at least 2.
        seed: order in which groups are dealt.

    Returns:
        Fold of each image [n], in 0 .. n_folds - 1.

    Raises:
        ConfigError: fewer than two folds.
        DataError: there is no image, a class is in fewer groups than there are folds, or the shapes disagree.
    """
    if n_folds < 2:
        raise ConfigError(f"folds: there must be at least 2, but got {n_folds}.")
    labels, groups = np.asarray(labels), np.asarray(groups)
    if labels.ndim != 1 or labels.shape != groups.shape:
        raise DataError(
            f"folds: labels and groups must be of one length [n], but have {labels.shape} and {groups.shape}."
        )
    if not len(labels):
        raise DataError("folds: there is no image to deal.")
    _refuse_few_groups(labels, groups, {value: str(value) for value in np.unique(labels)}, n_folds)
    return _deal(labels, groups, n_folds, seed)


def table_folds(table: ImageTable, *, n_folds: int, seed: int) -> Ints:
    """Deal a table's images into folds; see `assign_folds`.

    Raises:
        DataError: a class is in too few groups (the message names the class), or an image has no class.
    """
    _refuse_unlabelled(table)
    try:
        _refuse_few_groups(table.labels, table.groups, dict(enumerate(table.classes)), n_folds)
    except DataError as error:
        raise DataError(f"{table.source}: {error}") from None
    return assign_folds(table.labels, table.groups, n_folds=n_folds, seed=seed)


def split_by_fold(table: ImageTable, *, fold: int, n_folds: int, seed: int, validation: float = 0.1) -> Split:
    """Take one fold as test images and a part of the others as validation images.

    Args:
        table: the images.
        fold: the test fold, in 0 .. n_folds - 1.
        n_folds: number of folds, at least 2.
        seed: deals the groups; one seed gives folds that cover each image once.
        validation: part of the training images in [0, 0.5] that is set aside, rounded to 1 / a whole number.

    Raises:
        ConfigError: `fold`, `n_folds` or `validation` is out of range.
        DataError: a class is in too few groups, or an image has no class.
    """
    if not 0 <= fold < n_folds:
        raise ConfigError(f"fold: must be in 0 .. {n_folds - 1}, but got {fold}.")
    folds = table_folds(table, n_folds=n_folds, seed=seed)
    rest, held_out = _set_aside(table, np.flatnonzero(folds != fold), validation, seed)
    split = Split(rest, held_out, np.flatnonzero(folds == fold))
    check_groups(table, split)
    return split


def split_by_column(table: ImageTable, *, seed: int, validation: float = 0.1) -> Split:
    """Take the sides from the table's split column: train; val, valid or validation; test; in any case.

    Without validation rows, a part of the training images is set aside, as in `split_by_fold`.

    Raises:
        ConfigError: `validation` is out of range.
        DataError: there is no split column, a value is unknown, a side is empty, a class is missing in
            training, or a group is on two sides.
    """
    _refuse_unlabelled(table)
    values = table.frame["split"]
    if values.isna().all():
        raise DataError(f"{table.source}: no split column is named. Name it (--split-column), or use folds.")
    sides = values.str.lower().map(SIDES)
    unknown = sides.isna()
    if unknown.any():
        lines = [
            f"row {row} ({value!r})"
            for row, value in zip(table.frame.loc[unknown, "row"], values[unknown], strict=True)
        ]
        raise DataError(f"{table.source}: an unknown split: {first_few(lines)}. Use train, val or test.")
    train, held_out, test = (np.flatnonzero(sides == side) for side in ("train", "validation", "test"))
    for side, positions in (("train", train), ("test", test)):
        if not len(positions):
            raise DataError(f"{table.source}: the split column has no {side} rows. Add some, or use folds.")
    absent = [name for name, count in table.class_counts(train).items() if not count]
    if absent:
        raise DataError(
            f"{table.source}: no train rows of class {', '.join(absent)}. Add some, or use folds."
        )
    split = Split(train, held_out, test)
    check_groups(table, split)
    if len(held_out):
        return split
    return Split(*_set_aside(table, train, validation, seed), test)


def check_groups(table: ImageTable, split: Split) -> None:
    """Make sure that no group has images on two sides.

    Raises:
        DataError: some group has; the message names it, with a row and side of each part.
    """
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    sides = pd.concat(
        [table.frame[["group", "row"]].iloc[positions].assign(side=side) for side, positions in parts.items()]
    )
    first = sides.drop_duplicates(["group", "side"])
    torn = first[first.duplicated("group", keep=False)]
    if torn.empty:
        return
    where = "row " + torn["row"].astype(str) + " in " + torn["side"]
    lines = [f"{group} ({', '.join(rows)})" for group, rows in where.groupby(torn["group"], sort=False)]
    raise DataError(
        f"{table.source}: {several(len(lines), 'group')} {noun(len(lines), 'is', 'are')} on two sides of "
        f"the split: {first_few(lines)}. "
        "Put all images of a group on one side, or let the folds do it."
    )


def _refuse_few_groups(labels: Codes, groups: Codes, names: Mapping[object, str], n_folds: int) -> None:
    for value, name in names.items():
        count = len(np.unique(groups[labels == value]))
        if count < n_folds:
            raise DataError(
                f"class {name!r} is in {several(count, 'lesion or patient', 'lesions or patients')}, too "
                f"few for {n_folds} folds. "
                f"{'Use fewer folds' if count > 1 else 'Add images of others'}, "
                "or remove the class or merge it with another."
            )


def _refuse_unlabelled(table: ImageTable) -> None:
    lines = [f"row {row}" for row in table.frame.loc[table.frame["label"] < 0, "row"]]
    if lines:
        raise DataError(
            f"{table.source}: {several(len(lines), 'image')} {noun(len(lines), 'has', 'have')} no class: "
            f"{first_few(lines)}. "
            "A split needs the class of each image."
        )


def _deal(labels: Codes, groups: Codes, n_folds: int, seed: int) -> Ints:
    # Without groups StratifiedKFold does the same, and takes seconds less per ten thousand images.
    alone = len(np.unique(groups)) == len(groups)
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(n_folds, shuffle=True, random_state=seed)
    parts = splitter.split(np.zeros(len(labels)), labels, None if alone else groups)
    folds = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        # A validation part need not have an image of each rare class.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, positions) in enumerate(parts):
            folds[positions] = fold
    return folds


def _set_aside(table: ImageTable, positions: Ints, validation: float, seed: int) -> tuple[Ints, Ints]:
    """Split `positions` into training and validation: the fold whose validation part has the most classes."""
    if not 0 <= validation <= 0.5:
        raise ConfigError(f"validation: must be in [0, 0.5], but got {validation}.")
    if validation == 0:
        return positions, np.empty(0, dtype=np.int64)
    labels, groups = table.labels[positions], table.groups[positions]
    n_folds = round(1 / validation)
    remedy = "Set another part aside, or none (--validation 0)."
    try:
        folds = _deal(labels, groups, n_folds, seed)
    except ValueError as error:
        raise DataError(
            f"{table.source}: too few images to set {validation:g} of them aside. {remedy}"
        ) from error
    n_classes = len(np.unique(labels))
    whole = [fold for fold in range(n_folds) if len(np.unique(labels[folds != fold])) == n_classes]
    best = max(whole, key=lambda fold: len(np.unique(labels[folds == fold])), default=None)
    if best is None or not (folds == best).any():
        raise DataError(f"{table.source}: a validation part would leave a class without training. {remedy}")
    return positions[folds != best], positions[folds == best]
