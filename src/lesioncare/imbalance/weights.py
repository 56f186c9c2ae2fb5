"""Class counts and the weights that follow from them.

The counts are those of the training images of one fold: not of its validation part, not of the test part.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lesioncare.errors import ConfigError

__all__ = ["checked_counts", "effective_number", "inverse_frequency"]


def checked_counts(counts: Sequence[int] | Tensor) -> Tensor:
    """Give the counts n_c as float64 [C].

    Raises:
        ConfigError: there are fewer than two classes, or one has no training image: what a remedy should do
            with a class that training never shows is not defined.
    """
    values = torch.as_tensor(counts, dtype=torch.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ConfigError(f"Expected the counts of two or more classes, but got {values.tolist()}.")
    absent = (~(torch.isfinite(values) & (values > 0))).nonzero().flatten().tolist()
    if absent:
        raise ConfigError(
            f"A remedy for imbalance needs training images of every class, but class index {absent} has a "
            f"count of {values[absent].tolist()}. Leave that class out or add images of it to "
            "the training part."
        )
    return values


def inverse_frequency(counts: Sequence[int] | Tensor) -> Tensor:
    """Give the weights w_c = N / (C n_c), [C].

    N = sum n_c. Their mean over the training images is 1 (each class weighs N / C in all), so that the loss
    keeps its size, and with it its balance with an attention loss. scikit-learn calls them "balanced".

    Source: King and Zeng, Logistic regression in rare events data, Political Analysis 2001.

    Example:
        >>> inverse_frequency([6, 2]).tolist()
        [0.6666666666666666, 2.0]
    """
    return _mean_one(checked_counts(counts).reciprocal(), counts)


def effective_number(counts: Sequence[int] | Tensor, beta: float = 0.9999) -> Tensor:
    """Give weights w_c proportional to 1 / E_c with E_c = (1 - beta^n_c) / (1 - beta), [C].

    E_c is the effective number of images of a class in which each new image may repeat an old one; beta = 0
    weighs all classes alike, and beta towards 1 gives the inverse frequency. The paper scales the weights to
    the sum C. Here their mean over the training images is 1, as that of `inverse_frequency`; the two differ
    by one constant factor.

    Source: Cui et al., Class-balanced loss based on effective number of samples, CVPR 2019, proposition 1.

    Raises:
        ConfigError: beta is not in [0, 1).
    """
    if not 0 <= beta < 1:
        raise ConfigError(f"Expected `beta` to be in [0, 1), but got {beta}.")
    numbers = checked_counts(counts)
    base = torch.tensor(beta, dtype=torch.float64)
    effective = -torch.expm1(numbers * torch.log(base)) / (1 - base)  # 1 - beta^n without cancellation
    return _mean_one(effective.reciprocal(), counts)


def _mean_one(weights: Tensor, counts: Sequence[int] | Tensor) -> Tensor:
    numbers = checked_counts(counts)
    return weights * numbers.sum() / (weights * numbers).sum()
