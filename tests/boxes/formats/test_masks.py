import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesioncare.boxes import BoxSet
from lesioncare.boxes.formats import read_boxes
from lesioncare.errors import DataError

DATA = Path(os.environ.get("LESIONCARE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def draw(path, *rectangles, size=(20, 10), value=255, mode="L"):
    """A mask with filled rectangles (x1, y1, x2, y2), right and bottom excluded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(size[::-1], np.uint16 if mode == "I;16" else np.uint8)
    for x1, y1, x2, y2 in rectangles:
        pixels[y1:y2, x1:x2] = value
    Image.fromarray(pixels).convert(mode).save(path)


def corners(boxset):
    return [(box.image, *box.xyxy) for box in boxset.boxes]


def test_one_box_around_each_mask_or_around_each_part(tmp_path):
    draw(tmp_path / "a.png", (2, 1, 5, 4), (10, 6, 11, 7))
    assert corners(read_boxes(tmp_path / "a.png")) == [("a", 2, 1, 11, 7)]
    parts = read_boxes(tmp_path / "a.png", components=True)
    assert corners(parts) == [("a", 2, 1, 5, 4), ("a", 10, 6, 11, 7)]
    assert {box.source for box in parts.boxes} == {"mask"}
    assert dict(parts.images) == {"a": (20, 10)}


def test_pixels_that_touch_at_a_corner_are_one_part(tmp_path):
    draw(tmp_path / "a.png", (2, 2, 4, 4), (4, 4, 6, 6))
    assert corners(read_boxes(tmp_path / "a.png", components=True)) == [("a", 2, 2, 6, 6)]


@pytest.mark.parametrize(
    ("mode", "value"), [("L", 1), ("L", 255), ("1", 255), ("P", 255), ("RGB", 200), ("I;16", 9)]
)
def test_any_two_values_make_a_mask(mode, value, tmp_path):
    draw(tmp_path / "a.png", (2, 1, 5, 4), value=value, mode=mode)
    assert corners(read_boxes(tmp_path / "a.png")) == [("a", 2, 1, 5, 4)]


def test_soft_edges_are_cut_at_half_of_the_brightest(tmp_path):
    draw(tmp_path / "a.png", (2, 1, 9, 8), value=100)
    pixels = np.asarray(Image.open(tmp_path / "a.png")).copy()
    pixels[2:6, 3:7] = 220
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert corners(read_boxes(tmp_path / "a.png")) == [("a", 3, 2, 7, 6)]


def test_a_photograph_is_no_mask(tmp_path):
    photograph = np.random.default_rng(0).integers(60, 200, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(photograph).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png.*photograph"):
        read_boxes(tmp_path, format="masks")


@pytest.mark.parametrize("suffix", ["", "p7.png"])
def test_pictures_are_not_guessed_to_be_masks(suffix, tmp_path):
    """Bright skin with a dark lesion: most pixels are nearly white, but many are grey."""
    for number in range(9):
        across = np.linspace(0, 255, 60, dtype=np.uint8) if number == 7 else np.full(60, 255, np.uint8)
        across[:12] = np.linspace(40, 250, 12)
        Image.fromarray(np.tile(across, (40, 1))).convert("RGB").save(tmp_path / f"p{number}.png")
    Image.fromarray(np.tile(np.linspace(40, 255, 60, dtype=np.uint8), (40, 1))).save(tmp_path / "p0.png")
    with pytest.raises(DataError, match=r"neither named as masks nor black and white.*name the format"):
        read_boxes(tmp_path / suffix)


def test_soft_and_many_valued_masks_are_guessed(tmp_path):
    soft = np.zeros((40, 60), np.uint8)
    soft[10:30, 20:50] = 255
    soft[9, 20:50] = np.linspace(1, 254, 30)
    Image.fromarray(soft).save(tmp_path / "soft.png")
    codes = np.repeat(np.array([0, 0, 0, 2, 3, 5], np.uint8), 40).reshape(6, 40)
    Image.fromarray(codes).save(tmp_path / "codes.png")
    assert len(read_boxes(tmp_path).boxes) == 2


def test_a_black_mask_is_an_image_without_a_box(tmp_path):
    draw(tmp_path / "a.png")
    assert read_boxes(tmp_path) == BoxSet((), {"a": (20, 10)})


def test_several_masks_of_one_image_beside_the_images(tmp_path):
    draw(tmp_path / "benign (1).png", (0, 0, 20, 10))
    draw(tmp_path / "benign (1)_mask.png", (1, 1, 3, 3))
    draw(tmp_path / "benign (1)_mask_1.png", (5, 5, 8, 9))
    assert corners(read_boxes(tmp_path)) == [("benign (1)", 1, 1, 3, 3), ("benign (1)", 5, 5, 8, 9)]


@pytest.mark.parametrize("ending", ["", "_segmentation", "_Mask", "_lesion", "_mask_12"])
def test_the_id_is_that_of_the_image(ending, tmp_path):
    draw(tmp_path / "masks" / "deep" / f"Ä_1{ending}.png", (1, 1, 3, 3))
    draw(tmp_path / "images" / "deep" / "Ä_1.jpg")
    found = read_boxes(tmp_path / "masks", image_root=tmp_path / "images")
    assert corners(found) == [("deep/Ä_1.jpg", 1, 1, 3, 3)]
    assert corners(read_boxes(tmp_path / "masks")) == [("deep/Ä_1", 1, 1, 3, 3)]


def test_a_mask_of_another_size_than_its_image(tmp_path):
    draw(tmp_path / "masks" / "a.png", (1, 1, 3, 3))
    draw(tmp_path / "images" / "a.jpg", size=(40, 20))
    with pytest.raises(DataError, match=r"a\.png: \(20, 10\) pixels; its image or other mask has \(40, 20\)"):
        read_boxes(tmp_path / "masks", image_root=tmp_path / "images")


@pytest.mark.real_data
def test_boxes_of_the_skin_masks_are_those_of_the_table(tmp_path):
    """The table's boxes were computed from masks of three times the size: they agree to a pixel or two."""
    folder = DATA / "skin7_200x150"
    if not (folder / "masks").is_dir():
        pytest.skip(f"no skin7_200x150 in {DATA}; set LESIONCARE_DATA")
    table = read_boxes(folder / "labels.csv", image_root=folder / "images").by_image()
    for image in list(table)[:50]:
        (box,) = read_boxes(folder / "masks" / f"{image}.png").boxes
        assert box.xyxy == pytest.approx(table[image][0].xyxy, abs=2)
