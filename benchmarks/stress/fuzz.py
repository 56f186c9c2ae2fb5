"""Random arguments for public functions that take arrays, random files for the readers of images and tables.

    python benchmarks/stress/fuzz.py --count 500 --output benchmarks/stress/fuzz.csv

Whatever comes in, a result or a `LesionCareError` comes out. The readers of boxes: benchmarks/boxes_fuzz.py.
"""

import argparse
import csv
import io
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from torch import nn

from lesioncare.attention import AttentionGuide
from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.data.splits import assign_folds
from lesioncare.errors import LesionCareError
from lesioncare.evaluation import Predictions, evaluate
from lesioncare.images import image_size, read_image
from lesioncare.rawtable import read_raw_table


@dataclass(frozen=True)
class Row:
    """What one function did with its inputs."""

    target: str
    inputs: int
    accepted: int
    refused: int
    foreign: int
    seconds: float
    first_foreign: str


anything = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
numbers = st.one_of(st.floats(), st.integers(-5, 40), st.sampled_from([0, 1, 31.5, 32, 1e308, -0.0]))
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
any_array = arrays.arrays(st.sampled_from([np.float32, np.float64, np.int64, np.bool_]), shapes)
corners = st.lists(st.tuples(*[numbers] * 4), max_size=3).map(
    lambda rows: torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
)
any_boxes = st.lists(st.one_of(corners, corners, any_array.map(torch.from_numpy)), max_size=4)
labels = st.one_of(
    st.lists(st.integers(-1, 3), min_size=3, max_size=3).map(torch.tensor), any_array.map(torch.from_numpy)
)
NETWORK = nn.Sequential(
    nn.Conv2d(3, 4, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
)
IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def guide(target: torch.Tensor, boxes: list[torch.Tensor]) -> None:
    watcher = AttentionGuide(NETWORK)
    with watcher.watch():
        logits = NETWORK(IMAGES)
    loss = watcher.combine(logits.square().mean(), target, boxes)
    if not loss.isfinite():
        raise ArithmeticError(f"the loss is {loss}")


def box(image: Any, edges: tuple[Any, ...], score: Any) -> None:
    BoxSet.of([Box(image, *edges, score=score)], {image: (32, 32)})


def folds(codes: Any, groups: Any, n_folds: int, seed: int) -> None:
    assign_folds(codes, groups, n_folds=n_folds, seed=seed)


def metrics(target: Any, logits: Any) -> None:
    names = np.array([f"{n}" for n in range(len(np.atleast_1d(target)))], dtype=str)
    found = Predictions(
        image=names, path=names, group=names, target=target, logits=logits, classes=("a", "b", "c")
    )
    evaluate(found, ("c",), {"a": 10, "b": 5, "c": 1})


def image(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        path.write_bytes(content)
        image_size(path)
        read_image(path)


def table(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(content)
        read_raw_table(path)


def _encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((16, 12), 50).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


@st.composite
def torn(draw: Any, whole: list[bytes]) -> bytes:
    """A valid file, of which some bytes are others."""
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
        data = data or bytearray(b"x")
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


PICTURES = [_encoded(kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")]
TABLES = [b"image,label\na,x\nb,y\n", b'\xef\xbb\xbfimage;label\r\n"a;b";x\r\n', b'image\tlabel\n"a\nb"\tx\n']
TARGETS: dict[str, tuple[Callable[..., None], list[st.SearchStrategy[Any]]]] = {
    "AttentionGuide.combine": (guide, [labels, any_boxes]),
    "Box, BoxSet": (box, [st.text(max_size=6), st.tuples(*[numbers] * 4), numbers]),
    "assign_folds": (folds, [any_array, any_array, st.integers(-1, 9), st.integers(0, 9)]),
    "Predictions, evaluate": (
        metrics,
        [
            st.one_of(any_array, arrays.arrays(np.int64, 4, elements=st.integers(-1, 3))),
            st.one_of(any_array, arrays.arrays(np.float64, (4, 3))),
        ],
    ),
    "read_image": (image, [torn(PICTURES)]),
    "read_raw_table": (table, [st.one_of(st.binary(max_size=40), torn(TABLES))]),
}


def run(name: str, count: int) -> Row:
    function, arguments = TARGETS[name]
    seen, first = Counter[str](), ""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*arguments))
    def feed(drawn: tuple[Any, ...]) -> None:
        nonlocal first
        try:
            function(*drawn)
            seen["accepted"] += 1
        except LesionCareError:
            seen["refused"] += 1
        except Exception as error:  # noqa: BLE001  whatever it is, is what is looked for
            seen["foreign"] += 1
            first = first or f"{type(error).__name__}: {error} of {drawn!r}"[:300].replace("\n", " ")

    before = time.perf_counter()
    feed()
    seconds = round(time.perf_counter() - before, 1)
    return Row(name, seen.total(), seen["accepted"], seen["refused"], seen["foreign"], seconds, first)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500, help="inputs of each function")
    parser.add_argument("--output", type=Path, default=Path("fuzz.csv"))
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = []
    for name in TARGETS:
        rows.append(run(name, options.count))
        print(rows[-1], flush=True)
    with options.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main()
