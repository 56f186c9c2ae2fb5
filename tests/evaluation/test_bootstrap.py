from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from lesioncare.errors import ConfigError, RunError
from lesioncare.evaluation import (
    ArmPredictions,
    Cell,
    Difference,
    Interval,
    compare,
    compare_arms,
    evaluate,
    interval,
)
from lesioncare.evaluation.intervals import few_groups
from lesioncare.evaluation.resampling import percentile_interval

COUNTS = {"common": 600, "less": 200, "rare": 100, "rarer": 100}
RARE = ("rare", "rarer")


@pytest.fixture
def arms(random_predictions):
    rng = np.random.default_rng(9)
    a = random_predictions
    better = a.logits + 0.8 * np.eye(4)[a.target] + rng.normal(scale=0.3, size=a.logits.shape)
    return a, replace(a, logits=better, energy=np.clip(a.energy + 0.1, 0, 1))


def two_class(make, correct, group, energy=None):
    """All images of class 0 except one sure one of class 1; `correct` says which are named right."""
    right = np.append(correct, True)
    target = np.append(np.zeros(len(correct), int), 1)
    logits = np.eye(2)[np.where(right, target, 1 - target)]
    return make(target, logits, ["a", "b"], group=[*group, "last"], energy=energy)


def reference_difference(a, b, n_resamples, seed):
    """Recall of class 0, b - a: groups drawn one by one, images listed, in plain loops."""
    rng = np.random.default_rng(seed)
    of_class = sorted(set(a.group[a.target == 0]))
    members = {name: np.flatnonzero(a.group == name) for name in of_class}
    values = []
    for _ in range(n_resamples):
        rows = np.concatenate([members[name] for name in rng.choice(of_class, size=len(of_class))])
        values.append((b.prediction[rows] == 0).mean() - (a.prediction[rows] == 0).mean())
    return np.percentile(values, [2.5, 97.5])


def test_the_numbers_are_those_of_evaluate(arms):
    a, b = arms
    of_a, of_b = (evaluate(arm, RARE, COUNTS) for arm in arms)
    result = compare(a, b, RARE, COUNTS, n_resamples=50)
    for name in ("balanced_accuracy", "rare_recall", "rare_recall_adjusted", "balanced_accuracy_adjusted"):
        assert result[name].a == pytest.approx(getattr(of_a, name))
        assert result[name].b == pytest.approx(getattr(of_b, name))
    for name, metrics in of_b.per_class.items():
        assert result[f"recall:{name}"].b == pytest.approx(metrics.recall)
        assert result[f"recall:{name}"].n == metrics.n
    for kind in ("rare", "common"):
        assert result[f"energy:{kind}"].b == pytest.approx(of_b.localisation[kind].energy)
    one = interval(b, RARE, COUNTS, n_resamples=50)
    assert {name: one[name].value for name in one} == {name: result[name].b for name in result}


def test_interval_against_plain_loops(arms):
    a, b = arms
    result = compare(a, b, RARE, COUNTS, n_resamples=4000)["recall:common"]
    low, high = reference_difference(a, b, 4000, seed=1)
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.02)
    assert result.low < result.difference < result.high


def test_binomial_interval_by_hand(make):
    """50 of 100 independent images right: standard error sqrt(.25 / 100) = 0.05, so .5 +- 1.96 * .05."""
    correct = np.arange(100) % 2 == 0
    recall = interval(two_class(make, correct, np.arange(100)), ("b",), {"a": 1, "b": 1})["recall:a"]
    assert recall.value == 0.5
    assert (recall.low, recall.high) == pytest.approx((0.402, 0.598), abs=0.015)


def test_correlated_groups_widen_the_interval(make):
    """Ten images to a group, all right or all wrong: the standard error grows by sqrt(10)."""
    correct = np.repeat(np.arange(40) % 2 == 0, 10)
    widths = []
    for group in (np.repeat(np.arange(40), 10), np.arange(400)):
        recall = interval(two_class(make, correct, group), ("b",), {"a": 1, "b": 1})["recall:a"]
        widths.append(recall.high - recall.low)
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(10), rel=0.15)


def test_few_groups_expand_the_interval():
    """With normal resamples the ends are those of Student's interval with the standard error of n - 1."""
    values = np.random.default_rng(0).normal(size=400_000)
    for n, quantile in ((10, 2.2622), (40, 2.0227), (10_000, 1.9602)):  # from a table of Student's t
        low, high = percentile_interval(values, n)
        expected = quantile * np.sqrt(n / (n - 1))
        assert (-low, high) == pytest.approx((expected, expected), rel=0.01)
    assert percentile_interval(values, 5) == pytest.approx((-1.96, 1.96), rel=0.01)
    assert percentile_interval(np.array([np.nan]), 10) is None


@pytest.mark.parametrize("found", [True, False])
def test_a_class_found_or_missed_whole_is_not_certain(make, found):
    """Seven of seven: by hand, p^7 = 0.025 at p = 0.5904, the exact interval's open end."""
    arm = two_class(make, np.full(21, found), np.repeat(np.arange(7), 3))
    recall = interval(arm, ("b",), {"a": 1, "b": 1})["recall:a"]
    expected = (0.5904, 1) if found else (0, 0.4096)
    assert (recall.low, recall.high) == pytest.approx(expected, abs=1e-4)
    exact = binomtest(7 * found, 7).proportion_ci(0.95, method="exact")
    assert (recall.low, recall.high) == pytest.approx((exact.low, exact.high))


def test_seeds_that_all_find_a_class_whole_are_not_certain_either(make):
    arm = two_class(make, np.full(12, True), np.arange(12))
    arms = [ArmPredictions("one", {(0, seed): Cell(arm, {"a": 1, "b": 1}) for seed in (0, 1)})]
    recall = compare_arms(arms, ("b",)).singles["one"]["recall:a"]
    assert (recall.low, recall.high) == pytest.approx((0.025 ** (1 / 12), 1))


def test_pairing_cancels_what_both_arms_get_wrong(make):
    """Both arms say the same: the difference is exactly 0 in every resample, though each recall varies."""
    arm = two_class(make, np.arange(60) % 3 > 0, np.arange(60))
    difference = compare(arm, arm, ("b",), {"a": 1, "b": 1})["recall:a"]
    assert (difference.difference, difference.low, difference.high) == (0, 0, 0)
    assert not difference.shown


def test_coverage_of_the_grouped_interval(make):
    """The 95 % interval holds the true value in about 95 of 100 simulated data sets with alike images."""
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(120):
        chance = rng.beta(2, 2, size=40)  # mean one half: the true recall
        correct = rng.uniform(size=(40, 5)) < chance[:, None]
        arm = two_class(make, correct.ravel(), np.repeat(np.arange(40), 5))
        recall = interval(arm, ("b",), {"a": 1, "b": 1}, n_resamples=400, seed=seed)["recall:a"]
        held += recall.low <= 0.5 <= recall.high
    assert 0.87 <= held / 120 <= 0.99


def test_same_seed_same_interval(arms):
    first, second, other = (compare(*arms, RARE, COUNTS, n_resamples=200, seed=seed) for seed in (4, 4, 5))
    assert first == second
    assert first["balanced_accuracy"] != other["balanced_accuracy"]


def test_the_global_random_state_is_left_alone(arms):
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    compare(*arms, RARE, COUNTS, n_resamples=10)
    assert np.random.random() == expected


def test_blocks_do_not_change_the_draws(arms, monkeypatch):
    whole = compare(*arms, RARE, COUNTS, n_resamples=100)
    monkeypatch.setattr("lesioncare.evaluation.resampling._BLOCK", 50)
    for name, difference in compare(*arms, RARE, COUNTS, n_resamples=100).items():
        assert (difference.low, difference.high) == pytest.approx((whole[name].low, whole[name].high))


def test_energy_is_compared_where_both_arms_have_it(make):
    a = two_class(make, [True] * 8, range(8), energy=[0.5] * 7 + [np.nan, 0.5])
    b = two_class(make, [True] * 8, range(8), energy=[np.nan] + [0.75] * 7 + [0.5])
    difference = compare(a, b, ("b",), {"a": 1, "b": 1})["energy:common"]
    assert (difference.n, difference.a, difference.b) == (6, 0.5, 0.75)
    assert difference.shown


def test_energy_is_compared_where_both_arms_are_judged_by_the_same_boxes(make):
    a = two_class(make, [True] * 8, range(8), energy=[0.5] * 9)
    b = replace(a, energy=np.full(9, 0.75))
    assert compare(a, b, ("b",), {"a": 1, "b": 1})["energy:common"].n == 8
    there = [np.array([[0.0, 0.0, 4.0, 4.0]])]
    elsewhere = replace(b, boxes=(*there, *b.boxes[1:]))
    assert compare(a, elsewhere, ("b",), {"a": 1, "b": 1})["energy:common"].n == 7
    nowhere = replace(b, boxes=tuple(there * 9))
    assert not any(name.startswith("energy") for name in compare(a, nowhere, ("b",), {"a": 1, "b": 1}))


def test_undefined_metrics_are_left_out(make):
    arm = make([0, 0, -1], [[1.0, 0], [1.0, 0], [0, 1.0]])
    assert set(compare(arm, arm, ("c1",), {"c0": 1})) == {"balanced_accuracy", "recall:c0"}
    unknown = make([-1], [[0.0, 1.0]])
    assert compare(unknown, unknown, ("c1",), {"c0": 1, "c1": 1}) == {}


def test_few_groups_show_nothing(make):
    """All images of 5 lesions go from wrong to right: no spread in the resamples, and still no evidence."""
    for n_groups, shown in ((5, False), (6, True)):
        group = np.repeat(np.arange(n_groups), 4)
        a, b = (two_class(make, np.full(4 * n_groups, right), group) for right in (False, True))
        recall = compare(a, b, ("b",), {"a": 1, "b": 1})["recall:a"]
        assert (recall.low, recall.n_groups, recall.shown) == (1.0, n_groups, shown)
    mean = compare(a, b, ("b",), {"a": 1, "b": 1})["balanced_accuracy"]
    assert mean.n_groups == 1
    assert not mean.shown


def test_a_group_of_two_classes_is_drawn_as_one(make):
    predictions = make([0, 1, 0, 1], np.eye(2)[[0, 1, 1, 0]], group=["x", "x", "y", "y"])
    recall = interval(predictions, ("c1",), {"c0": 1, "c1": 1}, n_resamples=300)
    assert (recall["recall:c1"].low, recall["recall:c1"].high) == (0.0, 1.0)
    assert recall["recall:c0"].low == recall["recall:c1"].low


@pytest.mark.parametrize(
    ("difference", "sentence"),
    [
        (
            Difference("rare_recall", 0.41, 0.52, 0.11, 0.03, 0.19, 90, 40),
            "Rare recall rose from 41.0 to 52.0 % (+11.0 points, 95 % interval +3.0 to +19.0).",
        ),
        (
            Difference("recall:a:b", 0.5, 0.4, -0.1, -0.15, -0.05, 90, 40),
            "Recall of a:b fell from 50.0 to 40.0 % (-10.0 points, 95 % interval -15.0 to -5.0).",
        ),
        (
            Difference("balanced_accuracy", 0.5, 0.52, 0.02, -0.01, 0.05, 90, 40),
            "Balanced accuracy: no difference shown "
            "(50.0 and 52.0 %, +2.0 points, 95 % interval -1.0 to +5.0).",
        ),
        (
            Difference("energy:rare", 0.5, 0.7, 0.2, 0.1, 0.3, 9, 3),
            "Energy in the box of the rare classes: 50.0 and 70.0 %; "
            "no interval: the images with a box and a map show 3 lesions or patients, and 6 are needed.",
        ),
        (
            Difference("balanced_accuracy_adjusted", 0.5, 0.51, 0.01, 0.0002, 0.0198, 90, 40),
            "Balanced accuracy after logit adjustment rose from 50.00 to 51.00 % "
            "(+1.00 points, 95 % interval +0.02 to +1.98).",
        ),
    ],
)
def test_sentences(difference, sentence):
    assert difference.sentence() == sentence


@pytest.mark.parametrize(
    ("low", "bounds"),
    [
        (0.0005, "+0.1 to +2.0"),
        (0.000499, "+0.05 to +1.98"),  # not +0.0
        (0.00005, "+0.01 to +1.98"),
        (0.0000499, "+0.005 to +1.980"),
    ],
)
def test_a_bound_that_excludes_zero_is_not_told_as_zero(low, bounds):
    for sign in (1, -1):
        ends = sorted((sign * low, sign * 0.0198))
        told = Difference("balanced_accuracy", 0.5, 0.5 + sign * 0.01, sign * 0.01, *ends, 90, 40).sentence()
        expected = bounds if sign > 0 else " to ".join(bounds.replace("+", "-").split(" to ")[::-1])
        assert f"95 % interval {expected})" in told


def test_every_metric_has_a_sentence(arms):
    for difference in compare(*arms, RARE, COUNTS, n_resamples=20).values():
        assert "95 % interval" in difference.sentence()


def test_arms_that_do_not_match_are_refused(arms):
    a, b = arms
    keep = np.arange(len(a)) > 0
    swapped = np.r_[1, 0, 2 : len(b)]
    for other, message in (
        (b.select(keep), "200 and 199 images"),
        (replace(b, image=b.image[swapped]), r"row 1 the image is 0\.jpg and 1\.jpg"),
        (replace(b, target=(b.target + 1) % 4), "the target is"),
        (replace(b, group=b.image), "the group is"),
        (replace(b, classes=b.classes[::-1]), "classes"),
    ):
        with pytest.raises(RunError, match=message):
            compare(a, other, RARE, COUNTS)


def test_options_are_checked(arms):
    with pytest.raises(ConfigError, match="resamples"):
        compare(*arms, RARE, COUNTS, n_resamples=0)
    with pytest.raises(ConfigError, match="zebra"):
        interval(arms[0], ("zebra",), COUNTS)


def test_each_arm_is_adjusted_by_what_its_own_training_left(arms):
    a, b = arms
    uniform = dict.fromkeys(COUNTS, 1.0)
    found = compare(a, b, RARE, COUNTS, prior_b=uniform, n_resamples=50)
    assert found["rare_recall_adjusted"].a == pytest.approx(evaluate(a, RARE, COUNTS).rare_recall_adjusted)
    assert found["rare_recall_adjusted"].b == pytest.approx(evaluate(b, RARE, COUNTS).rare_recall)


def test_the_sentence_of_one_number():
    assert Interval("rare_recall", 0.41, 0.33, 0.5, 90, 40).sentence() == (
        "Rare recall: 41.0 % (95 % interval 33.0 to 50.0)."
    )
    assert (
        Interval("rare_recall", 0.41, 0.33, 0.5, 9, 5).sentence() == f"Rare recall: 41.0 %; {few_groups(5)}."
    )
    energy = Interval("energy:rare", 0.41, 0.33, 0.5, 9, 5).sentence()
    assert (
        "no interval: the images with a box and a map show 5 lesions or patients, and 6 are needed" in energy
    )
    assert "the smallest class tested has 5 lesions or patients, and 6 are needed" in few_groups(5)


@pytest.mark.parametrize("lacking", [0, 1])
def test_energy_is_compared_on_the_images_where_both_have_it(arms, lacking):
    gone = np.arange(200) % 3 == 0
    masked = [replace(one, energy=np.where(gone, np.nan, one.energy)) for one in arms]
    given = [masked[side] if side == lacking else arms[side] for side in (0, 1)]
    found, expected = (
        compare(*pair, RARE, COUNTS, n_resamples=100)["energy:rare"].to_dict() for pair in (given, masked)
    )
    assert found == pytest.approx(expected)
