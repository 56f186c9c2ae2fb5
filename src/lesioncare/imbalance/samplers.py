r"""Which images an epoch shows: index samplers that show rare classes more often.

With n_c the training images of class c, a class is drawn with probability

    p_c = n_c^q / sum_k n_k^q

and then an image of it: q = 1 shows each image alike, q = 0 each class alike (class-balanced), q = 1/2 lies
between (square-root). The progressively balanced sampler goes from the first to the second while it trains:

    p_c(t) = (1 - t) n_c / N + t / C,    t = epoch / (epochs - 1)

Source: Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020,
equations 1 and 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesioncare.imbalance.weights import checked_counts

Floats = NDArray[np.float64]
Key = tuple[int, int]
Shares = Callable[[Floats, int], Floats]

__all__ = ["ClassDraw", "Power", "Progressive"]

_REPEAT = 1_000_003
"""Added to the epoch of an image's key each time that one epoch shows it again. As a prime above all numbers
of views, it gives the repeated image another of its cached views; where there are no views, an augmentation
of its own."""


@dataclass(frozen=True)
class Power:
    """p_c proportional to n_c^q: 0 is class-balanced, 1/2 square-root, 1 the images as they are."""

    q: float = 0.0

    def __call__(self, counts: Floats, epoch: int) -> Floats:  # noqa: ARG002  the same in every epoch
        """Give each class's share of an epoch, [C]; they sum to 1."""
        powers = counts**self.q
        return np.asarray(powers / powers.sum())


@dataclass(frozen=True)
class Progressive:
    """From the images as they are in the first epoch to class-balanced in the last one.

    Args:
        epochs: how many there are.
    """

    epochs: int

    def __call__(self, counts: Floats, epoch: int) -> Floats:
        """Give each class's share of an epoch, [C]; they sum to 1."""
        time = min(epoch / max(1, self.epochs - 1), 1.0)
        return np.asarray((1 - time) * counts / counts.sum() + time / len(counts))


class ClassDraw:
    """Draws the images of each epoch, as many as there are, by (seed, epoch) alone.

    The draw varies as little as it can: class c is shown p_c N times, rounded up or down at random so that
    the mean is right, and no image of a class is shown twice more often than another one. With q = 1 that is
    every image once, in a random order.

    Args:
        labels: class of each image, [N], of the training images only.
        num_classes: C.
        shares: gives p, [C], from the counts and the epoch.

    Raises:
        ConfigError: a class has no image.
    """

    def __init__(self, labels: Sequence[int] | NDArray[np.int64], num_classes: int, shares: Shares) -> None:
        classes = np.asarray(labels, dtype=np.int64)
        self._members = [np.flatnonzero(classes == code) for code in range(num_classes)]
        self._counts = checked_counts([len(members) for members in self._members]).numpy()
        self._shares = shares

    def __len__(self) -> int:
        return int(self._counts.sum())

    def keys(self, seed: int, epoch: int) -> list[Key]:
        """Give the keys (epoch, index) of an epoch, in a random order.

        An image that is shown again in the same epoch has the key (epoch + k * 1000003, index) for its k-th
        repetition: another augmentation, or cached view, than the first.
        """
        generator = np.random.default_rng([seed, epoch])
        quotas = self._quotas(self._shares(self._counts, epoch), generator)
        keys: list[Key] = []
        for members, quota in zip(self._members, quotas.tolist(), strict=True):
            rounds = -(-quota // len(members))
            shown = np.concatenate([generator.permutation(members) for _ in range(rounds)] or [members[:0]])
            keys += [
                (epoch + _REPEAT * (place // len(members)), index)
                for place, index in enumerate(shown[:quota].tolist())
            ]
        return [keys[place] for place in generator.permutation(len(keys)).tolist()]

    def _quotas(self, shares: Floats, generator: np.random.Generator) -> NDArray[np.int64]:
        """How often each class is shown: systematic sampling, sum N, mean p_c N, off by less than 1."""
        edges = np.concatenate([[0.0], np.cumsum(shares)]) * len(self)
        edges[-1] = len(self)
        return np.diff(np.floor(np.round(edges, 9) + generator.uniform())).astype(np.int64)
