import pytest

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import write_boxes

from .cases import SAMPLE, TARGETS

EXPECTED = {
    "coco": [],
    "parquet": [],
    "voc": ["the list of 5 classes, with its order and those without a box"],
    "csv": ["the list of 5 classes, with its order and those without a box"],
    "labelstudio": [
        "the list of 5 classes, with its order and those without a box",
    ],
    "yolo": [
        "the source of 3 boxes",
        "the score of 4 boxes",
        "the lack of a class of 1 box (written as 'unlabelled')",
        "the size of 5 images",
    ],
    "rsna": [
        "the class of 5 boxes",
        "the source of 3 boxes",
        "the score of 4 boxes",
        "the size of 5 images",
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_losses_are_said_in_words(name, tmp_path):
    losses = write_boxes(SAMPLE, tmp_path / TARGETS[name], name)
    assert list(losses.lost) == EXPECTED[name]
    assert bool(losses) == bool(EXPECTED[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_a_set_of_defaults_loses_nothing(name, tmp_path):
    label = None if name == "rsna" else "nv"
    plain = BoxSet.of([Box("a.jpg", 1 / 3, 2, 3.5, 4, label=label)], {"a.jpg": (10, 10)})
    losses = write_boxes(plain, tmp_path / TARGETS[name], name)
    assert list(losses.lost) == (["the size of 1 image"] if name in {"yolo", "rsna"} else [])


def test_yolo_says_that_ids_get_a_suffix(tmp_path):
    losses = write_boxes(BoxSet((), {"ISIC_1": (9, 9)}), tmp_path / "yolo", "yolo")
    assert "image ids without a suffix (they come back with that of the image file)" in losses.lost
