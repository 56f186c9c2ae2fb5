"""YOLO txt: a folder with one text file per image and the names of the classes.

A line is `class centre-x centre-y width height`, the last four as fractions of the image's size, perhaps
followed by a confidence. The size itself is only in the image, so reading needs the images. Text files stand
in `labels/`, images in `images/` (Ultralytics), or all in one folder (labelImg). An empty text file says that
the image has no box; an image without a text file is not part of the set.
"""

from pathlib import Path
from typing import TypeAlias

import yaml

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet, Size
from lesioncare.boxes.formats.atomic import inside
from lesioncare.boxes.formats.bounds import check_count, make_box, parse_number, read_text
from lesioncare.boxes.formats.folder import ImageFolder, files_below, stem_of
from lesioncare.boxes.formats.format import Reading
from lesioncare.errors import DataError

CLASS_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
UNLABELLED = "unlabelled"
"""Class that a box without one is written with, since YOLO numbers every box's class."""
DECIMALS = 6
"""Corners are rounded to a millionth of a pixel, so that fractions give whole pixels back."""
MAX_FRACTION = 2.0
MAX_TXT_BYTES = 16 * 2**20
MAX_YAML_BYTES = 2**18
Node: TypeAlias = yaml.Node | None

__all__ = ["CLASS_FILES", "DECIMALS", "UNLABELLED", "read_yolo", "write_yolo"]


def read_yolo(path: Path, reading: Reading) -> BoxSet:
    """Read a YOLO folder, or the one of a data.yaml; the image id is its path in the folder of images.

    Raises:
        DataError: classes, an image or a number is missing or wrong; the message names file and line.
    """
    folder = path if path.is_dir() else path.parent
    classes = _classes(folder)
    labels = folder / "labels" if (folder / "labels").is_dir() else folder
    images = reading.images or _images_beside(folder)
    names = [name for name in files_below(labels, {".txt"}) if name not in CLASS_FILES]
    check_count(len(names), path, "files")
    boxes: list[Box] = []
    sizes: dict[str, Size | None] = {}
    for name in names:
        file = labels / name
        lines = [line.split() for line in read_text(file, MAX_TXT_BYTES).splitlines()]
        image, size = _image(file, name[: -len(".txt")], images)
        if image in sizes:
            raise DataError(f"{file}: the image {image} has another text file, too. Remove one.")
        sizes[image] = size
        for number, line in enumerate(lines, start=1):
            if line:
                boxes.append(_box(f"{file}, line {number}", line, image, size, classes))
        check_count(len(boxes), path, "boxes")
    return BoxSet(tuple(boxes), sizes, tuple(classes))


def write_yolo(boxset: BoxSet, path: Path) -> None:
    """Write data.yaml, classes.txt and labels/ into the folder `path`; `images/` is to hold the images.

    Raises:
        DataError: two images would share a text file, or a box is off its image.
    """
    classes = list(boxset.classes)
    if any(box.label is None for box in boxset.boxes) and UNLABELLED not in classes:
        classes.append(UNLABELLED)
    (path / "classes.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
    document = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(classes))}
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    (path / "data.yaml").write_text(text, encoding="utf-8")
    (path / "labels").mkdir()
    numbers = {name: number for number, name in enumerate(classes)}
    for image, boxes in boxset.by_image().items():
        file = inside(path / "labels", f"{stem_of(image)}.txt")
        lines = [_line(box, boxset.images[image], numbers[box.label or UNLABELLED]) for box in boxes]
        if file.exists():
            raise DataError(f"image {image!r}: another has the same name but for its suffix. Rename one.")
        file.write_text("".join(lines), encoding="utf-8")


def _classes(folder: Path) -> list[str]:
    """Names of the classes, from the first class file here or in the folder above."""
    for file in (parent / name for parent in (folder, folder.parent) for name in CLASS_FILES):
        if file.is_file():
            text = read_text(file, MAX_YAML_BYTES)
            if file.suffix in {".yaml", ".yml"}:
                return _yaml_names(text, file)
            return [line.strip() for line in text.splitlines() if line.strip()]
    raise DataError(f"{folder}: no names of classes. Put classes.txt there, with one class per line.")


def _yaml_names(text: str, file: Path) -> list[str]:
    """`names` of a data.yaml, a list or a mapping from numbers; nodes are read, no object is built."""
    try:
        root: Node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{file}: not valid YAML ({str(error)[:200]}).") from error
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    names: Node = next((value for key, value in pairs if key.value == "names"), None)
    if isinstance(names, yaml.SequenceNode):
        return [_scalar(node, file) for node in names.value]
    if isinstance(names, yaml.MappingNode):
        numbered = {_scalar(key, file): _scalar(value, file) for key, value in names.value}
        found = [numbered.get(str(number)) for number in range(len(numbered))]
        if None not in found:
            return [name for name in found if name is not None]
    raise DataError(f"{file}: 'names' must list the classes, or number them from 0 without a gap.")


def _scalar(node: yaml.Node, file: Path) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise DataError(f"{file}: a class in 'names' is not a plain name.")
    return str(node.value)


def _images_beside(folder: Path) -> ImageFolder:
    return ImageFolder(folder / "images" if (folder / "images").is_dir() else folder)


def _image(file: Path, stem: str, images: ImageFolder) -> tuple[str, Size]:
    found = images.find(stem)
    size = None if found is None else images.size(found)
    if found is None or size is None:
        raise DataError(
            f"{file}: no image {stem!r} in {images.root}. YOLO's fractions need the image's size. "
            "Name the folder of the images with --images (image_root)."
        )
    return found, size


def _box(where: str, fields: list[str], image: str, size: Size, classes: list[str]) -> Box:
    if len(fields) not in {5, 6}:
        raise DataError(
            f"{where}: {len(fields)} fields; a box has class, centre x, centre y, width, height and perhaps "
            "a confidence. Polygons must be made boxes first."
        )
    number, *rest = fields
    if not (number.isascii() and number.isdigit() and len(number) < 10 and int(number) < len(classes)):
        raise DataError(f"{where}: the class {number[:20]!r} is none of 0 to {len(classes) - 1}.")
    x, y, width, height, *scores = (parse_number(text, where) for text in rest)
    if max(map(abs, (x, y, width, height))) > MAX_FRACTION:
        raise DataError(f"{where}: {' '.join(rest)[:80]} are not fractions of the image. Divide by its size.")
    edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    x1, y1, x2, y2 = (round(edge * side, DECIMALS) for edge, side in zip(edges, size * 2, strict=True))
    score = scores[0] if scores else 1.0
    return make_box(where, image, (x1, y1, x2, y2), label=classes[int(number)], score=score)


def _line(box: Box, size: Size | None, number: int) -> str:
    if size is None:
        raise DataError(f"image {box.image!r}: its size is unknown. Name the folder of the images.")
    width, height = size
    x, y = (box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height
    fractions = [float(value) for value in (x, y, (box.x2 - box.x1) / width, (box.y2 - box.y1) / height)]
    if max(map(abs, fractions)) > MAX_FRACTION:
        raise DataError(f"box of {box.image!r}: {box.xyxy} is far off its image ({width} x {height}).")
    return f"{number} {' '.join(map(repr, fractions))}\n"
