"""Post-hoc logit adjustment: mending the bias that an imbalanced training set leaves in the logits."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesioncare.errors import ConfigError

__all__ = ["adjust_logits"]


def adjust_logits(logits: ArrayLike, prior: ArrayLike, tau: float = 1.0) -> NDArray[np.float64]:
    """Subtract the logarithm of the training prior from the logits: `logits - tau * log(prior)`.

    A classifier trained with cross-entropy carries the training prior in its logits; without it the
    argmax is the best guess under balanced classes (tau = 1). The ranking within a class hardly changes.

    Source: Menon et al., Long-tail learning via logit adjustment, ICLR 2021, equation 9.

    Args:
        logits: [N, C].
        prior: [C], shares or counts of the training images; divided by its sum here.
        tau: strength; 0 leaves the logits as they are.

    Raises:
        ConfigError: the shapes disagree, a class has no training image, or a number is not finite.

    Example:
        >>> adjust_logits([[0.0, 0.0]], [0.5, 0.5]).round(3).tolist()
        [[0.693, 0.693]]
    """
    scores, shares = np.asarray(logits, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    if scores.ndim != 2 or shares.shape != scores.shape[1:]:
        raise ConfigError(
            f"logit adjustment needs logits [N, C] and a prior [C], got {scores.shape} and {shares.shape}."
        )
    if not np.isfinite(shares).all() or (shares <= 0).any():
        bad = np.flatnonzero(~(np.isfinite(shares) & (shares > 0))).tolist()
        raise ConfigError(
            f"logit adjustment needs training images of every class, but class index {bad} has a prior of "
            f"{shares[bad].tolist()}. Leave that class out or add images of it to the training part."
        )
    if not np.isfinite(tau):
        raise ConfigError(f"the strength tau of the logit adjustment must be a finite number, but is {tau}.")
    return np.asarray(scores - tau * np.log(shares / shares.sum()))
