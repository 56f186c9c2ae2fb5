"""Kermany's paediatric chest X-rays: chest_xray/train|val|test/NORMAL|PNEUMONIA."""

import re
from collections import Counter
from collections.abc import Sequence

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.layouts.folder import split_and_class
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError
from lesioncare.words import noun, several

_CLASSES = ("NORMAL", "PNEUMONIA")
_KAGGLE = {"train": 5216, "val": 16, "test": 624}
_MENDELEY = {"train": 5232, "test": 624}
# person12_bacteria_46, IM-0115-0001, NORMAL2-IM-1427-0001; in Mendeley's version 3 BACTERIA-1008087-0001.
_PATIENT = re.compile(r"^(person\d+|(?:NORMAL2-)?IM-\d+|(?:NORMAL|BACTERIA|VIRUS)-\d+(?=-))", re.IGNORECASE)

__all__ = ["KERMANY"]


def _read(tree: Tree, settings: Settings) -> Found:
    images, copies = _images(tree)
    if not images:
        raise DataError(f"{tree.root}: no train|val|test/NORMAL|PNEUMONIA/*.jpeg in it. Unpack chest_xray.")
    splits = [split for split, _, _ in images]
    patients = [_patient(name) for _, _, name in images]
    official = settings.official_split
    records = tuple(
        # Inside the official parts a number that is in two of them would be refused as a leak.
        Record(path, label, f"{split} {patient}" if official else patient, split if official else None)
        for ((split, label, _), path), patient in zip(images.items(), patients, strict=True)
    )
    published = _KAGGLE if "val" in splits else _MENDELEY
    counts = tuple(Count(f"{part} images", splits.count(part), count) for part, count in published.items())
    notes = ["Groups are the numbers in the files' names (person12_..., IM-0115-...), hashed."]
    alone = sum(_PATIENT.match(name) is None for _, _, name in images)
    if alone:
        without = noun(alone, "has no number in its name", "have no number in their names")
        own = noun(alone, "is a group of its own", "are groups of their own")
        notes.append(f"{several(alone, 'image')} {without} and {own}.")
    if copies:
        twice = noun(copies, "lies there twice and was", "lie there twice and were")
        notes.append(f"{several(copies, 'image')} {twice} taken once.")
    notes += _shared(splits, patients, official=official)
    return Found(records, (), counts, tuple(notes), patients=True)


def _images(tree: Tree) -> tuple[dict[tuple[str, str, str], str], int]:
    """Paths by part, class and name, and how many more there are: Kaggle's archive has a copy of itself."""
    found: dict[tuple[str, str, str], str] = {}
    copies = 0
    for path in sorted(tree.images, key=lambda path: (path.count("/"), path)):
        split, _ = split_and_class(path)
        folder, _, name = path.rpartition("/")
        label = folder.rpartition("/")[2]
        if split is not None and label in _CLASSES:
            copies += found.setdefault((split, label, name), path) != path
    return found, copies


def _patient(name: str) -> str:
    numbered = _PATIENT.match(name)
    return numbered[1].lower() if numbered else name


def _shared(splits: Sequence[str], patients: Sequence[str], *, official: bool) -> list[str]:
    """A sentence on the numbers that are in two parts, if there are any."""
    parts_of = Counter(patient for _, patient in set(zip(splits, patients, strict=True)))
    both = sum(count > 1 for count in parts_of.values())
    if not both:
        return []
    done = (
        "The official split is kept and each part has groups of its own; --no-split drops it and keeps the "
        "numbers together."
        if official
        else "The official split was dropped, and each number is one group."
    )
    told = f"{both} of these numbers are in more than one official part: suspected, not proven, to be the "
    return [f"{told}same children. {done}"]


KERMANY = Layout(
    "Kermany chest X-rays (paediatric pneumonia)",
    "chest_xray/train|val|test/NORMAL|PNEUMONIA/*.jpeg",
    _read,
    "https://data.mendeley.com/datasets/rscbjbr9sj",
    "CC BY 4.0",
    {"NORMAL": 1583, "PNEUMONIA": 4273},
)
