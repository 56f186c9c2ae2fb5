from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesioncare.errors import ConfigError
from lesioncare.evaluation.correction import bootstrap_p, enough_resamples, holm
from lesioncare.evaluation.resampling import percentile_interval

MANY = 10**6
PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def test_holm_by_hand():
    """0.01 * 4; then 0.02 * 3, 0.03 * 2 stays at it, 0.5 * 1."""
    assert holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(PROBABILITIES)
def test_holm_is_bonferroni_on_every_subset(p):
    """A closed test: the corrected value is the largest of |S| min(S) over the sets S that hold it."""
    places = range(len(p))
    sets = [one for size in range(1, len(p) + 1) for one in combinations(places, size)]
    expected = [max(min(1, len(s) * min(p[i] for i in s)) for s in sets if place in s) for place in places]
    assert holm(p) == pytest.approx(expected)


def test_p_by_hand():
    """One of 39 draws is not above 0: p = 2 (1 + 1) / 40."""
    assert bootstrap_p(np.r_[-1.0, np.ones(38)], MANY) == pytest.approx(0.1, rel=1e-4)
    assert bootstrap_p(-np.ones(39), MANY) == pytest.approx(2 / 40, rel=1e-4)  # the smallest one
    assert bootstrap_p(np.zeros(39), MANY) == 1.0


def test_p_of_few_groups_by_hand():
    """One of 40: normal quantile -1.95996 / sqrt(10 / 9) = -1.85939; Student's tail, 9 degrees: 0.04795."""
    assert bootstrap_p(np.ones(39), 10) == pytest.approx(2 * 0.04795, rel=1e-3)
    assert bootstrap_p(np.ones(39), 5) == pytest.approx(2 / 40)  # too few to be judged: not expanded


@pytest.mark.parametrize("n_groups", [6, 10, 40, MANY])
def test_p_and_interval_agree(n_groups):
    rng = np.random.default_rng(0)
    for shift in np.linspace(0, 6, 60):
        values = rng.normal(size=4000) + shift
        low, _ = percentile_interval(values, n_groups)
        if abs(low) > 0.1:
            assert (bootstrap_p(values, n_groups) < 0.05) == (low > 0)


def test_there_are_enough_resamples():
    assert enough_resamples(None, 1, MANY) == 2000
    assert enough_resamples(None, 45, MANY) == pytest.approx(4500, rel=1e-3)
    assert enough_resamples(240, 6, MANY) == 240
    assert holm([2 / 241] * 6)[0] < 0.05  # the smallest p that 240 draws can give
    with pytest.raises(ConfigError, match=r"6 comparisons .* must be 240 or more .* is 239"):
        enough_resamples(239, 6, MANY)
    assert enough_resamples(1, 0, MANY) == 1


@pytest.mark.parametrize(("n_comparisons", "n_groups"), [(1, 10), (15, 20), (45, 40), (45, MANY)])
def test_the_clearest_difference_passes_with_the_default_draws(n_comparisons, n_groups):
    draws = enough_resamples(None, n_comparisons, n_groups)
    assert draws <= 20_000
    assert holm([bootstrap_p(np.ones(draws), n_groups)] * n_comparisons)[0] < 0.05


def test_the_default_has_an_end():
    assert enough_resamples(None, 45, 6) == 20_000
