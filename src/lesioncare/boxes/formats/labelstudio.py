"""Label Studio json: a list of tasks, each an image with annotations (people) and predictions (programs).

A box is a result of type `rectanglelabels` with left, top, width and height in per cent of the image. Boxes
of the source "manual" are annotations; those of any other source are predictions, with it as `model_version`.
Other kinds of regions are not boxes and are left out; boxes of several people are all there. A task that
nobody annotated says nothing about its image and is left out, too.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

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

LOCAL_FILES = "/data/local-files/?d="
DECIMALS = 6
"""Corners are rounded to a millionth of a pixel, so that per cents give whole pixels back."""
MANUAL = "manual"

__all__ = ["DECIMALS", "read_label_studio", "write_label_studio"]


def read_label_studio(path: Path, reading: Reading) -> BoxSet:
    """Read tasks as exported with "JSON"; the image id is the path in local storage, or the file's name.

    Raises:
        DataError: the file is no list of tasks, or an entry is wrong; the message names it.
    """
    tasks = to_objects(load_json(path), f"{path}")
    check_count(len(tasks), path, "tasks")
    boxes: list[Box] = []
    images: dict[str, Size | None] = {}
    for number, task in enumerate(tasks):
        where = f"{path}: [{number}]"
        results = list(_results(task, where))
        if not results:
            continue
        image, size = _image(task, where)
        if image in images:
            raise DataError(f"{where}: the image {image!r} has another task, too. Merge them.")
        size = size or _size_of_results(results)
        if size is None and reading.images is not None:
            size = reading.images.size(image)
        images[image] = size
        for source, score, regions, at in results:
            boxes += _boxes(regions, at, image, size, (source, score))
        check_count(len(boxes), path, "boxes")
    return BoxSet.of(boxes, images)


def write_label_studio(boxset: BoxSet, path: Path) -> None:
    """Write tasks for import; images are addressed in Label Studio's local storage by their id."""
    tasks = [
        {"id": number, **_task(image, boxset.images[image], boxes)}
        for number, (image, boxes) in enumerate(boxset.by_image().items(), start=1)
    ]
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")


Results = tuple[str, float, list[dict[str, Any]], str]


def _results(task: dict[str, Any], where: str) -> Iterator[Results]:
    """Source, fallback score, regions and place of each annotation and prediction."""
    for kind in ("annotations", "predictions"):
        for number, entry in enumerate(to_objects(task.get(kind) or [], f"{where}.{kind}")):
            at = f"{where}.{kind}[{number}]"
            source, score = MANUAL, 1.0
            if kind == "predictions":
                source = to_text(entry.get("model_version") or "label-studio", f"{at}.model_version")
                given = entry.get("score")
                score = 1.0 if given is None else to_number(given, f"{at}.score")
            if not entry.get("was_cancelled"):
                yield source, score, to_objects(entry.get("result"), f"{at}.result"), f"{at}.result"


def _image(task: dict[str, Any], where: str) -> tuple[str, Size | None]:
    data = to_object(task.get("data"), f"{where}.data")
    texts = [value for value in data.values() if isinstance(value, str)]
    address = data.get("image", texts[0] if len(texts) == 1 else None)
    image = _image_id(to_text(address, f"{where}.data.image"), where)
    if not all(isinstance(data.get(side), int) for side in ("width", "height")):
        return image, None  # whole numbers are ours; another's `data` may mean other things
    width, height = (to_number(data[side], f"{where}.data.{side}") for side in ("width", "height"))
    return image, to_size(width, height, f"{where}.data")


def _image_id(address: str, where: str) -> str:
    """Path in local storage, or the file name of an address; without the prefix that an upload gets."""
    try:
        parts = urlsplit(address)
        if parts.path.startswith("/data/local-files"):
            return parse_qs(parts.query)["d"][0]
    except (ValueError, LookupError) as error:
        raise DataError(f"{where}.data.image: not the address of an image ({address[:80]!r}).") from error
    if parts.path.startswith("/data/upload/"):
        return re.sub(r"^[0-9a-f]{8}-", "", unquote(parts.path.rsplit("/", 1)[-1]))
    return unquote(parts.path.rsplit("/", 1)[-1]) if parts.scheme and parts.netloc else address


def _size_of_results(results: list[Results]) -> Size | None:
    for _, _, regions, where in results:
        for number, region in enumerate(regions):
            at = f"{where}[{number}]"
            keys = ("original_width", "original_height")
            width, height = (to_number(region.get(key) or 0, f"{at}.{key}") for key in keys)
            size = to_size(width, height, at)
            if size is not None:
                return size
    return None


def _boxes(
    regions: list[dict[str, Any]], where: str, image: str, size: Size | None, made: tuple[str, float]
) -> Iterator[Box]:
    source, fallback = made
    for number, region in enumerate(regions):
        at = f"{where}[{number}]"
        if region.get("type") not in ("rectanglelabels", "rectangle"):  # of a list or object, too
            continue
        if size is None:
            raise DataError(f"{at}: no original_width and original_height. Name the folder of the images.")
        if region.get("image_rotation"):
            raise DataError(f"{at}: the image was turned while it was labelled. Turn the image file instead.")
        value = to_object(region.get("value"), f"{at}.value")
        score = region.get("score")
        yield make_box(
            at,
            image,
            _corners(value, size, f"{at}.value"),
            label=_label(value, f"{at}.value"),
            source=source,
            score=fallback if score is None else to_number(score, f"{at}.score"),
        )


def _corners(value: dict[str, Any], size: Size, where: str) -> tuple[float, float, float, float]:
    """Corners in pixels; a rectangle turned about its own left top corner gives the box around it."""
    numbers = [to_number(value.get(key), f"{where}.{key}") for key in ("x", "y", "width", "height")]
    left, top, width, height = (number * side / 100 for number, side in zip(numbers, size * 2, strict=True))
    angle = math.radians(to_number(value.get("rotation") or 0, f"{where}.rotation"))
    cos, sin = (math.cos(angle), math.sin(angle)) if angle else (1.0, 0.0)
    xs = [left + across * cos - down * sin for across in (0, width) for down in (0, height)]
    ys = [top + across * sin + down * cos for across in (0, width) for down in (0, height)]
    x1, y1, x2, y2 = (round(edge, DECIMALS) for edge in (min(xs), min(ys), max(xs), max(ys)))
    return x1, y1, x2, y2


def _label(value: dict[str, Any], where: str) -> str | None:
    labels = value.get("rectanglelabels") or []
    if not isinstance(labels, list) or len(labels) > 1:
        raise DataError(f"{where}.rectanglelabels: expected one class. Split a box of several classes.")
    return to_text(labels[0], f"{where}.rectanglelabels") if labels else None


def _task(image: str, size: Size | None, boxes: list[Box]) -> dict[str, object]:
    data: dict[str, object] = {"image": LOCAL_FILES + quote(image)}
    if size is not None:
        data |= {"width": size[0], "height": size[1]}
    by_source: dict[str, list[Box]] = {}
    for box in boxes:
        by_source.setdefault(box.source, []).append(box)
    manual = by_source.pop(MANUAL, [])
    predictions = [
        {
            "model_version": source,
            "score": sum(box.score for box in made) / len(made),
            "result": [_region(box, size, f"p{number}-{n}") for n, box in enumerate(made)],
        }
        for number, (source, made) in enumerate(by_source.items())
    ]
    annotations = [{"result": [_region(box, size, f"a{n}") for n, box in enumerate(manual)]}]
    return {
        "data": data,
        "annotations": annotations if manual or not predictions else [],
        "predictions": predictions,
    }


def _region(box: Box, size: Size | None, name: str) -> dict[str, object]:
    if size is None:
        raise DataError(f"image {box.image!r}: its size is unknown. Name the folder of the images.")
    width, height = size
    value: dict[str, object] = {
        "x": float(100 * box.x1 / width),
        "y": float(100 * box.y1 / height),
        "width": float(100 * (box.x2 - box.x1) / width),
        "height": float(100 * (box.y2 - box.y1) / height),
        "rotation": 0,
        "rectanglelabels": [] if box.label is None else [box.label],
    }
    return {
        "id": name,
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": float(box.score),
        "value": value,
    }
