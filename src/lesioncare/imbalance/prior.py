"""What training has left of the class counts in a network's logits: the prior still to be adjusted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesioncare.imbalance.remedies import REMEDIES, Remedy
from lesioncare.imbalance.weights import checked_counts, effective_number

__all__ = ["remaining_prior"]

_WEIGHTED = ("class-balanced", "class-balanced-focal", "ldam-drw")


def remaining_prior(
    method: str,
    counts: Sequence[int],
    *,
    beta: float = 0.9999,
    adjust_tau: float = 1.0,
    drw_start: float = 0.8,
) -> NDArray[np.float64]:
    r"""Give the prior that the logits of a network trained with a remedy still carry, [C], up to a factor.

    A network that is shown class c with the share p_c, and whose images of it weigh w_c, learns logits
    s_c = log p(x|c) + log(p_c w_c): what is left is p_c w_c, and n_c where nothing is done. So it is

    * n_c for plain cross-entropy, focal, seesaw, label smoothing, mixup and CutMix;
    * n_c w_c for class weights: 1 for the inverse frequency, n_c / E_c for class-balanced weights (and for
      LDAM, if its deferred weights begin at all);
    * n_c^(1 - tau) for the logit-adjusted loss, and 1 for balanced softmax (tau = 1);
    * n_c^(1/2) for the square-root sampler, 1 for the two that end class-balanced;
    * 1 where the final layer was balanced afterwards (cRT, tau-normalisation, LWS).

    Adjusting by n_c where less is left would favour the rare classes twice.

    Source: Menon et al., Long-tail learning via logit adjustment, ICLR 2021, section 4 (what the minimiser of
    each loss estimates); for focal and LDAM it holds approximately.

    Args:
        method: a name of `REMEDIES`.
        counts: n_c, the training images of each class, [C], all above 0.
        beta: of class-balanced weights.
        adjust_tau: of the logit-adjusted loss.
        drw_start: share of the epochs after which the weights of LDAM begin.

    Raises:
        ConfigError: a class has no training image.

    Example:
        >>> remaining_prior("sqrt-sampler", [900, 100]).tolist()
        [30.0, 10.0]
    """
    remedy, numbers = REMEDIES[method], checked_counts(counts).numpy()
    if remedy.changes_head:
        return np.ones_like(numbers)
    shown = {"shuffle": numbers, "sqrt": numbers**0.5}.get(remedy.sampler, np.ones_like(numbers))
    return np.asarray(shown * _weights(remedy, numbers, beta, adjust_tau, drw_start))


def _weights(
    remedy: Remedy, numbers: NDArray[np.float64], beta: float, adjust_tau: float, drw_start: float
) -> NDArray[np.float64]:
    """What the loss multiplies the prior by, up to a factor."""
    if remedy.loss in ("weighted", "balanced-softmax"):
        return np.asarray(1 / numbers)
    if remedy.loss == "logit-adjusted":
        return np.asarray(numbers**-adjust_tau)
    if remedy.loss in _WEIGHTED and not (remedy.loss == "ldam-drw" and drw_start == 1):
        return np.asarray(effective_number(numbers.tolist(), beta).numpy())
    return np.ones_like(numbers)
