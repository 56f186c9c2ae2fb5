"""What can be found, what it means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["KINDS", "Finding", "Kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding: what it means, and the remedy."""

    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Args:
        kind: a key of `KINDS`.
        rows: lines of the table that it is about (the header is line 1); a finding of a pair has two.
        detail: numbers and classes; never the name of an image or a group, which may tell a patient.
    """

    kind: str
    rows: tuple[int, ...]
    detail: str


KINDS: Mapping[str, Kind] = {
    "missing image": Kind("The table names a file that is not there.", "Name the folder with --images."),
    "unreadable image": Kind("The file cannot be decoded.", "Replace the file, or remove its row."),
    "empty label": Kind("The row has no class.", "Give it one, or remove the row."),
    "empty group": Kind("The row has no lesion or patient.", "Give it one: its own, if nothing is known."),
    "unknown split": Kind("The split is not train, val or test.", "Correct it."),
    "listed twice": Kind("Two rows name the same file with different classes.", "Keep one."),
    "one image, two labels": Kind(
        "Two files show the same or almost the same image, and have different classes. One of them is wrong, "
        "and no network can learn both.",
        "Ask who labelled them; without an answer remove both.",
    ),
    "twins across the split": Kind(
        "The same or almost the same image is in two parts of the split, so the test knows it already.",
        "Put both into one part, or remove one.",
    ),
    "group across the split": Kind(
        "A lesion or patient has images in two parts of the split.", "Put all of them into one part."
    ),
    "twins in two groups": Kind(
        "The same or almost the same image belongs to two lesions or patients, so that a split by group "
        "tears it apart.",
        "Give both one group (--groups writes such a table), or remove one.",
    ),
    "identical images": Kind("Two files hold the same pixels.", "Keep one."),
    "near-duplicate images": Kind(
        "Two files show almost the same image: the same one saved again, or taken again at once.",
        "Keep one, or give both one group (--groups writes such a table).",
    ),
    "box": Kind(
        "A box is no box or lies outside its image, which training refuses; or it is tiny or doubled; or it "
        "is named after another class than its image's, and then is not used.",
        "Look at it with lesioncare boxes show, and correct it.",
    ),
    "unusual size": Kind(
        "The image has quite another size or shape than most.", "See whether it belongs to the set."
    ),
    "unusual brightness": Kind(
        "The image is far darker or brighter than most.", "See whether it belongs to the set."
    ),
    "no contrast": Kind("All of the image is of about one brightness.", "See whether it shows anything."),
    "small class": Kind(
        "The class is in so few images, or lesions and patients, that five folds cannot each test it.",
        "Use fewer folds, add images, or merge the class with another.",
    ),
}
"""In the order of their weight."""
