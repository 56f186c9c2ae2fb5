import numpy as np
import pytest
import torch

from lesioncare.errors import ConfigError
from lesioncare.imbalance.adjustment import adjust_logits


def test_by_hand():
    adjusted = adjust_logits([[1.0, 1.0]], [0.75, 0.25])
    assert adjusted == pytest.approx(np.array([[1.0 + 0.2876820724, 1.0 + 1.3862943611]]))


def test_dividing_the_posterior_by_the_prior_gives_the_same_probabilities():
    logits = np.random.default_rng(0).normal(size=(20, 4))
    prior = np.array([0.6, 0.3, 0.07, 0.03])
    balanced = torch.softmax(torch.from_numpy(logits), 1).numpy() / prior
    expected = balanced / balanced.sum(axis=1, keepdims=True)
    assert torch.softmax(torch.from_numpy(adjust_logits(logits, prior)), 1).numpy() == pytest.approx(expected)


def test_a_rare_class_wins_the_tie_that_the_prior_made():
    assert adjust_logits([[2.0, 1.0]], [90, 10]).argmax() == 1


def test_counts_and_shares_are_the_same_prior():
    logits = np.random.default_rng(1).normal(size=(3, 2))
    assert adjust_logits(logits, [30, 10]) == pytest.approx(adjust_logits(logits, [0.75, 0.25]))


def test_tau_zero_leaves_the_logits():
    assert adjust_logits([[0.3, -1.0]], [5, 1], tau=0.0).tolist() == [[0.3, -1.0]]


def test_the_argument_is_not_changed():
    logits = np.zeros((2, 2))
    adjust_logits(logits, [3, 1])
    assert not logits.any()


@pytest.mark.parametrize("prior", [[1, 0], [1, -1], [1, np.nan], [1, np.inf]])
def test_a_class_without_training_images_is_refused(prior):
    with pytest.raises(ConfigError, match=r"class index \[1\]"):
        adjust_logits([[0.0, 0.0]], prior)


@pytest.mark.parametrize(("logits", "prior"), [([[0.0, 0.0]], [1, 1, 1]), ([0.0, 0.0], [1, 1])])
def test_shapes_must_fit(logits, prior):
    with pytest.raises(ConfigError, match=r"\[N, C\]"):
        adjust_logits(logits, prior)


def test_tau_must_be_finite():
    with pytest.raises(ConfigError, match="tau"):
        adjust_logits([[0.0, 0.0]], [1, 1], tau=float("nan"))
