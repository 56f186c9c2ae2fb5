import json
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score
from torchmetrics.functional.classification import (
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_confusion_matrix,
    multiclass_recall,
)

from lesioncare.errors import ConfigError
from lesioncare.evaluation import Predictions, evaluate, interval
from lesioncare.evaluation.metrics import adjusted_logits, decide

COUNTS = {"common": 600, "less": 200, "rare": 100, "rarer": 100}


@pytest.fixture
def four(make):
    """Truth 0 0 1 1, said 0 1 1 1; a prior of 3:1 turns the second image's answer."""
    logits = [[2.0, 0.0], [0.0, 0.5], [0.0, 3.0], [0.9, 1.0]]
    return make([0, 0, 1, 1], logits, ["a", "b"], energy=[0.2, 0.4, np.nan, 0.8])


def test_by_hand(four):
    metrics = evaluate(four, ["b"], {"a": 1, "b": 3})
    assert metrics.confusion == ((1, 1), (0, 2))
    assert metrics.accuracy == 0.75
    assert metrics.balanced_accuracy == 0.75
    assert metrics.rare_recall == 1.0
    a, b = metrics.per_class["a"], metrics.per_class["b"]
    assert (a.n, a.recall, a.precision) == (2, 0.5, 1.0)
    assert (b.recall, b.precision) == (1.0, pytest.approx(2 / 3))
    assert a.f1 == pytest.approx(2 / 3)
    assert b.f1 == pytest.approx(0.8)
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    # Margins for b: -2, 0.5, 3, 0.1. Pairs (b before a): 3 of 4; precision at b's ranks: 1/1 and 2/3.
    assert b.auroc == 0.75
    assert b.average_precision == pytest.approx((1 + 2 / 3) / 2)


def test_adjustment_by_hand(four):
    metrics = evaluate(
        four, ["b"], {"a": 1, "b": 3}
    )  # b loses log 3 = 1.1 against a: margins -3.1, -.6, 1.9, -1
    assert metrics.confusion_adjusted == ((2, 0), (1, 1))
    assert metrics.balanced_accuracy_adjusted == 0.75
    assert metrics.rare_recall_adjusted == 0.5
    assert metrics.per_class["a"].recall_adjusted == 1.0


def test_against_torchmetrics_and_sklearn(random_predictions):
    metrics = evaluate(random_predictions, ["rare", "rarer"], COUNTS)
    target = torch.from_numpy(random_predictions.target)
    scores = torch.softmax(torch.from_numpy(random_predictions.logits), dim=1)
    order = list(metrics.per_class.values())
    for name, reference in (("auroc", multiclass_auroc), ("average_precision", multiclass_average_precision)):
        expected = reference(scores, target, num_classes=4, average=None).tolist()
        assert [getattr(one, name) for one in order] == pytest.approx(expected, abs=1e-6)
        assert getattr(metrics, f"macro_{name}") == pytest.approx(np.mean(expected), abs=1e-6)
    recall = multiclass_recall(scores, target, num_classes=4, average=None).tolist()
    assert [one.recall for one in order] == pytest.approx(recall)
    assert metrics.rare_recall == pytest.approx((recall[2] + recall[3]) / 2)
    assert np.array(metrics.confusion).tolist() == multiclass_confusion_matrix(scores, target, 4).tolist()
    truth, said = random_predictions.target, random_predictions.prediction
    assert metrics.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, said))
    assert metrics.macro_f1 == pytest.approx(f1_score(truth, said, average="macro"))
    adjusted = (random_predictions.logits - np.log([0.6, 0.2, 0.1, 0.1])).argmax(axis=1)
    assert metrics.balanced_accuracy_adjusted == pytest.approx(balanced_accuracy_score(truth, adjusted))


def test_a_class_absent_from_the_truth_is_left_out_of_every_mean(make):
    logits = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]  # the third image is taken for a class that never occurs
    metrics = evaluate(make([0, 1, 1], logits, ["a", "b", "c"]), ["c"], {"a": 1, "b": 1, "c": 1})
    assert metrics.balanced_accuracy == 0.75
    absent = metrics.per_class["c"]
    assert (absent.n, absent.recall, absent.auroc, absent.average_precision) == (0, None, None, None)
    assert absent.precision == 0.0
    assert metrics.rare_recall is None
    assert metrics.rare_average_precision is None
    assert metrics.macro_f1 == pytest.approx((1.0 + 2 / 3) / 2)


def test_a_class_never_predicted_has_no_precision(make):
    metrics = evaluate(make([0, 1], [[1.0, 0], [1.0, 0]]), [], {"c0": 1, "c1": 1})
    assert metrics.per_class["c1"].precision is None
    assert metrics.per_class["c1"].f1 == 0.0


def test_a_tie_is_an_error_even_where_the_first_index_is_right(make):
    metrics = evaluate(make([0, 1, 0], [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), [], {"c0": 1, "c1": 1})
    assert metrics.n_tied == 1
    assert metrics.accuracy == pytest.approx(2 / 3)
    assert metrics.balanced_accuracy == 0.75
    assert metrics.confusion == ((1, 0), (0, 1))
    assert metrics.per_class["c0"].precision == 1.0


def test_images_without_a_label_do_not_count(make, four):
    logits = np.vstack([four.logits, [[9.0, 0.0]]])
    more = make([0, 0, 1, 1, -1], logits, ["a", "b"], energy=[0.2, 0.4, np.nan, 0.8, 0.9])
    assert evaluate(more, ["b"], {"a": 1, "b": 3}) == evaluate(four, ["b"], {"a": 1, "b": 3})


def test_nothing_labelled_gives_none_and_no_warning(make):
    for predictions in (make([-1], [[1.0, 0.0]]), make([], np.empty((0, 2)))):
        metrics = evaluate(predictions, ["c1"], {"c0": 1, "c1": 1})
        assert metrics.n == 0
        assert metrics.balanced_accuracy is metrics.accuracy is metrics.macro_auroc is None
        assert metrics.confusion == ((0, 0), (0, 0))


@pytest.mark.parametrize("counts", [{"a": 1, "b": 0}, {"a": 1}])
def test_without_a_prior_the_adjusted_numbers_are_undefined(four, counts):
    metrics = evaluate(four, ["b"], counts)
    assert metrics.confusion_adjusted is None
    assert metrics.balanced_accuracy_adjusted is metrics.rare_recall_adjusted is None
    assert metrics.per_class["a"].recall_adjusted is None
    assert metrics.balanced_accuracy == 0.75


def test_localisation_by_hand(make):
    predictions = make(
        [0, 0, 1, 1, 1],
        np.zeros((5, 2)),
        ["a", "b"],
        energy=[0.2, 0.4, np.nan, 0.8, np.nan],
        pointing=[1.0, 0.0, np.nan, np.nan, np.nan],
        area_share=[0.1, 0.3, 0.9, 0.5, np.nan],  # the fourth map is constant, the third has no positive part
        centre_energy=[0.2, 0.2, 0.9, 0.6, np.nan],
    )
    metrics = evaluate(predictions, ["b"], {"a": 1, "b": 1})
    rare, common, everything = (metrics.localisation[name] for name in ("rare", "common", "all"))
    assert (rare.n, rare.n_undefined, rare.energy, rare.pointing) == (2, 1, 0.8, None)
    assert (rare.area_share, rare.centre_energy) == (0.5, 0.6)  # over the images that have an energy
    assert (common.n, common.energy, common.pointing) == (2, pytest.approx(0.3), 0.5)
    assert (everything.n, everything.n_undefined) == (4, 1)
    assert everything.energy == pytest.approx(1.4 / 3)
    assert metrics.localisation_per_class == {"a": common, "b": rare}


def test_to_dict_is_strict_json(make):
    metrics = evaluate(make([0, 0], [[1.0, 0], [0, 1.0]]), ["c1"], {"c0": 1})
    text = json.dumps(metrics.to_dict(), allow_nan=False)
    assert json.loads(text)["per_class"]["c1"]["recall"] is None
    assert json.loads(text)["localisation"]["rare"]["energy"] is None


def test_an_unknown_rare_class_is_refused(four):
    with pytest.raises(ConfigError, match="zebra"):
        evaluate(four, ["zebra"], {"a": 1, "b": 1})


def test_decide_and_adjusted_logits(four):
    assert decide(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]])).tolist() == [-1, 1]
    assert adjusted_logits(four, {"a": 1, "b": 1}) == pytest.approx(four.logits + np.log(2))


def plain(target, logits):
    names, nowhere = np.arange(len(target)).astype(str), np.full(len(target), np.nan)
    return Predictions(
        *(names, names, names, target, logits),
        classes=tuple(f"c{i}" for i in range(logits.shape[1])),
        boxes=tuple(np.empty((0, 4)) for _ in names),
        **dict.fromkeys(("energy", "pointing", "area_share", "centre_energy"), nowhere),
    )


def isic_balanced_accuracy(target, logits):
    """ISIC 2018 Task 3 in its own words: the mean recall of the classes that occur, in plain Python."""
    right, of_class = {}, {}
    for truth, row in zip(target, logits, strict=True):
        best = [index for index, value in enumerate(row) if value == max(row)]
        of_class[truth] = of_class.get(truth, 0) + 1
        right[truth] = right.get(truth, 0) + (best == [truth])  # a tie names no class
    return sum(right[truth] / of_class[truth] for truth in of_class) / len(of_class)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_balanced_accuracy_is_that_of_isic_2018_task_3(data):
    width = data.draw(st.integers(2, 5))
    n = data.draw(st.integers(1, 15))
    target = data.draw(st.lists(st.integers(0, width - 1), min_size=n, max_size=n))
    row = st.lists(st.integers(-2, 2), min_size=width, max_size=width)  # few values, so ties abound
    logits = np.array(data.draw(st.lists(row, min_size=n, max_size=n)), dtype=float)
    predictions = plain(target, logits)
    counts = dict.fromkeys(predictions.classes, 1)
    found = evaluate(predictions, [], counts)
    assert found.balanced_accuracy == pytest.approx(isic_balanced_accuracy(target, logits.tolist()))
    alone = interval(predictions, [], counts, n_resamples=1)["balanced_accuracy"]
    assert alone.value == pytest.approx(found.balanced_accuracy)
    if not found.n_tied:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that are predicted but do not occur
            reference = balanced_accuracy_score(target, logits.argmax(axis=1))
        assert found.balanced_accuracy == pytest.approx(reference)
