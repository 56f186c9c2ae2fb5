"""Whose background each image gets."""

import numpy as np
from numpy.typing import NDArray

from lesioncare.errors import DataError

__all__ = ["choose_partners"]


def choose_partners(target: NDArray[np.int64], group: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """For each image another one, of another class and another group, [N] indices.

    First the class is drawn, then an image of it, so that the backgrounds of a rare class are as frequent as
    those of a common one. The same images and seed give the same partners.

    Args:
        target: [N], class of each image.
        group: [N], lesion or patient.
        seed: of the draws, at least 0.

    Raises:
        DataError: an image has no partner.
    """
    partners = np.empty(len(target), dtype=np.int64)
    for row in range(len(target)):
        rng = np.random.default_rng([seed, row])
        able = np.flatnonzero((target != target[row]) & (group != group[row]))
        if not len(able):
            raise DataError(
                "the backgrounds cannot be swapped between classes: boxed images of two classes, and of "
                "different lesions or patients, are needed. Give boxes for more classes."
            )
        of_class = rng.choice(np.unique(target[able]))
        partners[row] = rng.choice(able[target[able] == of_class])
    return partners
