import json
from dataclasses import replace

import numpy as np
import pytest

from lesioncare.errors import ConfigError
from lesioncare.evaluation import (
    ArmPredictions,
    Cell,
    PairDifference,
    Spread,
    compare,
    compare_arms,
    evaluate,
    interval,
)
from lesioncare.evaluation.correction import enough_resamples
from lesioncare.evaluation.resampling import unexpanded

COUNTS = {"common": 600, "less": 200, "rare": 100, "rarer": 100}
RARE = ("rare", "rarer")
FOLDS = (0, 1, 2)


def arm(name, by_seed, fold, counts=COUNTS):
    cells = {
        (one, seed): Cell(predictions.select(fold == one), counts)
        for seed, predictions in by_seed.items()
        for one in np.unique(fold).tolist()
    }
    return ArmPredictions(name, cells)


@pytest.fixture
def seeds(random_predictions):
    """name -> seed -> predictions on one set of images: "a", a copy of it, and a better one."""
    rng = np.random.default_rng(9)

    def noisy(shift):
        logits = random_predictions.logits + shift * np.eye(4)[random_predictions.target]
        logits = logits + rng.normal(scale=0.3, size=logits.shape)
        energy = np.clip(random_predictions.energy + shift / 9, 0, 1)
        return replace(random_predictions, logits=logits, energy=energy)

    same = {seed: noisy(0) for seed in (0, 1)}
    return {"a": same, "copy": same, "better": {seed: noisy(1.5) for seed in (0, 1)}}


@pytest.fixture
def arms(seeds):
    fold = np.arange(200) // 2 % len(FOLDS)
    return [arm(name, by_seed, fold) for name, by_seed in seeds.items()]


def test_one_fold_and_seed_is_the_comparison_of_two_arms(seeds):
    a, b = seeds["a"][0], seeds["better"][0]
    single = np.zeros(200, int)
    found = compare_arms([arm("a", {0: a}, single), arm("b", {0: b}, single)], RARE, n_resamples=300, seed=4)
    expected = compare(a, b, RARE, COUNTS, n_resamples=300, seed=4)
    assert set(found.pairs["a", "b"]) == {*expected, "macro_auroc", "rare_average_precision"}
    for name, one in expected.items():
        got = found.pairs["a", "b"][name].to_dict()
        assert {key: got[key] for key in one.to_dict()} == pytest.approx(one.to_dict())
    for name, one in interval(b, RARE, COUNTS, n_resamples=300, seed=4).items():
        got = found.singles["b"][name].to_dict()
        assert {key: got[key] for key in one.to_dict()} == pytest.approx(one.to_dict())


def test_values_are_means_over_seeds_of_the_pooled_metrics(seeds, arms):
    found = compare_arms(arms, RARE, n_resamples=200)
    for name in ("balanced_accuracy", "rare_recall_adjusted", "rare_average_precision", "macro_auroc"):
        by_seed = [getattr(evaluate(one, RARE, COUNTS), name) for one in seeds["better"].values()]
        one = found.singles["better"][name]
        assert one.value == pytest.approx(np.mean(by_seed))
        assert one.spread.by_seed == pytest.approx(by_seed)
        assert one.spread.seed_sd == pytest.approx(np.std(by_seed, ddof=1))
        assert one.low < one.value < one.high
        pair, other = found.pairs["a", "better"][name], found.singles["a"][name]
        assert pair.spread.by_seed == pytest.approx(np.subtract(by_seed, other.spread.by_seed))


def test_fold_values_are_those_of_each_fold_averaged_over_seeds(arms):
    found = compare_arms(arms, RARE, n_resamples=200)
    for name in ("balanced_accuracy", "rare_recall_adjusted", "rare_average_precision", "macro_auroc"):
        values = {
            one.name: [
                np.mean(
                    [getattr(evaluate(one.cells[fold, s].predictions, RARE, COUNTS), name) for s in one.seeds]
                )
                for fold in FOLDS
            ]
            for one in (arms[0], arms[2])
        }
        assert found.singles["better"][name].spread.by_fold == pytest.approx(values["better"])
        difference = found.pairs["a", "better"][name]
        expected = np.subtract(values["better"], values["a"])
        assert difference.spread.by_fold == pytest.approx(expected)
        assert difference.spread.fold_sd == pytest.approx(np.std(expected, ddof=1))


def test_pairs_and_families(arms):
    found = compare_arms(arms, RARE, n_resamples=2000)
    assert list(found.pairs) == [("a", "copy"), ("a", "better"), ("copy", "better")]
    same = found.pairs["a", "copy"]["balanced_accuracy"]
    assert (same.difference, same.low, same.high, same.p, same.shown) == (0, 0, 0, 1, False)
    clear = found.pairs["a", "better"]["balanced_accuracy"]
    assert (clear.n_comparisons, clear.p) == (3, pytest.approx(2 * unexpanded(1 / 2001, clear.n_groups)))
    assert clear.p_corrected == pytest.approx(3 * clear.p)
    assert clear.shown
    assert found.pairs["copy", "better"]["balanced_accuracy"].low == clear.low


def test_resamples_follow_from_the_pairs_and_the_class_with_the_fewest_groups(random_predictions):
    groups = [len(set(random_predictions.group[random_predictions.target == code])) for code in range(4)]
    assert min(groups) < 20 < max(groups)
    arms = [arm(name, {0: random_predictions}, np.zeros(200, int)) for name in "abcdefgh"]
    found, pairs = compare_arms(arms, RARE), 8 * 7 // 2
    expected = enough_resamples(None, pairs, min(groups))
    assert found.n_resamples == expected > enough_resamples(None, pairs, max(groups))


def test_what_one_seed_lacks_is_not_compared(seeds):
    first, second = seeds["a"][0], seeds["a"][1]
    without = replace(second, energy=np.full(200, np.nan))
    found = compare_arms([arm("a", {0: first, 1: without}, np.zeros(200, int))], RARE, n_resamples=50)
    assert "balanced_accuracy" in found.singles["a"]
    assert not any(name.startswith("energy") for name in found.singles["a"])


def test_the_interval_pairs_the_arms(arms):
    """What is hard about an image cancels: the difference varies far less than the numbers."""
    found = compare_arms(arms, RARE, n_resamples=400)
    difference = found.pairs["a", "better"]["energy:common"]
    alone = found.singles["a"]["energy:common"]
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)


def test_seeds_that_disagree_share_the_draws(make):
    """Seed 0 gets the even, seed 1 the odd groups right: every resample's mean is one half only if shared."""
    target = np.r_[np.zeros(40, int), 1]
    right = {seed: np.r_[np.arange(40) % 2 == seed, True] for seed in (0, 1)}
    by_seed = {
        seed: make(target, np.eye(2)[np.where(one, target, 1 - target)]) for seed, one in right.items()
    }
    recall = compare_arms([arm("a", by_seed, np.zeros(41, int))], ("c1",), n_resamples=50).singles["a"]
    assert (recall["recall:c0"].low, recall["recall:c0"].high) == pytest.approx((0.5, 0.5))


def test_energy_is_compared_where_both_arms_have_it(make):
    target, logits = np.r_[np.zeros(8, int), 1], np.zeros((9, 2))
    energies = {"a": [0.5] * 7 + [np.nan, 0.5], "b": [np.nan] + [0.75] * 7 + [0.5], "c": [0.25] * 9}
    arms = [
        arm(name, {0: make(target, logits, energy=energy)}, np.zeros(9, int))
        for name, energy in energies.items()
    ]
    found = compare_arms(arms, ("c1",), n_resamples=200)
    energy = {pair: metrics["energy:common"] for pair, metrics in found.pairs.items()}
    assert (energy["a", "b"].n, energy["a", "c"].n) == (6, 7)
    assert (energy["a", "b"].difference, energy["b", "c"].difference) == pytest.approx((0.25, -0.5))
    assert found.singles["c"]["energy:common"].n == 8


def test_a_metric_that_one_arm_lacks_is_left_out_for_it(seeds):
    fold = np.arange(200) // 2 % 3
    whole = arm("a", seeds["a"], fold)
    blind = {seed: replace(one, energy=np.full(200, np.nan)) for seed, one in seeds["better"].items()}
    bare = arm("b", blind, fold, counts={"common": 1})
    found = compare_arms([whole, bare], RARE, n_resamples=100)
    assert "energy:rare" in found.singles["a"]
    assert "rare_recall_adjusted" in found.singles["a"]
    for metrics in (found.singles["b"], found.pairs["a", "b"]):
        assert not [name for name in metrics if "energy" in name or "adjusted" in name]


def test_a_class_that_a_fold_lacks(make):
    target = np.array([0] * 8 + [1])
    predictions = make(target, np.eye(2)[target])
    found = compare_arms([arm("a", {0: predictions}, np.arange(9) // 8)], ("c1",), n_resamples=20).singles[
        "a"
    ]
    assert found["recall:c1"].spread == Spread((None, 1.0), (1.0,))
    assert found["recall:c1"].spread.fold_sd is None
    assert found["recall:c1"].spread.seed_sd is None


def test_few_groups_are_not_tested(make):
    target = np.r_[np.zeros(20, int), np.ones(5, int)]
    wrong = np.where(target == 1, 0, target)
    arms = [
        arm(name, {0: make(target, np.eye(2)[said])}, np.zeros(25, int))
        for name, said in (("a", wrong), ("b", target))
    ]
    one = compare_arms(arms, ("c1",), n_resamples=100).pairs["a", "b"]["rare_recall"]
    assert (one.difference, one.p, one.p_corrected, one.n_comparisons) == (1.0, None, None, 0)
    assert not one.shown
    assert "6 are needed" in one.sentence()


def test_nothing_labelled(make):
    unknown = [arm(name, {0: make([-1], [[0.0, 1.0]])}, np.zeros(1, int)) for name in "ab"]
    found = compare_arms(unknown, ("c1",), n_resamples=50)
    assert (found.singles, found.pairs) == ({"a": {}, "b": {}}, {("a", "b"): {}})
    assert found.pairs_frame().empty


def difference(low, high, p, p_corrected, by_seed=(0.11,)):
    values = ("rare_recall", 0.41, 0.52, 0.11, low, high, 90, 40)
    return PairDifference(*values, p, p_corrected, 6, Spread((0.1, 0.12), by_seed))


@pytest.mark.parametrize(
    ("one", "shown", "sentence"),
    [
        (
            difference(0.03, 0.19, 0.002, 0.012),
            True,
            "Rare recall rose from 41.0 to 52.0 % (+11.0 points, 95 % interval +3.0 to +19.0).",
        ),
        (
            difference(0.03, 0.19, 0.02, 0.12),
            False,
            "Rare recall rose from 41.0 to 52.0 % (+11.0 points, 95 % interval +3.0 to +19.0), "
            "but not after correction for 6 comparisons (p 0.12).",
        ),
        (
            difference(0.03, 0.19, 0.002, 0.012, (0.15, 0.07, 0.11)),
            True,
            "Rare recall rose from 41.0 to 52.0 % (+11.0 points, 95 % interval +3.0 to +19.0).",
        ),
        (
            difference(0.03, 0.19, 0.002, 0.012, (0.365, -0.175, 0.14)),
            False,
            "Rare recall rose from 41.0 to 52.0 % (+11.0 points, 95 % interval +3.0 to +19.0), "
            "but the seeds do not agree (-17.5 to +36.5).",
        ),
        (
            difference(-0.03, 0.19, 0.2, 1.0),
            False,
            "Rare recall: no difference shown (41.0 and 52.0 %, +11.0 points, 95 % interval -3.0 to +19.0).",
        ),
    ],
)
def test_sentences(one, shown, sentence):
    assert one.shown == shown
    assert one.sentence() == sentence


def test_tables_and_json(arms):
    found = compare_arms(arms, RARE, n_resamples=200)
    singles, pairs = found.singles_frame(), found.pairs_frame()
    assert len(singles) == 3 * len(found.singles["a"])
    row = pairs.set_index(["arm_a", "arm_b", "metric"]).loc[("a", "better", "macro_auroc")]
    one = found.pairs["a", "better"]["macro_auroc"]
    assert (row.value_a, row.value_b, row.p_corrected) == (one.a, one.b, one.p_corrected)
    assert (row.shown, row.sentence, row.fold_sd) == (one.shown, one.sentence(), one.spread.fold_sd)
    back = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert back["pairs"][1]["metrics"]["macro_auroc"]["p"] == one.p
    assert back["singles"]["a"]["macro_auroc"]["spread"]["by_seed"] == pytest.approx(
        found.singles["a"]["macro_auroc"].spread.by_seed
    )


def test_same_seed_same_result(arms):
    first, second, other = (compare_arms(arms, RARE, n_resamples=200, seed=seed) for seed in (4, 4, 5))
    assert first == second
    assert first.pairs != other.pairs


def test_options_are_checked(arms):
    with pytest.raises(ConfigError, match="3 comparisons the number of resamples must be 120"):
        compare_arms(arms, RARE, n_resamples=100)
    with pytest.raises(ConfigError, match="zebra"):
        compare_arms(arms, ("zebra",))
