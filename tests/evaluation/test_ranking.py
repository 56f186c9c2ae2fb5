from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from lesioncare.evaluation import evaluate
from lesioncare.evaluation.ranking import OneVersusRest, RankingSums
from lesioncare.evaluation.resampling import Draws, draw_groups

COUNTS = {"common": 600, "less": 200, "rare": 100, "rarer": 100}


def alone(n):
    """Every image is a group of its own."""
    return Draws(np.arange(n), np.ones((n, 1), np.uint16))


def test_by_hand():
    """Scores .9 own, .8 other, .7 own: one of two pairs in order; precision 1 and 2/3 at the own ones.

    With the other image drawn twice, the second precision is 2/4; with the first own left out, the one
    pair is in the wrong order.
    """
    ranking = OneVersusRest(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), alone(3))
    auroc, precision = ranking(np.array([[1.0, 1, 0], [1, 2, 1], [1, 1, 1]]))
    assert auroc == pytest.approx([0.5, 0.5, 0.0])
    assert precision == pytest.approx([(1 + 2 / 3) / 2, (1 + 2 / 4) / 2, 1 / 2])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_against_sklearn_with_ties_and_weights(data):
    n = data.draw(st.integers(2, 25))
    truth = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    truth[:2] = [True, False]
    score = np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))) / 5  # many ties
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), dtype=float)
    weights[:2] += 1
    auroc, precision = OneVersusRest(truth, score, alone(n))(weights[:, None])
    assert auroc[0] == pytest.approx(roc_auc_score(truth, score, sample_weight=weights))
    assert precision[0] == pytest.approx(average_precision_score(truth, score, sample_weight=weights))


def test_a_group_counts_with_all_its_images(random_predictions):
    """A resample is worth what sklearn gives on the list of the drawn images."""
    known = random_predictions
    draws = draw_groups(known.group, known.target, 5, seed=1)
    found = RankingSums(known, ("rare", "rarer"), draws)(draws.counts.astype(float))
    for place in range(5):
        rows = np.repeat(np.arange(len(known)), draws.counts[draws.membership, place])
        truth, scores = known.target[rows], known.probabilities[rows]
        auroc = [roc_auc_score(truth == c, scores[:, c]) for c in range(4)]
        precision = [average_precision_score(truth == c, scores[:, c]) for c in (2, 3)]
        assert found["macro_auroc"][place] == pytest.approx(np.mean(auroc))
        assert found["rare_average_precision"][place] == pytest.approx(np.mean(precision))


def test_the_numbers_are_those_of_evaluate(random_predictions):
    # Probabilities that saturate at 1 are ties for both.
    for known in (random_predictions, replace(random_predictions, logits=random_predictions.logits * 40)):
        metrics = evaluate(known, ("rare", "rarer"), COUNTS)
        draws = draw_groups(known.group, known.target, 1, seed=0)
        found = RankingSums(known, ("rare", "rarer"), draws)(np.ones((draws.n_groups, 1)))
        assert found["macro_auroc"][0] == pytest.approx(metrics.macro_auroc)
        assert found["rare_average_precision"][0] == pytest.approx(metrics.rare_average_precision)


def test_what_is_undefined_is_left_out(make):
    one_class = make([0, 0], [[1.0, 0], [0, 1.0]])
    draws = draw_groups(one_class.group, one_class.target, 1, seed=0)
    assert RankingSums(one_class, ("c1",), draws)(np.ones((2, 1))) == {}
    two = make([0, 1], [[1.0, 0], [0, 1.0]])
    ranking = RankingSums(two, ("c1",), draws)
    assert {name: value.tolist() for name, value in ranking(np.ones((2, 1))).items()} == {
        "macro_auroc": [1.0],
        "rare_average_precision": [1.0],
    }
    assert np.isnan(ranking(np.array([[1.0], [0.0]]))["rare_average_precision"]).all()
    assert ranking.support == {"macro_auroc": (2, 1), "rare_average_precision": (2, 1)}
