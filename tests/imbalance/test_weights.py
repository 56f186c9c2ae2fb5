import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from timm.loss.class_weights import compute_class_weights

from lesioncare.errors import ConfigError
from lesioncare.imbalance import effective_number, inverse_frequency

COUNTS = [670, 51, 11, 3]


def test_inverse_frequency_is_scikit_learns_balanced():
    labels = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    assert inverse_frequency(COUNTS).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("beta", [0.5, 0.99, 0.9999])
def test_effective_number_is_timms_up_to_one_factor(beta):
    _, expected = compute_class_weights(COUNTS, sum(COUNTS), method="effective_num", beta=beta)
    ratio = effective_number(COUNTS, beta).float() / expected
    assert ratio.numpy() == pytest.approx(ratio[0].item())


def test_effective_number_by_hand():
    """1 - 0.5^1 = 0.5 and 1 - 0.5^2 = 0.75: E = 1 and 1.5; weights 1 : 2/3, mean over the 3 images is 1."""
    assert effective_number([1, 2], 0.5).tolist() == pytest.approx([9 / 7, 6 / 7])


@pytest.mark.parametrize("weights", [inverse_frequency, effective_number])
def test_the_mean_weight_of_a_training_image_is_one(weights):
    counts = torch.tensor(COUNTS)
    assert float((weights(COUNTS) * counts).sum() / counts.sum()) == pytest.approx(1)


def test_beta_zero_weighs_all_alike_and_beta_near_one_by_the_inverse():
    assert effective_number(COUNTS, 0.0).tolist() == pytest.approx([1] * 4)
    assert effective_number(COUNTS, 1 - 1e-12).tolist() == pytest.approx(
        inverse_frequency(COUNTS).tolist(), 1e-4
    )


@pytest.mark.parametrize("counts", [[3, 0], [3, -1], [3, float("nan")]])
@pytest.mark.parametrize("weights", [inverse_frequency, effective_number])
def test_a_class_without_training_images_is_named(weights, counts):
    with pytest.raises(ConfigError, match=r"class index \[1\].*Leave that class out"):
        weights(counts)


@pytest.mark.parametrize("beta", [-0.1, 1.0, float("nan")])
def test_beta_must_be_a_share(beta):
    with pytest.raises(ConfigError, match="beta"):
        effective_number(COUNTS, beta)
