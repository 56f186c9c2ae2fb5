from dataclasses import replace

import numpy as np
import pytest

from lesioncare.errors import RunError
from lesioncare.evaluation import ArmPredictions, Cell
from lesioncare.evaluation.arms import check_arms

COUNTS = {"common": 600, "less": 200, "rare": 100, "rarer": 100}


def split(predictions, fold):
    return [predictions.select(fold == one) for one in range(fold.max() + 1)]


@pytest.fixture
def cells(random_predictions):
    """Two folds and two seeds; the groups of two images stay together."""
    parts = split(random_predictions, np.arange(200) // 2 % 2)
    return {(fold, seed): Cell(parts[fold], COUNTS) for fold in (0, 1) for seed in (7, 8)}


def test_folds_are_pooled_in_order(cells, random_predictions):
    arm = ArmPredictions("care", dict(reversed(cells.items())))
    assert (arm.folds, arm.seeds) == ((0, 1), (7, 8))
    pooled = arm.pooled(7)
    first, second = cells[0, 7].predictions, cells[1, 7].predictions
    assert pooled.predictions.image.tolist() == [*first.image, *second.image]
    assert sorted(pooled.predictions.image) == sorted(random_predictions.image)
    assert pooled.fold.tolist() == [0] * len(first) + [1] * len(second)
    assert len(pooled.predictions.boxes) == 200


def test_each_fold_is_adjusted_by_its_own_counts(make):
    """One image a fold with equal logits: the prior 1:3 of the one and 3:1 of the other decide."""
    parts = [replace(make([0], [[0.0, 0.0]], ["a", "b"]), image=[name], group=[name]) for name in "xy"]
    counts = [{"a": 1, "b": 3}, {"a": 3, "b": 1}]
    cells = {(fold, 0): Cell(parts[fold], counts[fold]) for fold in (0, 1)}
    adjusted = ArmPredictions("a", cells).pooled(0).adjusted
    np.testing.assert_allclose(adjusted, np.log([[4, 4 / 3], [4 / 3, 4]]))
    cells[1, 0] = Cell(parts[1], {"a": 3})
    assert ArmPredictions("a", cells).pooled(0).adjusted is None


def test_images_without_a_label_are_left_out(make):
    cells = {(0, 0): Cell(make([0, -1, 1], np.eye(3)), {})}
    pooled = ArmPredictions("a", cells).pooled(0)
    assert pooled.predictions.image.tolist() == ["0.jpg", "2.jpg"]
    assert len(pooled.fold) == 2


def test_a_missing_cell_is_named(cells):
    del cells[1, 8]
    with pytest.raises(RunError, match="arm 'care': no predictions of fold 1 with seed 8"):
        ArmPredictions("care", cells)
    with pytest.raises(RunError, match="arm 'care': no predictions of all folds"):
        ArmPredictions("care", {})


def test_arms_that_match_are_accepted(cells):
    check_arms([ArmPredictions("a", cells), ArmPredictions("b", dict(reversed(cells.items())))])


def swap_first(predictions):
    return replace(predictions, image=predictions.image[np.r_[1, 0, 2 : len(predictions)]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap_first, r"in row 1 the image is \d+\.jpg and"),
        (lambda p: replace(p, group=p.image), "the group is"),
        (lambda p: replace(p, target=(p.target + 1) % 4), "the target is"),
        (lambda p: p.select(np.arange(len(p)) > 0), "99 and 100 images"),
        (lambda p: replace(p, classes=("k", "l", "m", "n")), "their classes are"),
    ],
)
def test_arm_fold_and_seed_are_named(cells, change, message):
    other = cells | {(1, 8): Cell(change(cells[1, 8].predictions), COUNTS)}
    with pytest.raises(RunError, match=f"arm 'b', fold 1, seed 8 .*arm 'a', fold 1, seed 7: .*{message}"):
        check_arms([ArmPredictions("a", cells), ArmPredictions("b", other)])
    with pytest.raises(RunError, match="arm 'b', fold 1, seed 8"):  # the seeds of one arm must agree as well
        check_arms([ArmPredictions("b", other)])


def test_other_folds_seeds_and_names_are_refused(cells):
    a = ArmPredictions("a", cells)
    one_seed = ArmPredictions("b", {(fold, 7): cells[fold, 7] for fold in (0, 1)})
    with pytest.raises(RunError, match=r"arm 'b' has the seeds \(7,\), but arm 'a' has \(7, 8\)"):
        check_arms([a, one_seed])
    with pytest.raises(RunError, match="different names"):
        check_arms([a, a])
    with pytest.raises(RunError, match="no arms"):
        check_arms([])


def test_an_image_or_lesion_in_two_folds_is_refused(cells):
    doubled = {key: Cell(cells[0, 7].predictions, COUNTS) for key in cells}
    with pytest.raises(RunError, match=r"image '0\.jpg' is in the test part of fold 0 and of fold 1"):
        check_arms([ArmPredictions("a", doubled)])
    torn = {
        key: Cell(replace(cell.predictions, group=["g"] * len(cell.predictions)), COUNTS)
        for key, cell in cells.items()
    }
    with pytest.raises(RunError, match="group 'g' is in the test part of fold 0 and of fold 1"):
        check_arms([ArmPredictions("a", torn)])


def test_classes_that_change_between_folds_are_refused(cells):
    for seed in (7, 8):
        renamed = replace(cells[1, seed].predictions, classes=("k", "l", "m", "n"))
        cells[1, seed] = Cell(renamed, COUNTS)
    with pytest.raises(RunError, match=r"arm 'a', fold 1, seed .*those of the first fold"):
        check_arms([ArmPredictions("a", cells)])
