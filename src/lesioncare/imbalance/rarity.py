"""Which classes are rare."""

from collections.abc import Mapping, Sequence
from typing import Literal

from lesioncare.errors import ConfigError
from lesioncare.words import did_you_mean

__all__ = ["rare_classes"]

_SHOWN = 20
"""Classes that a message names."""


def rare_classes(
    counts: Mapping[str, int], choice: Literal["auto"] | Sequence[str] = "auto"
) -> tuple[str, ...]:
    """Name the rare classes, in the order of `counts`.

    "auto" takes each class c with 0 < n_c < N / (2 C): fewer than half of the average class's images, where
    n_c is the images of class c, C the number of classes that have an image, and N the sum of n_c.

    Args:
        counts: images of each class.
        choice: "auto", or the names of the rare classes.

    Raises:
        ConfigError: `choice` names a class that `counts` does not have.

    Example:
        >>> rare_classes({"NV": 90, "DF": 5, "MEL": 30})
        ('DF',)
    """
    if choice == "auto":
        present = [count for count in counts.values() if count > 0]
        return tuple(name for name, count in counts.items() if 0 < 2 * count * len(present) < sum(present))
    names = [choice] if isinstance(choice, str) else list(choice)
    unknown = [name for name in names if name not in counts]
    if unknown:
        some = [
            *map(repr, list(counts)[:_SHOWN]),
            *([f"and {len(counts) - _SHOWN} more"] if len(counts) > _SHOWN else []),
        ]
        raise ConfigError(
            f"rare: no class is called {', '.join(map(repr, unknown))}. "
            f"{did_you_mean(unknown[0], counts)}Choose 'auto' or from {', '.join(some)}."
        )
    return tuple(name for name in counts if name in names)
