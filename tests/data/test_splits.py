import numpy as np
import pytest

from lesioncare.data import (
    Columns,
    Split,
    assign_folds,
    check_groups,
    load_table,
    split_by_column,
    split_by_fold,
)
from lesioncare.errors import ConfigError, DataError
from lesioncare.rawtable import read_header


def lesions(n_groups=60, per_group=2):
    """Groups of two images each, every third of the rare class."""
    groups = [f"L{i}" for i in range(n_groups) for _ in range(per_group)]
    labels = ["rare" if int(group[1:]) % 3 == 0 else "common" for group in groups]
    return labels, groups


def sides(split):
    return (split.train, split.validation, split.test)


def test_each_image_is_tested_once_and_groups_stay_whole(many):
    table = many(*lesions())
    splits = [split_by_fold(table, fold=fold, n_folds=4, seed=3) for fold in range(4)]
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(table)))
    for split in splits:
        assert sorted(np.concatenate(sides(split))) == list(range(len(table)))
        groups = [set(table.groups[positions]) for positions in sides(split)]
        assert sum(map(len, groups)) == len(set().union(*groups)) == 60
        assert table.class_counts(split.test) == {"common": 20, "rare": 10}


@pytest.mark.parametrize(("validation", "images"), [(0, 0), (0.1, 12), (0.25, 22), (0.5, 46)])
def test_validation_part(many, validation, images):
    split = split_by_fold(many(*lesions()), fold=0, n_folds=4, seed=0, validation=validation)
    assert abs(len(split.validation) - images) <= 4
    assert len(split.train) + len(split.validation) == 90


@pytest.mark.parametrize("grouped", [True, False])
def test_folds_depend_on_the_seed_alone(grouped):
    labels, groups = lesions()
    groups = groups if grouped else list(range(len(labels)))
    first, again, other = (assign_folds(labels, groups, n_folds=5, seed=seed) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_split_by_column_takes_the_sides_in_any_spelling(many):
    table = many(
        ["x", "y"] * 4,
        list("abcdefgh"),
        ["train", "Train", "VAL", "valid", "validation", "val", "test", "TEST"],
    )
    split = split_by_column(table, seed=0)
    assert [part.tolist() for part in sides(split)] == [[0, 1], [2, 3, 4, 5], [6, 7]]


def test_split_by_column_carves_validation_from_train(many):
    labels, groups = lesions()
    table = many(labels, groups, ["test" if int(group[1:]) >= 50 else "train" for group in groups])
    split = split_by_column(table, seed=0, validation=0.2)
    assert split.test.tolist() == list(range(100, 120))
    assert 16 <= len(split.validation) <= 24
    assert all(table.class_counts(part)["rare"] for part in sides(split))
    assert len(split_by_column(table, seed=0, validation=0).validation) == 0


def test_validation_never_takes_the_last_training_group_of_a_class(many):
    labels = ["common"] * 20 + ["rare"] * 2
    groups = [f"c{i}" for i in range(20)] + ["r0", "r1"]
    table = many(labels, groups)
    for seed in range(5):
        split = split_by_fold(table, fold=0, n_folds=2, seed=seed, validation=0.5)
        assert table.class_counts(split.train)["rare"] == 1


def test_a_torn_group_is_named_with_rows_and_sides(many):
    table = many(["x", "y", "x", "y"], ["A", "B", "A", "C"])
    with pytest.raises(DataError, match=r"1 group is.*A \(row 2 in train, row 4 in test\)"):
        check_groups(table, Split(np.array([0, 1]), np.array([3]), np.array([2])))


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train", "train", "tset", "test"], r"row 4 \('tset'\)"),
        (["train", "train", "", "test"], r"row 4 \(''\)"),
        (["train", "train", "val", "val"], "no test rows"),
        (["val", "val", "test", "test"], "no train rows"),
        (["train", "val", "test", "test"], "no train rows of class y"),
        (["train", "train", "test", "test"], r"A \(row 2 in train, row 4 in test\)"),
        (None, "--split-column"),
    ],
)
def test_unusable_split_columns_are_refused(many, splits, message):
    with pytest.raises(DataError, match=message):
        split_by_column(many(["x", "y", "x", "y"], ["A", "B", "A", "C"], splits), seed=0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fold": 2, "n_folds": 2}, ConfigError, "0 .. 1"),
        ({"fold": -1, "n_folds": 2}, ConfigError, "fold"),
        ({"fold": 0, "n_folds": 1}, ConfigError, "at least 2"),
        ({"fold": 0, "n_folds": 2, "validation": 0.7}, ConfigError, "validation"),
        (
            {"fold": 0, "n_folds": 3},
            DataError,
            r"class 'y' is in 2 lesions or patients, too few for 3 folds.*fewer folds",
        ),
        ({"fold": 0, "n_folds": 2, "validation": 0.01}, DataError, "set another part aside"),
    ],
)
def test_unusable_folds_are_refused(many, options, error, message):
    table = many(["x", "x", "x", "y", "y", "y"], ["A", "B", "C", "D", "E", "E"])
    with pytest.raises(error, match=f"(?i){message}"):
        split_by_fold(table, seed=0, **options)


def test_a_class_without_images_cannot_be_split(load):
    table = load("image,label\na,x\nb,x\nc,y\nd,y\n", classes=["x", "y", "z"])
    with pytest.raises(DataError, match="class 'z' is in 0 lesions"):
        split_by_fold(table, fold=0, n_folds=2, seed=0)


def test_images_without_class_cannot_be_split(load):
    table = load("image,label\na,x\nb,\n", require_labels=False)
    with pytest.raises(DataError, match="no class: row 3"):
        split_by_fold(table, fold=0, n_folds=2, seed=0)


@pytest.mark.real_data
def test_no_lesion_of_ham10000_is_in_two_folds(skin7):
    table = load_table(skin7, Columns.guess(read_header(skin7)))
    folds = assign_folds(table.labels, table.groups, n_folds=5, seed=0)
    assert len(set(zip(table.groups, folds, strict=True))) == len(set(table.groups))
    counts = [table.class_counts(np.flatnonzero(folds == fold)) for fold in range(5)]
    assert all(abs(count["DF"] - 23) <= 3 and abs(count["NV"] - 1341) <= 15 for count in counts)
