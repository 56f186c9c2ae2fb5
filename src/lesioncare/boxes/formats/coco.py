"""COCO json: one file with `images`, `annotations` and `categories`.

A box is `bbox` = [left, top, width, height] in pixels. Keys of ours that COCO leaves free: `score` (as in
COCO's results), `lesioncare_source`, and `lesioncare_xyxy` where left + width, in floating point, misses the
right edge. A box without a class has category 0 with the empty name.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet, Size
from lesioncare.boxes.formats.bounds import (
    check_count,
    load_json,
    make_box,
    to_number,
    to_object,
    to_objects,
    to_size,
    to_text,
)
from lesioncare.boxes.formats.format import Reading
from lesioncare.errors import DataError

NO_CLASS = 0
T = TypeVar("T")
Corners = tuple[float, float, float, float]

__all__ = ["read_coco", "write_coco"]


def read_coco(path: Path, _: Reading) -> BoxSet:
    """Read a COCO json; the image id is its `file_name`.

    Raises:
        DataError: the file is no COCO json, or an entry is wrong; the message names it.
    """
    top = to_object(load_json(path), f"{path}")
    lists = {}
    for key in ("images", "annotations", "categories"):
        if key not in top:
            raise DataError(f"{path}: no {key!r}; a COCO json has images, annotations and categories.")
        lists[key] = to_objects(top[key], f"{path}: {key}")
        check_count(len(lists[key]), path, key)
    images, sizes = _images(lists["images"], f"{path}: images")
    names, classes = _categories(lists["categories"], f"{path}: categories")
    boxes = [
        _box(entry, images, names, f"{path}: annotations[{number}]")
        for number, entry in enumerate(lists["annotations"])
    ]
    return BoxSet(tuple(boxes), sizes, tuple(classes))


def write_coco(boxset: BoxSet, path: Path) -> None:
    """Write a COCO json with ids counted from 1."""
    image_ids = {image: number for number, image in enumerate(boxset.images, start=1)}
    class_ids: dict[str | None, int] = {name: number for number, name in enumerate(boxset.classes, start=1)}
    if any(box.label is None for box in boxset.boxes):
        class_ids[None] = NO_CLASS
    document = {
        "info": {"description": "Boxes written by lesioncare"},
        "images": [
            {"id": image_ids[image], "file_name": image, **_size_keys(size)}
            for image, size in boxset.images.items()
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image_ids[box.image],
                "category_id": class_ids[box.label],
                **_keys(box),
            }
            for number, box in enumerate(boxset.boxes, start=1)
        ],
        "categories": [
            {"id": number, "name": name or "", "supercategory": ""} for name, number in class_ids.items()
        ],
    }
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")


def _images(entries: list[dict[str, Any]], where: str) -> tuple[dict[Any, str], dict[str, Size | None]]:
    names: dict[Any, str] = {}
    sizes: dict[str, Size | None] = {}
    for number, entry in enumerate(entries):
        at = f"{where}[{number}]"
        name = to_text(entry.get("file_name"), f"{at}: file_name")
        key = _id(entry.get("id"), f"{at}: id")
        if key in names or name in sizes:
            raise DataError(f"{at}: the image {name!r} with id {key!r} is there before. Give it once.")
        width, height = (to_number(entry.get(side) or 0, f"{at}: {side}") for side in ("width", "height"))
        names[key], sizes[name] = name, to_size(width, height, at)
    return names, sizes


def _categories(entries: list[dict[str, Any]], where: str) -> tuple[dict[Any, str | None], list[str]]:
    names: dict[Any, str | None] = {}
    for number, entry in enumerate(entries):
        at = f"{where}[{number}]"
        key = _id(entry.get("id"), f"{at}: id")
        if key in names:
            raise DataError(f"{at}: the category id {key!r} is there before. Give each category its own.")
        names[key] = to_text(entry.get("name"), f"{at}: name") or None
    return names, [name for name in names.values() if name is not None]


def _box(
    entry: dict[str, Any], images: Mapping[Any, str], names: Mapping[Any, str | None], where: str
) -> Box:
    image = _look_up(images, entry.get("image_id"), f"{where}: image_id")
    label = _look_up(names, entry.get("category_id"), f"{where}: category_id")
    corners = _corners(entry, where)
    source = to_text(entry.get("lesioncare_source", "manual"), f"{where}: lesioncare_source")
    score = to_number(entry.get("score", 1.0), f"{where}: score")
    return make_box(where, image, corners, label=label, source=source, score=score)


def _corners(entry: dict[str, Any], where: str) -> Corners:
    """Corners from `bbox`; to the last bit from `lesioncare_xyxy`, unless `bbox` was edited since."""
    left, top, width, height = _four(entry.get("bbox"), f"{where}: bbox")
    corners = (left, top, left + width, top + height)
    if "lesioncare_xyxy" in entry:
        exact = _four(entry["lesioncare_xyxy"], f"{where}: lesioncare_xyxy")
        if all(abs(a - b) <= 1e-6 for a, b in zip(exact, corners, strict=True)):
            return exact
    return corners


def _four(value: Any, where: str) -> Corners:
    if not isinstance(value, list) or len(value) != 4:
        raise DataError(f"{where}: expected four numbers. Give left, top, width and height in pixels.")
    a, b, c, d = (to_number(item, where) for item in value)
    return a, b, c, d


def _id(value: Any, where: str) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"{where}: expected a whole number. Give every image and category an id.")
    return value


def _look_up(table: Mapping[Any, T], key: Any, where: str) -> T:
    if _id(key, where) not in table:
        raise DataError(f"{where}: there is no entry with the id {key!r:.40}. Add it, or correct the number.")
    return table[key]


def _size_keys(size: Size | None) -> dict[str, int]:
    return {} if size is None else {"width": size[0], "height": size[1]}


def _keys(box: Box) -> dict[str, object]:
    x1, y1, x2, y2 = map(float, box.xyxy)
    width, height = x2 - x1, y2 - y1
    keys: dict[str, object] = {"bbox": [x1, y1, width, height], "area": width * height, "iscrowd": 0}
    if (x1 + width, y1 + height) != (x2, y2):
        keys["lesioncare_xyxy"] = [x1, y1, x2, y2]
    return {**keys, "score": float(box.score), "lesioncare_source": box.source}
