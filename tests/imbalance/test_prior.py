import numpy as np
import pytest
import torch

from lesioncare.errors import ConfigError
from lesioncare.imbalance import REMEDIES, adjust_logits, remaining_prior

COUNTS = [900.0, 100.0]


@pytest.mark.parametrize(
    ("method", "options", "ratio"),
    [
        ("none", {}, 9),
        ("focal", {}, 9),
        ("mixup", {}, 9),
        ("seesaw", {}, 9),
        ("weighted", {}, 1),
        ("balanced-softmax", {}, 1),
        ("logit-adjusted", {}, 1),
        ("logit-adjusted", {"adjust_tau": 0.5}, 3),
        ("logit-adjusted", {"adjust_tau": 0.0}, 9),
        ("sqrt-sampler", {}, 3),
        ("balanced-sampler", {}, 1),
        ("progressive-sampler", {}, 1),
        ("class-balanced", {"beta": 0.0}, 9),
        # n / E with E = (1 - 0.99^n) / 0.01: 900 / 99.9882 against 100 / 63.3968
        ("class-balanced", {"beta": 0.99}, (900 / 99.98820) / (100 / 63.39677)),
        ("ldam-drw", {"beta": 0.99}, (900 / 99.98820) / (100 / 63.39677)),
        ("ldam-drw", {"beta": 0.99, "drw_start": 1}, 9),
        ("crt", {}, 1),
        ("tau-norm", {}, 1),
        ("lws", {}, 1),
    ],
)
def test_by_hand(method, options, ratio):
    left = remaining_prior(method, COUNTS, **options)
    assert left[0] / left[1] == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize("method", REMEDIES)
def test_every_remedy_leaves_between_nothing_and_the_whole_prior(method):
    left = remaining_prior(method, COUNTS)
    assert left.shape == (2,)
    assert 1 - 1e-9 <= left[0] / left[1] <= 9 + 1e-9


def test_a_class_without_images_is_refused():
    with pytest.raises(ConfigError, match="training images of every class"):
        remaining_prior("none", [3, 0])


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, 9.0], [1.0, 3.0]])
def test_a_fitted_classifier_has_the_prior_times_the_weights(weights):
    """Bias-only logits fitted by weighted cross-entropy; the features say nothing, so p(x|c) is constant."""
    counts = torch.tensor(COUNTS)
    logits = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=100)

    def loss():
        optimiser.zero_grad()
        value = -(torch.tensor(weights) * counts * logits.log_softmax(0)).sum() / counts.sum()
        value.backward()
        return value

    optimiser.step(loss)
    left = np.array(weights) * np.array(COUNTS)
    assert np.ptp(adjust_logits(logits.detach()[None].numpy(), left)) == pytest.approx(0, abs=1e-3)
