"""The coverage benchmark on few simulations; the figures of many are in benchmarks/coverage.csv."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def coverage():
    path = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shares(batches):
    """(metric, quantity, way) -> share of the data sets whose interval holds the truth."""
    held = {}
    for batch in batches:
        for key, hit, _ in batch:
            held.setdefault(key, []).append(hit)
    return {key: np.mean(hits) for key, hits in held.items()}


def test_groups_cover_the_truth_and_images_do_not(coverage):
    """300 data sets: 0.95 +- 3 standard errors is 0.91 to 0.99; drawn by image it is 0.89."""
    rng = np.random.default_rng(1)
    found = shares(coverage.recalls(coverage.SCENARIOS[0], rng, 400) for _ in range(3))
    for metric in ("balanced accuracy", "rare recall", "recall of the rarest class"):
        for quantity in ("first arm", "difference"):
            assert 0.91 <= found[metric, quantity, "groups"] <= 0.99, (metric, quantity)
    for metric in ("balanced accuracy", "rare recall"):
        assert found[metric, "first arm", "images"] < 0.92
        assert found[metric, "difference", "images"] < found[metric, "difference", "groups"]


def test_correction_keeps_false_claims_rare(coverage):
    """Four equally good arms: uncorrected, about one data set in five would show a difference."""
    rng = np.random.default_rng(2)
    found = shares(coverage.families(coverage.SCENARIOS[0], rng, 400) for _ in range(2))
    key = ("balanced accuracy", "no false claim among 6 pairs")
    assert found[*key, "groups"] >= 0.9
    assert found[*key, "groups, not corrected"] < 0.88
