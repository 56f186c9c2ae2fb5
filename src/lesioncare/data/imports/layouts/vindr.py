"""VinDr-CXR (2021), as PhysioNet or Kaggle has it: findings and boxes by three radiologists per image."""

from collections import defaultdict

import pandas as pd

from lesioncare.boxes.box import Box
from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.lesions import box_of_cells
from lesioncare.data.imports.tree import Tree

_NONE = "No finding"
_CORNERS = ["x_min", "y_min", "x_max", "y_max"]
_AGREE = 2
"""Readers who must name a finding; where fewer read an image, as in the test part (a consensus), all."""
_TABLES = {
    "train": (("annotations_train.csv", "train.csv"), 15000),
    "test": (("annotations_test.csv",), 3000),
}

__all__ = ["VINDR"]


def _read(tree: Tree, settings: Settings) -> Found:
    findings: dict[str, set[str]] = {}
    splits: dict[str, str] = {}
    frames, counts = [], []
    for split, (names, published) in _TABLES.items():
        if split == "test" and tree.find(*names) is None:
            continue
        frame = tree.table(names, ["image_id", "class_name", *_CORNERS])
        found = _agreed(frame)
        findings |= found
        splits |= dict.fromkeys(found, split)
        frames.append(frame)
        counts.append(Count(f"{split} images in the table", len(found), published))
    paths, notes = tree.locate(findings)
    known = {name for found in findings.values() for name in found}
    labels, rule = settings.rule.apply({image: findings[image] for image in paths}, _NONE, known)
    part = splits if settings.official_split and len(frames) > 1 else {}
    records = tuple(Record(paths[image], label, None, part.get(image)) for image, label in labels.items())
    boxes = [box for frame in frames for box in _boxes(frame, paths, findings)]
    notes = [
        f"A finding counts where at least {_AGREE} of the readers of an image name it; their boxes of it are "
        "all in the box file.",
        rule,
        *notes,
        "Which images show one patient is not published: there is no group column.",
    ]
    return Found(records, tuple(boxes), tuple(counts), tuple(notes))


def _agreed(frame: pd.DataFrame) -> dict[str, set[str]]:
    """The findings of each image that enough of its readers name."""
    readers = frame["rad_id"] if "rad_id" in frame.columns else pd.Series("", index=frame.index)
    named: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    everyone: dict[str, set[str]] = defaultdict(set)
    for image, reader, name in zip(frame["image_id"], readers, frame["class_name"], strict=True):
        everyone[image].add(reader)
        named[image][name].add(reader)
    return {
        image: {
            name
            for name, who in named[image].items()
            if name.lower() != _NONE.lower() and len(who) >= min(_AGREE, len(readers))
        }
        for image, readers in everyone.items()
    }


def _boxes(frame: pd.DataFrame, paths: dict[str, str], findings: dict[str, set[str]]) -> list[Box]:
    boxes = []
    for row, cells in frame[frame["x_min"] != ""].iterrows():
        path, label = paths.get(cells["image_id"]), cells["class_name"]
        if path is not None and label in findings[cells["image_id"]]:
            where = f"{frame.attrs['path']}, row {row}"
            boxes.append(box_of_cells(where, path, [cells[name] for name in _CORNERS], label, sized=False))
    return boxes


VINDR = Layout(
    "VinDr-CXR",
    "train/*.dicom, test/*.dicom, annotations/annotations_train.csv and annotations_test.csv (PhysioNet), or "
    "train.csv (Kaggle)",
    _read,
    "https://physionet.org/content/vindr-cxr/",
    "PhysioNet Credentialed Health Data License",
    multi_label=True,
)
