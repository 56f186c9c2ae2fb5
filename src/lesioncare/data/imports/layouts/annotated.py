"""Sets in the forms of COCO and YOLO: the images' labels are the classes of their boxes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.formats import read_boxes
from lesioncare.boxes.formats.folder import files_below
from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.layouts.folder import SPLITS
from lesioncare.data.imports.tree import Tree, partial_copy
from lesioncare.errors import DataError
from lesioncare.words import noun, several

NONE = "no finding"

__all__ = ["COCO", "YOLO"]


def _read_coco(tree: Tree, settings: Settings) -> Found:
    parts = []
    for name in files_below(tree.root, {".json"}):
        path = tree.root / name
        try:
            boxset = read_boxes(path, "coco")
        except DataError as error:
            if "a COCO json has" not in str(error) and "expected an object" not in str(error):
                raise  # a COCO file with a fault; another json is not of the set
            continue
        parts.append((_split_in(name), path, boxset))
    if not parts:
        raise DataError(f"{tree.root}: no COCO json with images, annotations and categories in it.")
    return _found(tree, settings, parts)


def _read_yolo(tree: Tree, settings: Settings) -> Found:
    parts: list[tuple[str | None, Path, BoxSet]] = []
    for folder in _yolo_folders(tree.root):
        images = folder / "images" if (folder / "images").is_dir() else folder
        boxset = read_boxes(folder, "yolo", image_root=images)
        below = images.relative_to(tree.root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        parts.append((None, folder, _renamed(boxset, {image: prefix + image for image in boxset.images})))
    bare = set(tree.images) - {image for _, _, boxset in parts for image in boxset.images}
    without = noun(len(bare), "has no text file and was", "have no text file and were")
    told = (
        f"{several(len(bare), 'image')} {without} left out. To YOLO that is no finding: if yours have none, "
        "give each an empty text file."
    )
    return _found(tree, settings, parts, [told] if bare else [])


def _yolo_folders(root: Path) -> Iterator[Path]:
    """The root, or its folders train, valid and test where each has labels of its own."""
    inner = [root / name for name in SPLITS if (root / name / "labels").is_dir()]
    yield from inner or [root]


def _split_in(name: str) -> str | None:
    """The part that a path names, as in annotations/instances_train2017.json or valid/_annotations.json."""
    words = name.lower().replace("_", "/").replace(".", "/").replace("-", "/").split("/")
    return next(
        (SPLITS[word.rstrip("0123456789")] for word in words if word.rstrip("0123456789") in SPLITS), None
    )


def _renamed(boxset: BoxSet, names: Mapping[str, str]) -> BoxSet:
    """The same on the images that `names` has, by these names."""
    boxes = [replace(box, image=names[box.image]) for box in boxset.boxes if box.image in names]
    images = {names[image]: size for image, size in boxset.images.items() if image in names}
    return BoxSet.of(boxes, images, boxset.classes)


def _found(
    tree: Tree,
    settings: Settings,
    parts: list[tuple[str | None, Path, BoxSet]],
    told: Sequence[str] = (),
) -> Found:
    findings: dict[str, set[str]] = defaultdict(set)
    boxes: list[Box] = []
    splits: dict[str, str | None] = {}
    files: dict[str, Path] = {}
    missing = 0
    for split, file, boxset in parts:
        paths = {image: _path(tree, image, file) for image in boxset.images}
        there = {image: path for image, path in paths.items() if path is not None}
        missing += len(paths) - len(there)
        named = _renamed(boxset, there)
        _refuse_overlap(files, named.images, file)
        boxes += named.boxes
        for image in named.images:
            findings[image] |= set()
            splits[image] = split or _split_in(image.rpartition("/")[0])
        for box in named.boxes:
            findings[box.image].add(box.label or "unlabelled")
    if not findings:
        raise DataError(f"{tree.root}: none of the {missing} images of the annotations is there.")
    known = {name for _, _, boxset in parts for name in boxset.classes}
    labels, rule = settings.rule.apply(findings, NONE, known)
    kept = settings.official_split and None not in splits.values()
    records = tuple(
        Record(image, label, None, splits[image] if kept else None) for image, label in labels.items()
    )
    notes = [rule, *told, *partial_copy(missing, several(missing, "image"))]
    notes.append("Nothing tells which images show the same patient or lesion: there is no group column.")
    counts = (Count("images with annotations", len(findings)), Count("boxes", len(boxes)))
    return Found(records, tuple(boxes), counts, tuple(notes))


def _refuse_overlap(files: dict[str, Path], images: Iterable[str], file: Path) -> None:
    """Note which file an image is of; in two files, as in all.json and train.json, each box would be doubled.

    Raises:
        DataError: an image is of two files.
    """
    for image in images:
        if files.setdefault(image, file) != file:
            raise DataError(
                f"{file}: the image {image} is in {files[image]}, too. Keep one of the two files there."
            )


def _path(tree: Tree, image: str, annotations: Path) -> str | None:
    """The image's path: as it is written; else of those of its name the one that the annotations fit best."""
    if (tree.root / image).is_file():
        return image
    told, _, name = image.rpartition("/")

    def fit(path: str) -> tuple[bool, bool, bool]:
        folder = path.rpartition("/")[0]
        beside = (tree.root / folder).is_relative_to(annotations.parent)
        return told in folder, folder.rpartition("/")[2] in annotations.stem, beside

    return max(tree.all_of(name), key=fit, default=None)


COCO = Layout(
    "a set with COCO annotations",
    "a .json with images, annotations and categories (one per part, or one), and the images anywhere below",
    _read_coco,
    multi_label=True,
)
YOLO = Layout(
    "a set in YOLO's form",
    "images/, labels/ and data.yaml or classes.txt; or train|valid|test/images and labels",
    _read_yolo,
    multi_label=True,
)
