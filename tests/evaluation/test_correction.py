from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesioncare.errors import ConfigError
from lesioncare.evaluation.correction import bootstrap_p, enough_resamples, holm
from lesioncare.evaluation.resampling import percentile_interval

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
    assert bootstrap_p(np.r_[-1.0, np.ones(38)]) == pytest.approx(0.1)
    assert bootstrap_p(-np.ones(39)) == pytest.approx(2 / 40)  # the smallest one
    assert bootstrap_p(np.zeros(39)) == 1.0


def test_p_and_interval_agree():
    rng = np.random.default_rng(0)
    for shift in np.linspace(0, 4, 60):
        values = rng.normal(size=2000) + shift
        low, _ = percentile_interval(values, 10**6)
        if abs(low) > 0.05:
            assert (bootstrap_p(values) < 0.05) == (low > 0)


def test_there_are_enough_resamples():
    assert enough_resamples(None, 1) == 2000
    assert enough_resamples(None, 45) == 4500
    assert enough_resamples(240, 6) == 240
    assert holm([2 / 241] * 6)[0] < 0.05  # the smallest p that 240 draws can give
    with pytest.raises(ConfigError, match=r"6 comparisons .* must be 240 or more .* is 239"):
        enough_resamples(239, 6)
    assert enough_resamples(1, 0) == 1
