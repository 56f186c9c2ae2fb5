import pytest
import torch

from lesioncare.errors import ConfigError
from lesioncare.imbalance import norm_scales, scale_rows, tau_normalise

WEIGHT = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_by_hand():
    """Norms 4 and 1, geometric mean 2: with tau = 1/2 the factors are sqrt(2/4) and sqrt(2/1)."""
    weight = torch.tensor([[0.0, 4.0], [1.0, 0.0]])
    assert norm_scales(weight, 0.5).tolist() == pytest.approx([0.5**0.5, 2**0.5])
    assert tau_normalise(weight, 1.0).tolist() == [[0, 2], [2, 0]]


def test_zero_changes_nothing_and_one_makes_all_norms_equal():
    torch.testing.assert_close(tau_normalise(WEIGHT, 0.0), WEIGHT)
    norms = tau_normalise(WEIGHT, 1.0).norm(dim=1)
    torch.testing.assert_close(norms, norms[:1].expand(4))
    torch.testing.assert_close(norms.log().mean(), WEIGHT.norm(dim=1).log().mean())


@pytest.mark.parametrize("tau", [0.0, 0.3, 0.7, 1.0])
def test_decisions_are_those_of_the_papers_formula(tau):
    inputs = torch.randn(100, 6, dtype=torch.float64)
    paper = inputs @ (WEIGHT / WEIGHT.norm(dim=1, keepdim=True) ** tau).T
    assert torch.equal((inputs @ tau_normalise(WEIGHT, tau).T).argmax(1), paper.argmax(1))


def test_a_convolution_is_treated_as_the_linear_layer_that_it_is():
    convolution = tau_normalise(WEIGHT[:, :, None, None], 0.4)
    torch.testing.assert_close(convolution[..., 0, 0], tau_normalise(WEIGHT, 0.4))


def test_scaled_weights_give_scaled_logits():
    scales, inputs = torch.tensor([0.5, 1, 2, 3], dtype=torch.float64), torch.rand(3, 6, dtype=torch.float64)
    torch.testing.assert_close(inputs @ scale_rows(WEIGHT, scales).T, inputs @ WEIGHT.T * scales)


def test_a_class_without_any_weight_keeps_none():
    weight = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert tau_normalise(weight, 1.0).tolist() == [[0, 0], [3, 4]]
    assert tau_normalise(0 * weight, 1.0).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("tau", [-0.1, 1.1, float("nan")])
def test_tau_must_be_a_share(tau):
    with pytest.raises(ConfigError, match="tau"):
        tau_normalise(WEIGHT, tau)


@pytest.mark.parametrize("weight", [torch.tensor(3.0), torch.ones(4)])
def test_a_weight_has_a_row_for_each_class(weight):
    with pytest.raises(ConfigError, match=r"shape \[C, K\]"):
        tau_normalise(weight, 0.5)
