"""Kermany's paediatric chest X-rays: chest_xray/train|val|test/NORMAL|PNEUMONIA."""

import re

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.layouts.folder import split_and_class
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError

_CLASSES = ("NORMAL", "PNEUMONIA")
_COUNTS = {"train": 5216, "val": 16, "test": 624}
_PATIENT = re.compile(r"^(person\d+|(?:NORMAL2-)?IM-\d+)", re.IGNORECASE)

__all__ = ["KERMANY"]


def _read(tree: Tree, settings: Settings) -> Found:
    records, splits, patients = [], [], []
    for path in tree.images:
        split, _ = split_and_class(path)
        folder, _, name = path.rpartition("/")
        label = folder.rpartition("/")[2]
        if split is None or label not in _CLASSES:
            continue
        numbered = _PATIENT.match(name)
        patient = numbered[1].lower() if numbered else name
        splits.append(split)
        patients.append((split, patient))
        # Inside the official parts a number that is in two of them would be refused as a leak.
        group = f"{split} {patient}" if settings.official_split else patient
        records.append(Record(path, label, group, split if settings.official_split else None))
    if not records:
        raise DataError(f"{tree.root}: no train|val|test/NORMAL|PNEUMONIA/*.jpeg in it. Unpack chest_xray.")
    counts = [Count(f"{part} images", splits.count(part), count) for part, count in _COUNTS.items()]
    parts_of = [patient for _, patient in set(patients)]
    both = sum(parts_of.count(patient) > 1 for patient in set(parts_of))
    notes = ["Groups are the numbers in the files' names (person12_..., IM-0115-...), hashed."]
    if both:
        notes.append(
            f"{both} of these numbers are in more than one official part: suspected, not proven, to be the "
            "same children. "
            + (
                "The official split is kept and each part has groups of its own; --no-split drops it and "
                "keeps the numbers together."
                if settings.official_split
                else "The official split was dropped, and each number is one group."
            )
        )
    return Found(tuple(records), (), tuple(counts), tuple(notes), patients=True)


KERMANY = Layout(
    "Kermany chest X-rays (paediatric pneumonia)",
    "chest_xray/train|val|test/NORMAL|PNEUMONIA/*.jpeg",
    _read,
    "https://data.mendeley.com/datasets/rscbjbr9sj",
    "CC BY 4.0",
    {"NORMAL": 1583, "PNEUMONIA": 4273},
)
