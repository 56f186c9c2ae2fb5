"""Odd images, labels and tables: taken as they are meant, or refused in one message.

docs/robustness.md lists these beside the tests of the readers themselves; the last test here keeps it true.
"""

import ast
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesioncare.data import load_table
from lesioncare.data.splits import assign_folds
from lesioncare.errors import DataError
from lesioncare.images import image_size, read_image
from lesioncare.rawtable import read_raw_table

ROOT = Path(__file__).parents[2]


def noise(size=(20, 10)):
    draw = np.random.default_rng(0)
    return Image.fromarray(draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.mark.parametrize(("inside", "named"), [("PNG", "a.jpg"), ("JPEG", "a.png"), ("BMP", "a.tif")])
def test_an_image_is_read_by_what_is_in_it_not_by_its_name(tmp_path, inside, named):
    noise().save(tmp_path / named, inside)
    expected = np.asarray(noise()) if inside != "JPEG" else None
    assert image_size(tmp_path / named) == (20, 10)
    assert read_image(tmp_path / named).size == (20, 10)
    assert expected is None or np.array_equal(np.asarray(read_image(tmp_path / named)), expected)


@pytest.mark.parametrize("suffix", ["webp", "png", "tif"])
def test_of_an_animated_image_the_first_frame_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert np.asarray(read_image(tmp_path / f"a.{suffix}"))[0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (13_100, 13_000)])
def test_an_image_that_claims_gigapixels_is_refused_by_its_header(tmp_path, size):
    header = b"IHDR" + struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, data, b"IEND")
    ]
    (tmp_path / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"big\.png: the image claims"):
            read(tmp_path / "big.png")


@pytest.fixture
def labelled(tmp_path):
    """Give a function: labels -> the table of as many images."""

    def build(labels):
        for number in range(len(labels)):
            Image.new("RGB", (4, 3)).save(tmp_path / f"{number}.png")
        frame = pd.DataFrame({"image": [f"{n}.png" for n in range(len(labels))], "label": labels})
        frame.to_csv(tmp_path / "table.csv", index=False)
        return load_table(tmp_path / "table.csv")

    return build


@pytest.mark.parametrize(
    "labels",
    [
        ["basal cell", "mole"],
        ["Nävus", "病変"],
        ["1", "2"],
        ["a,b", 'say "mole"'],
        ["<script>", "=1+1"],
        ["NA", "null"],
        ["True", "1e5"],
    ],
)
def test_a_label_is_any_text(labelled, labels):
    assert labelled(labels).classes == tuple(sorted(labels))


def test_a_thousand_classes(labelled):
    assert len(labelled([f"kind {number}" for number in range(1000)]).classes) == 1000


def test_a_class_with_fewer_images_than_folds_is_refused(labelled):
    labels = np.array([0] * 20 + [1] * 2)
    with pytest.raises(DataError, match=r"fewer folds|too few"):
        assign_folds(labels, np.arange(22), n_folds=5, seed=0)


@pytest.mark.parametrize(
    "form", [{}, {"sep": ";"}, {"quoting": 1}, {"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}]
)
def test_two_hundred_thousand_rows_in_any_dialect(tmp_path, form):
    frame = pd.DataFrame({"image": [f"{n}.png" for n in range(200_000)], "label": "a b"})
    frame.to_csv(tmp_path / "table.csv", index=False, **form)
    found = read_raw_table(tmp_path / "table.csv")
    assert found["image"].tolist() == frame["image"].tolist()
    assert set(found["label"]) == {"a b"}
    assert found.index[-1] == 200_001


def test_every_test_that_the_page_names_is_there():
    text = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 30
    for file, function in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (
            file,
            function,
        )
