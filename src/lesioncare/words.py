"""Numbers and their nouns in sentences, "1 box", "2 boxes"; and names that are told apart."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = ["did_you_mean", "distinct_names", "noun", "several"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question after the known names that are close to a word, with a space behind; empty if none is.

    Example:
        >>> did_you_mean("resnet81", ["resnet18", "vgg11", "resnet8"])
        "Did you mean 'resnet8' or 'resnet18'? "
        >>> did_you_mean("cat", ["dog"])
        ''
    """
    close = [repr(name) for name in get_close_matches(word, known, n=4)]
    named = " or ".join([", ".join(close[:-1]), close[-1]] if close[1:] else close)
    return f"Did you mean {named}? " if close else ""


def distinct_names(names: Sequence[str], places: Sequence[object] | None = None) -> list[str]:
    """The names; those that occur more than once get where they are from, or their number among the runs.

    Example:
        >>> distinct_names(["CARE", "energy", "CARE"])
        ['CARE (run 1)', 'energy', 'CARE (run 3)']
        >>> distinct_names(["CARE", "CARE"], ["runs/a", "runs/b"])
        ['CARE (runs/a)', 'CARE (runs/b)']
    """
    shown = [f"run {number}" for number in range(1, len(names) + 1)] if places is None else places
    return [
        f"{name} ({place})" if names.count(name) > 1 else name
        for name, place in zip(names, shown, strict=True)
    ]


def noun(number: int, one: str, many: str | None = None) -> str:
    """The noun that goes with a number; without `many`, an s is put behind it."""
    if number == 1:
        return one
    return f"{one}s" if many is None else many


def several(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun.

    Example:
        >>> several(1, "fold"), several(2, "box", "boxes")
        ('1 fold', '2 boxes')
    """
    return f"{number} {noun(number, one, many)}"
