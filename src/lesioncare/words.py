"""Numbers and their nouns in sentences, "1 box", "2 boxes"; and names that are told apart."""

from collections.abc import Sequence

__all__ = ["distinct_names", "noun", "several"]


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
