"""How many test images a random split would have shown in training already."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FOLDS = 5

__all__ = ["FOLDS", "Leak", "expected_leaks"]


@dataclass(frozen=True, slots=True)
class Leak:
    """What a random split of single images would do to groups.

    Args:
        groups: number of groups (of lesions, patients or twins).
        shared: images that share a group with another.
        leaked: images that a random split into `folds` would test while one of their group is trained on:
            the expected number.
        images: number of images.
        folds: number of folds.
    """

    groups: int
    shared: int
    leaked: float
    images: int
    folds: int = FOLDS


def expected_leaks(groups: npt.ArrayLike, folds: int = FOLDS) -> Leak:
    """Expect what a random split of single images into equal folds tears apart.

    An image of a group of m is tested without leak only if the other m - 1 fall into its own fold, which has
    n / folds - 1 other places of n - 1: the probability is the product over j = 1 .. m - 1 of
    (n / folds - j) / (n - j).

    Args:
        groups: group of each image [n].
        folds: number of folds.

    Example:
        >>> expected_leaks(["a", "a", "b", "c", "d", "e", "f", "g", "h", "i"]).leaked  # 2 * (1 - 1/9)
        1.7777777777777777
    """
    _, sizes = np.unique(np.asarray(groups), return_counts=True)
    n = int(sizes.sum())
    leaked = 0.0
    for size in sizes[sizes > 1].tolist():
        others = np.arange(1, size)
        together = np.prod(np.maximum(n / folds - others, 0) / (n - others))
        leaked += float(size * (1 - together))
    return Leak(len(sizes), int(sizes[sizes > 1].sum()), leaked, n, folds)
