"""Pascal VOC xml: one file per image, a box in `object/bndbox` with its corners in pixels.

Corners are taken as they are, as today's labelling tools write them; the first VOC files counted pixels
from 1. Score and source stand in `score` (or `confidence`) and `source` of the `object`, which other programs
skip.
"""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet, Size
from lesioncare.boxes.formats.atomic import inside
from lesioncare.boxes.formats.bounds import check_count, make_box, parse_number, read_bytes, to_size
from lesioncare.boxes.formats.folder import files_below, stem_of
from lesioncare.boxes.formats.format import Reading
from lesioncare.errors import DataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element
else:
    Element = Any

MAX_XML_BYTES = 8 * 2**20
"""Largest VOC file, one image's, in bytes: some 20,000 boxes."""

__all__ = ["read_voc", "write_voc"]


def read_voc(path: Path, _: Reading) -> BoxSet:
    """Read one VOC file, or all below a folder; the image id is `filename`, or else the file's own name.

    An empty folder has no images; one with files but without any xml is an error.

    Raises:
        DataError: a file is no VOC xml, uses a document type (the way to entity bombs), or an object is
            wrong; the message names file and object.
    """
    files = [path / name for name in files_below(path, {".xml"})] if path.is_dir() else [path]
    if not files and any(path.iterdir()):
        raise DataError(f"{path}: no .xml file in this folder. Name the folder of the VOC annotations.")
    check_count(len(files), path, "files")
    boxes: list[Box] = []
    images: dict[str, Size | None] = {}
    for file in files:
        image, size, found = _read_one(file)
        if image in images:
            raise DataError(f"{file}: the image {image!r} has another file, too. Merge or rename them.")
        images[image] = size
        boxes += found
        check_count(len(boxes), path, "boxes")
    return BoxSet.of(boxes, images)


def write_voc(boxset: BoxSet, path: Path) -> None:
    """Write into the folder `path` one file per image, or to the file `path` the only image.

    Raises:
        DataError: `path` is a file and there is not exactly one image, or an id cannot be a file name.
    """
    grouped = boxset.by_image()
    texts = {image: _document(image, boxset.images[image], boxes) for image, boxes in grouped.items()}
    if not path.is_dir():
        if len(texts) != 1:
            raise DataError(f"{len(texts)} images do not fit one VOC file. Name a folder instead.")
        path.write_text("".join(texts.values()), encoding="utf-8")
        return
    for image, text in texts.items():
        file = inside(path, f"{stem_of(image)}.xml")
        if file.exists():  # a.jpg beside a.png
            file = inside(path, f"{image}.xml")
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)


def _read_one(file: Path) -> tuple[str, Size | None, list[Box]]:
    root = _parse(file)
    if root.tag != "annotation":
        raise DataError(f"{file}: the root is <{root.tag:.40}>, not <annotation>. Is it a VOC file?")
    image = _text(root, "filename") or file.stem
    width, height = (
        parse_number(_text(root, f"size/{side}") or "0", f"{file}: size/{side}")
        for side in ("width", "height")
    )
    objects = enumerate(root.findall("object"), start=1)
    boxes = [_box(item, image, f"{file}: object {number}") for number, item in objects]
    return image, to_size(width, height, f"{file}: size"), boxes


def _parse(file: Path) -> Element:
    data = read_bytes(file, MAX_XML_BYTES)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise DataError(f"{file}: declares a document type or entities; remove them ({error}).") from error
    except (ParseError, ValueError, LookupError) as error:
        raise DataError(f"{file}: not valid XML ({error}). Export it again.") from error
    return root


def _box(item: Element, image: str, where: str) -> Box:
    frame = item.find("bndbox")
    if frame is None:
        raise DataError(f"{where}: no <bndbox>. Give its xmin, ymin, xmax and ymax.")
    x1, y1, x2, y2 = (
        parse_number(_text(frame, side), f"{where}: {side}") for side in ("xmin", "ymin", "xmax", "ymax")
    )
    score = _text(item, "score") or _text(item, "confidence") or "1"
    return make_box(
        where,
        image,
        (x1, y1, x2, y2),
        label=_text(item, "name") or None,
        source=_text(item, "source") or "manual",
        score=parse_number(score, f"{where}: score"),
    )


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _document(image: str, size: Size | None, boxes: list[Box]) -> str:
    lines = ["<annotation>", f"  <filename>{escape(image, quote=False)}</filename>"]
    if size is not None:
        sides = f"<width>{size[0]}</width><height>{size[1]}</height><depth>3</depth>"
        lines.append(f"  <size>{sides}</size>")
    lines += [line for box in boxes for line in _object(box)]
    return "\n".join([*lines, "</annotation>", ""])


def _object(box: Box) -> list[str]:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box.xyxy, strict=True)
    return [
        "  <object>",
        f"    <name>{escape(box.label or '', quote=False)}</name>",
        "    <pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>",
        f"    <bndbox>{''.join(f'<{tag}>{_number(value)}</{tag}>' for tag, value in sides)}</bndbox>",
        f"    <score>{_number(box.score)}</score>",
        f"    <source>{escape(box.source, quote=False)}</source>",
        "  </object>",
    ]


def _number(value: float) -> str:
    """Whole numbers without ".0", which many readers of VOC files cannot parse."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
