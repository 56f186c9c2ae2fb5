"""TBX11K (2020): chest X-rays with tuberculosis, boxes by kind, as the authors publish it."""

from collections import defaultdict
from dataclasses import replace

from lesioncare.boxes.box import Box
from lesioncare.boxes.formats import read_boxes
from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError

_KINDS = {
    "ActiveTuberculosis": "active",
    "ObsoletePulmonaryTuberculosis": "latent",
    "PulmonaryTuberculosis": "uncertain",
}
_PARTS = {"train": 6600, "val": 1800}

__all__ = ["TBX11K"]


def _read(tree: Tree, settings: Settings) -> Found:
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
        if len(paths) < len(boxset.images):
            gone = len(boxset.images) - len(paths)
            notes.append(f"Partial copy: {gone} of the {part} images are not there and were left out.")
        split = part if settings.official_split else None
        records += [Record(path, _label(image, kinds[image]), None, split) for image, path in paths.items()]
        boxes += [_renamed(box, paths) for box in boxset.boxes if box.image in paths]
    if not records:
        raise DataError(
            f"{tree.root}: no annotations/json/TBX11K_train.json with its imgs/ in it. Unpack TBX11K."
        )
    notes += [
        "Labels are health, sick (another disease), and the kinds of a tuberculosis image's boxes: active, "
        "latent, active+latent, or uncertain.",
        "The authors publish no patients; there is no group column. Test images have no labels.",
    ]
    return Found(tuple(records), tuple(boxes), tuple(counts), tuple(notes))


def _path(tree: Tree, image: str) -> str | None:
    folder, _, name = image.rpartition("/")
    return tree.image(name, folder)


def _renamed(box: Box, paths: dict[str, str]) -> Box:
    return replace(box, image=paths[box.image], label=_KINDS.get(box.label or "", box.label))


def _label(image: str, kinds: set[str]) -> str:
    folder = image.split("/", maxsplit=1)[0]
    if folder in {"health", "sick"}:
        return folder
    return "+".join(sorted(kinds - {"uncertain"})) or "uncertain"


TBX11K = Layout(
    "TBX11K: tuberculosis on chest X-rays",
    "TBX11K/imgs/health|sick|tb/*.png, TBX11K/annotations/json/TBX11K_train.json and TBX11K_val.json",
    _read,
    "https://mmcheng.net/tb/",
    "the authors state none; copies of it state CC BY 4.0",
)
