"""Numbers and their nouns in sentences: "1 box", "2 boxes"."""

__all__ = ["noun", "several"]


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
