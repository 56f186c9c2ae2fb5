from dataclasses import replace

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from lesioncare.errors import RunError
from lesioncare.evaluation import ArmPredictions, Cell, arm_calibration, calibration


def renamed(predictions, prefix):
    return replace(
        predictions,
        image=np.char.add(prefix, predictions.image),
        group=np.char.add(prefix, predictions.group),
    )


def draw(make, n, temperature, seed, prefix):
    """Images whose true class follows softmax(logits); what is said are the logits times `temperature`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(n, 3))
    target = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return renamed(make(target, logits * temperature), prefix)


def test_by_hand(make):
    """Probabilities .75 (right), .75 (wrong), .6 (right) with two bins: both bins are the upper one."""
    logits = np.log([[0.75, 0.25], [0.25, 0.75], [0.4, 0.6]])
    found = calibration(make([0, 0, 1], logits), n_bins=2).raw
    assert found.nll == pytest.approx(-(np.log(0.75) + np.log(0.25) + np.log(0.6)) / 3)
    assert found.ece == pytest.approx(0.7 - 2 / 3)
    assert (found.bins[0].low, found.bins[0].high, found.bins[0].count) == (0, 0.5, 0)
    assert (found.bins[0].confidence, found.bins[0].accuracy) == (None, None)
    assert (found.bins[1].count, found.bins[1].confidence) == (3, pytest.approx(0.7))
    finer = calibration(make([0, 0, 1], logits), n_bins=10).raw
    assert finer.ece == pytest.approx((2 * abs(0.5 - 0.75) + abs(1 - 0.6)) / 3)


@pytest.mark.parametrize("n_bins", [1, 10, 15])
def test_against_torchmetrics_and_torch(make, n_bins):
    predictions = draw(make, 500, 1.7, 3, "t")
    found = calibration(predictions, n_bins=n_bins).raw
    logits, target = torch.from_numpy(predictions.logits), torch.from_numpy(predictions.target)
    reference = multiclass_calibration_error(logits.softmax(dim=1), target, 3, n_bins=n_bins, norm="l1")
    assert found.ece == pytest.approx(reference.item(), abs=1e-6)
    assert found.nll == pytest.approx(torch.nn.functional.cross_entropy(logits, target).item())
    assert sum(one.count for one in found.bins) == 500


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_on_the_validation_part(make, temperature):
    test, validation = draw(make, 2000, temperature, 0, "t"), draw(make, 6000, temperature, 1, "v")
    found = calibration(test, validation)
    assert found.temperatures == (pytest.approx(temperature, rel=0.08),)
    again = calibration(replace(test, logits=test.logits / found.temperatures[0]))
    assert found.scaled == again.raw
    if temperature != 1:
        assert found.scaled.nll < found.raw.nll
        assert found.scaled.ece < found.raw.ece


def test_the_temperature_minimises_the_likelihood(make):
    validation = draw(make, 300, 2.5, 1, "v")
    best = calibration(draw(make, 5, 1.0, 0, "t"), validation).temperatures[0]
    at = {t: calibration(replace(validation, logits=validation.logits / t)).raw.nll for t in (0.97, 1, 1.03)}
    scaled = {
        factor: calibration(replace(validation, logits=validation.logits / (best * factor))).raw.nll
        for factor in at
    }
    assert scaled[1] < min(scaled[0.97], scaled[1.03])


def test_only_the_validation_part_decides(make):
    validation = draw(make, 300, 1.0, 1, "v")
    temperatures = {calibration(draw(make, 50, 5.0, s, "t"), validation).temperatures for s in range(3)}
    assert len(temperatures) == 1


def test_a_model_that_is_always_right_stays_finite(make):
    right = renamed(make([0, 1], [[3.0, 0.0], [0.0, 3.0]]), "v")
    found = calibration(make([0], [[3.0, 0.0]]), right)
    assert 0.01 <= found.temperatures[0] < 0.1
    assert np.isfinite(found.scaled.nll)


def test_huge_logits_and_ties(make):
    found = calibration(make([0, 0], [[1e4, -1e4], [0.0, 0.0]])).raw
    assert found.bins[-1].accuracy == 1.0  # confidence 1 belongs to the last bin
    assert [one.accuracy for one in found.bins if one.count] == [0.0, 1.0]  # a tie is an error
    assert found.nll == pytest.approx(np.log(2) / 2)


def test_nothing_labelled(make):
    found = calibration(make([-1], [[0.0, 1.0]]))
    assert (found.raw.n, found.raw.nll, found.raw.ece, found.scaled) == (0, None, None, None)
    assert len(found.to_dict()["raw"]["bins"]) == 15


def test_each_cell_has_its_own_temperature(make):
    tests = [draw(make, 400, t, i, f"t{i}") for i, t in enumerate((1.0, 4.0))]
    validations = [draw(make, 3000, t, 9 + i, f"v{i}") for i, t in enumerate((1.0, 4.0))]
    cells = {(i, 0): Cell(tests[i], {}, validations[i]) for i in range(2)}
    found = arm_calibration(ArmPredictions("a", cells))
    assert found.temperatures == pytest.approx((1.0, 4.0), rel=0.1)
    alone = [calibration(*pair) for pair in zip(tests, validations, strict=True)]
    assert found.raw.n == 800
    assert found.scaled.nll == pytest.approx(np.mean([one.scaled.nll for one in alone]))
    cells[1, 0] = Cell(tests[1], {})
    assert arm_calibration(ArmPredictions("a", cells)).scaled is None


def test_what_may_not_be_fitted_is_refused(make):
    test = make([0, 1], np.eye(2))
    with pytest.raises(RunError, match=r"image '0\.jpg' is in the test and in the validation part"):
        calibration(test, test)
    with pytest.raises(RunError, match=r"group '0\.jpg'"):
        calibration(test, replace(test, image=["x", "y"]))
    with pytest.raises(RunError, match="no validation image is labelled"):
        calibration(test, renamed(make([-1], [[0.0, 1.0]]), "v"))
    with pytest.raises(RunError, match="classes"):
        calibration(test, renamed(make([0], [[0.0, 1.0]], ["x", "y"]), "v"))
