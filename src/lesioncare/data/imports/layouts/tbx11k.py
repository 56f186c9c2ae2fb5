"""TBX11K (2020): chest X-rays with tuberculosis, boxes by kind; as published, or Kaggle's simple copy."""

from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet
from dataclasses import replace

from lesioncare.boxes.box import Box
from lesioncare.boxes.formats import read_boxes
from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.layouts.tbx11k_simplified import CSV, read_rows
from lesioncare.data.imports.lesions import Scale
from lesioncare.data.imports.tree import Tree, partial_copy
from lesioncare.errors import DataError

_KINDS = {
    "ActiveTuberculosis": "active",
    "ObsoletePulmonaryTuberculosis": "latent",
    "PulmonaryTuberculosis": "uncertain",
}
_PARTS = {"train": 6600, "val": 1800}
_NOTES = (
    "Labels are health, sick (another disease), and the kinds of a tuberculosis image's boxes: active, "
    "latent, active+latent, or uncertain.",
    "The authors publish no patients; there is no group column. Test images have no labels.",
)

__all__ = ["TBX11K"]


def _read(tree: Tree, settings: Settings) -> Found:
    published = any(tree.find(f"TBX11K_{part}.json") for part in _PARTS)
    if not published and tree.find(CSV) is not None:
        return _read_simplified(tree, settings)
    return _read_published(tree, settings)


def _read_published(tree: Tree, settings: Settings) -> Found:
    records, boxes, counts, notes = [], [], [], []
    for part, published in _PARTS.items():
        file = tree.find(f"TBX11K_{part}.json")
        if file is None:
            continue
        boxset = read_boxes(file, "coco")
        kinds = defaultdict(set)
        for box in boxset.boxes:
            kinds[box.image].add(_KINDS.get(box.label or "", box.label or ""))
        paths = {image: path for image in boxset.images if (path := _path(tree, image)) is not None}
        counts.append(Count(f"{part} images in the lists", len(boxset.images), published))
        gone = len(boxset.images) - len(paths)
        notes += partial_copy(gone, f"{gone} of the {part} images")
        split = part if settings.official_split else None
        records += [
            Record(path, _label(image.split("/", maxsplit=1)[0], kinds[image]), None, split)
            for image, path in paths.items()
        ]
        boxes += [_renamed(box, paths) for box in boxset.boxes if box.image in paths]
    if not records:
        raise DataError(
            f"{tree.root}: no annotations/json/TBX11K_train.json with its imgs/ in it, nor the simplified "
            f"copy's {CSV} with its images/. Unpack TBX11K."
        )
    return Found(tuple(records), tuple(boxes), tuple(counts), (*notes, *_NOTES))


def _read_simplified(tree: Tree, settings: Settings) -> Found:
    rows = read_rows(tree)
    paths, notes = tree.locate((row.image for row in rows), "images")
    of_image = {row.image: row for row in rows}
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        kinds[row.image] |= {row.kind} if row.kind else set()
    records = [
        Record(path, _label(row.folder, kinds[image]), None, row.part if settings.official_split else None)
        for image, row in of_image.items()
        if (path := paths.get(image)) is not None
    ]
    scale = Scale(tree.root)
    boxes = [
        scale(replace(row.box, image=paths[row.image]), row.size)
        for row in rows
        if row.box is not None and row.image in paths
    ]
    parts = Counter(row.part for row in of_image.values())
    counts = [Count(f"{part} images in {CSV}", parts[part], published) for part, published in _PARTS.items()]
    return Found(tuple(records), tuple(boxes), tuple(counts), (*notes, *_NOTES))


def _path(tree: Tree, image: str) -> str | None:
    folder, _, name = image.rpartition("/")
    return tree.image(name, folder)


def _renamed(box: Box, paths: dict[str, str]) -> Box:
    return replace(box, image=paths[box.image], label=_KINDS.get(box.label or "", box.label))


def _label(folder: str, kinds: AbstractSet[str]) -> str:
    if folder in {"health", "sick"}:
        return folder
    return "+".join(sorted(kinds - {"uncertain"})) or "uncertain"


TBX11K = Layout(
    "TBX11K: tuberculosis on chest X-rays",
    "TBX11K/imgs/health|sick|tb/*.png, TBX11K/annotations/json/TBX11K_train.json and TBX11K_val.json; or "
    "Kaggle's simplified copy: images/*.png, data.csv",
    _read,
    "https://mmcheng.net/tb/",
    "the authors state none; copies of it state CC BY 4.0",
)
