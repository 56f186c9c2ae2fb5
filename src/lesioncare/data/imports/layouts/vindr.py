"""VinDr-CXR (2021), as PhysioNet or Kaggle has it: findings and boxes by three radiologists per image."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.layouts.vindr_boxes import CORNERS, placed_boxes
from lesioncare.data.imports.tree import Tree

_NONE = "No finding"
_AGREE = 2
"""Readers who must say the same; one, where one reading is published for each image (a consensus)."""
_TABLES = {
    "train": (("annotations_train.csv", "train.csv"), 15000),
    "test": (("annotations_test.csv",), 3000),
}

__all__ = ["VINDR"]


@dataclass(frozen=True, slots=True)
class _Readings:
    """What the readers of one table agree on.

    Args:
        frame: the table.
        findings: of each image; empty where there is none, or no agreement.
        unsettled: images with neither a finding nor its absence agreed on.
    """

    frame: pd.DataFrame
    findings: Mapping[str, set[str]]
    unsettled: frozenset[str]


def _read(tree: Tree, settings: Settings) -> Found:
    readings: dict[str, _Readings] = {}
    for split, (names, _) in _TABLES.items():
        if split == "train" or tree.find(*names) is not None:
            readings[split] = _agreed(tree.table(names, ["image_id", "class_name", *CORNERS]))
    findings = {image: found for one in readings.values() for image, found in one.findings.items()}
    paths, notes = tree.locate(findings)
    # Whether two readers name one certain finding is known of every image; the others are "other".
    unsettled: set[str] = set()
    if settings.rule.finding is None:
        unsettled = {image for one in readings.values() for image in one.unsettled}
    settled = {image: findings[image] for image in paths if image not in unsettled}
    known = {name for found in findings.values() for name in found}
    labels, rule = settings.rule.apply(settled, _NONE, known)
    splits = {image: split for split, one in readings.items() for image in one.findings}
    part = splits if settings.official_split and len(readings) > 1 else {}
    records = tuple(Record(paths[image], label, None, part.get(image)) for image, label in labels.items())
    boxes, told = placed_boxes(
        tree, [one.frame for one in readings.values()], paths, {i: findings[i] for i in labels}
    )
    left = len(paths) - len(settled)
    notes = [
        f"A finding counts where at least {_AGREE} readers of an image name it, and {_NONE!r} where as many "
        "say so: one of three is outvoted either way. A finding's boxes are those of all who name it.",
        *([f"{left} images on which no two readers say the same were left out."] if left else []),
        rule,
        *notes,
        *told,
        "Which images show one patient is not published: there is no group column.",
    ]
    counts = tuple(
        Count(f"{split} images in the table", len(one.findings), _TABLES[split][1])
        for split, one in readings.items()
    )
    return Found(records, boxes, counts, tuple(notes))


def _agreed(frame: pd.DataFrame) -> _Readings:
    """What enough of the readers of each image say."""
    readers = frame["rad_id"] if "rad_id" in frame.columns else pd.Series("", index=frame.index)
    named: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for image, reader, name in zip(frame["image_id"], readers, frame["class_name"], strict=True):
        named[image][_NONE if name.lower() == _NONE.lower() else name].add(reader)
    most = max(
        (len({reader for who in said.values() for reader in who}) for said in named.values()), default=1
    )
    agreed = {
        image: {name for name, who in said.items() if len(who) >= min(_AGREE, most)}
        for image, said in named.items()
    }
    unsettled = frozenset(image for image, names in agreed.items() if not names)
    return _Readings(frame, {image: names - {_NONE} for image, names in agreed.items()}, unsettled)


VINDR = Layout(
    "VinDr-CXR",
    "train/*.dicom, test/*.dicom, annotations/annotations_train.csv and annotations_test.csv (PhysioNet), or "
    "train.csv (Kaggle), also with resized images and train_meta.csv",
    _read,
    "https://physionet.org/content/vindr-cxr/",
    "PhysioNet Credentialed Health Data License",
    multi_label=True,
)
