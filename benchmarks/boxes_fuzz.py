"""Feed mutated files to every reader of boxes: whatever the bytes, only `LesionCareError` may come out.

    python benchmarks/boxes_fuzz.py --count 100000 --output benchmarks/boxes_fuzz.csv

Each input is a valid file with one to eight random edits: bits flipped, blocks cut, repeated or swapped,
numbers replaced by odd ones, JSON values replaced by others, PNG checksums made right again. Input number i
of a reader is the same in every run: `--start` goes on where a run ended, and adds its counts to those of the
output file.
"""

import argparse
import csv
import json
import random
import re
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.formats import read_boxes, write_boxes
from lesioncare.errors import LesionCareError

NUMBERS = [
    b"0",
    b"-1",
    b"1e999",
    b"-0.0",
    b"nan",
    b"inf",
    b"1e-320",
    b"9" * 400,
    b"1_0",
    b"0x1F",
    b"2147483648",
]
TOKENS = [
    *NUMBERS,
    *(
        b"[" * 3000,
        b'{"a":' * 3000,
        b"<a>" * 3000,
        b"null",
        b"true",
        b'""',
        b"\xff\xfe",
        b"\0",
        b"\xed\xa0\x80",
    ),
    *(
        b'"',
        b",",
        b"\r",
        b"\n\n",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"&b;",
        b"]]>",
        b"<![CDATA[",
        b"*a",
        b"&a ",
    ),
    *(
        b"<<: [*a, *a]",
        b"\\ud800",
        b"\xe2\x80\xa8",
        b"../../x",
        b"/data/local-files/?d=",
        b"http://[",
        b"names:",
    ),
]
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1e308,
    10**300,
    "",
    "x" * 2000,
    "\ud800",
    [],
    [[]],
    {},
    {"id": 1},
    "1",
    2**63,
]


@dataclass
class Row:
    """What one reader did with its inputs."""

    reader: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    foreign: int = 0
    seconds: float = 0.0
    slowest_ms: float = 0.0
    first_foreign: str = ""


@dataclass(frozen=True)
class Target:
    """A reader, the path that it is given, and the file that is mutated."""

    name: str
    format: str
    path: Path
    file: Path
    options: dict[str, Any]


def sample() -> BoxSet:
    boxes = (
        Box("a.png", 1.5, 2, 20, 18.25, label="nv", score=0.5, source="mbd"),
        Box("a.png", 0, 0, 5, 5, label="Melanom ä"),
        Box("b.png", 3.125, 4, 30, 20),
    )
    return BoxSet(boxes, {"a.png": (40, 30), "b.png": (40, 30), "c.png": (40, 30)}, ("nv", "Melanom ä"))


def targets(folder: Path) -> list[Target]:
    """Write a valid file for each reader."""
    images = folder / "images"
    images.mkdir()
    for image in sample().images:
        Image.new("RGB", (40, 30)).save(images / image)
    found = []
    for name, file in {
        "coco": "a.json",
        "labelstudio": "b.json",
        "csv": "a.csv",
        "parquet": "a.parquet",
    }.items():
        write_boxes(sample(), folder / file, name)
        found.append(Target(name, name, folder / file, folder / file, {}))
    rsna = folder / "rsna.csv"
    write_boxes(sample(), rsna, "rsna")
    mapping = {"image": "patientId", "x": "x", "y": "y", "width": "width", "height": "height"}
    found.append(Target("csv (rsna, mapped)", "rsna", rsna, rsna, {"columns": mapping}))
    one = BoxSet(sample().boxes[:2], {"a.png": (40, 30)}, sample().classes)
    write_boxes(one, folder / "a.xml", "voc")
    found.append(Target("voc", "voc", folder / "a.xml", folder / "a.xml", {}))
    for part, name in {"yolo (labels)": "labels/a.txt", "yolo (data.yaml)": "data.yaml"}.items():
        yolo = folder / part.replace(" ", "")
        write_boxes(one, yolo, "yolo", image_root=images)
        found.append(Target(part, "yolo", yolo, yolo / name, {"image_root": images}))
    for kind, mode in {"grey": "L", "palette": "P", "16 bit": "I;16"}.items():
        mask = folder / f"{kind}_mask.png"
        pixels = np.zeros((30, 40), np.uint16 if mode == "I;16" else np.uint8)
        pixels[5:20, 10:30] = pixels[2, 2] = 255
        Image.fromarray(pixels).convert(mode).save(mask)
        found.append(Target(f"masks ({kind})", "masks", mask, mask, {"components": kind != "grey"}))
    return found


def mutate(data: bytes, draw: random.Random, *, kind: str) -> bytes:
    if kind in {"coco", "labelstudio"} and draw.random() < 0.5:
        data = mutate_json(data, draw)
        if draw.random() < 0.7:
            return data
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        data = draw.choice(EDITS)(data, draw)
    return right_checksums(data) if kind == "masks" and draw.random() < 0.7 else data


def mutate_json(data: bytes, draw: random.Random) -> bytes:
    document = json.loads(data)
    for _ in range(draw.randint(1, 3)):
        nodes = list(walk(document))
        parent, key = draw.choice(nodes)
        if draw.random() < 0.3:
            parent.pop(key)
        else:
            parent[key] = draw.choice(VALUES)
    return json.dumps(document).encode()


def walk(node: Any) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield node, key
        if isinstance(value, dict | list):
            yield from walk(value)


def span(data: bytes, draw: random.Random) -> tuple[int, int]:
    start = draw.randrange(len(data) + 1)
    return start, min(len(data), start + draw.choice([1, 2, 4, 16, 200]))


def flip(data: bytes, draw: random.Random) -> bytes:
    if not data:
        return data
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def cut(data: bytes, draw: random.Random) -> bytes:
    start, stop = span(data, draw)
    return data[:start] + data[stop:]


def repeat(data: bytes, draw: random.Random) -> bytes:
    start, stop = span(data, draw)
    return data[:stop] + data[start:stop] * draw.choice([1, 1, 3, 50]) + data[stop:]


def swap(data: bytes, draw: random.Random) -> bytes:
    (a, b), (c, d) = sorted([span(data, draw), span(data, draw)])
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def insert(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice([*TOKENS, draw.randbytes(4)]) + data[at:]


def overwrite(data: bytes, draw: random.Random) -> bytes:
    start, stop = span(data, draw)
    return data[:start] + draw.choice([b"\0", b"\xff", b"\x7f\xff\xff\xff"]) * (stop - start) + data[stop:]


def truncate(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def number(data: bytes, draw: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    if not found:
        return data
    one = draw.choice(found)
    return data[: one.start()] + draw.choice(NUMBERS) + data[one.end() :]


EDITS: list[Callable[[bytes, random.Random], bytes]] = [
    *(flip, flip, cut, repeat, swap, insert, overwrite, truncate, number, number)
]


def right_checksums(data: bytes) -> bytes:
    """Write the right checksum into every chunk of a PNG, so that the mutated contents are read."""
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        if len(body) < length + 4:
            break
        parts.append(data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join(parts) + data[at:]


def run(target: Target, start: int, count: int) -> Row:
    row = Row(target.name)
    valid = target.file.read_bytes()
    for i in range(start, start + count):
        target.file.write_bytes(mutate(valid, random.Random(f"{target.name} {i}"), kind=target.format))
        before = time.perf_counter()
        try:
            read_boxes(target.path, target.format, **target.options)
            row.accepted += 1
        except LesionCareError:
            row.refused += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            row.foreign += 1
            row.first_foreign = row.first_foreign or f"input {i}: {type(error).__name__}: {error}"[:120]
        took = time.perf_counter() - before
        row.inputs, row.seconds = row.inputs + 1, row.seconds + took
        row.slowest_ms = max(row.slowest_ms, 1000 * took)
    target.file.write_bytes(valid)
    return row


def add_up(rows: list[Row], output: Path) -> None:
    """Write the rows, with the counts that the file has from earlier runs added."""
    kinds = {field.name: field.type for field in fields(Row)}
    old = {}
    if output.is_file():
        for record in csv.DictReader(output.open(encoding="utf-8")):
            old[record["reader"]] = Row(**{name: kinds[name](value) for name, value in record.items()})
    for row in rows:
        before = old.get(row.reader, Row(row.reader))
        for name in ("inputs", "accepted", "refused", "foreign", "seconds"):
            setattr(row, name, getattr(row, name) + getattr(before, name))
        row.slowest_ms = round(max(row.slowest_ms, before.slowest_ms), 1)
        row.seconds, row.first_foreign = round(row.seconds, 1), before.first_foreign or row.first_foreign
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(kinds))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all, shared among the readers")
    parser.add_argument("--start", type=int, default=0, help="number of the first input of each reader")
    parser.add_argument("--output", type=Path, default=Path("boxes_fuzz.csv"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = targets(Path(name))
        each = -(-options.count // len(found))
        rows = [run(target, options.start, each) for target in found]
    if not options.start:
        options.output.unlink(missing_ok=True)
    add_up(rows, options.output)
    for row in rows:
        print(asdict(row))


if __name__ == "__main__":
    main()
