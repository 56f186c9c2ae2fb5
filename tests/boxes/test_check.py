import pytest
from PIL import Image

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.check import Finding, check_boxes
from lesioncare.errors import DataError


def kinds(*boxes, size=(100, 80), **options):
    return [finding.kind for finding in check_boxes(BoxSet.of(boxes, {"a.png": size}), **options)]


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ((0, 0, 100, 80), []),
        ((-1, -1, 101, 81), []),  # within the slack of a pixel
        ((-1.5, 0, 50, 50), ["outside image"]),
        ((0, 0, 50, 82), ["outside image"]),
        ((200, 200, 250, 250), ["outside image"]),
        ((0, 0, 3.9, 50), ["tiny"]),
        ((0, 0, 4, 4), []),
    ],
)
def test_place_and_size(corners, expected):
    assert kinds(Box("a.png", *corners)) == expected


def test_a_box_of_an_image_of_unknown_size_is_never_outside():
    assert kinds(Box("a.png", 0, 0, 5000, 5000), size=None) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Box("a.png", 0, 0, 100, 50), ["duplicate"]),
        (Box("a.png", 0, 0, 95, 50), ["duplicate"]),  # IoU 0.95
        (Box("a.png", 0, 0, 94, 50), []),
        (Box("b.png", 0, 0, 100, 50), []),
        (Box("a.png", 0, 0, 100, 50, source="mbd", score=0.5), ["duplicate"]),
    ],
)
def test_one_box_drawn_twice(other, expected):
    assert kinds(Box("a.png", 0, 0, 100, 50), other) == expected


def test_boxes_beside_each_other_are_no_duplicates():
    assert (
        kinds(Box("a.png", 50, 40, 70, 60), Box("a.png", 60, 40, 80, 60), Box("a.png", 20, 40, 40, 60)) == []
    )
    assert kinds(Box("a.png", 50, 40, 70, 60), Box("a.png", 50, 40, 70, 60)) == ["duplicate"]


def test_the_same_box_of_two_classes_is_no_duplicate():
    corners = (0, 0, 100, 50)
    assert kinds(Box("a.png", *corners, label="nv"), Box("a.png", *corners, label="mel")) == []


def test_classes():
    boxes = (
        Box("a.png", 0, 0, 9, 9, label="nv"),
        Box("a.png", 9, 9, 20, 20, label="NV"),
        Box("b", 0, 0, 9, 9),
    )
    assert kinds(*boxes, classes=["nv", "mel"]) == ["unknown class", "no class"]
    assert kinds(*boxes) == ["no class"]
    assert kinds(boxes[2], classes=["nv"]) == []  # no box has a class: none is missing


def test_images(tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    boxes = [Box("a", 0, 0, 9, 90)]
    sizes = {"a": (90, 90), "absent.png": (9, 9), "broken.png": (9, 9)}
    findings = check_boxes(BoxSet.of(boxes, sizes), image_root=tmp_path)
    assert [(finding.kind, finding.image) for finding in findings] == [
        ("other size", "a"),
        ("outside image", "a"),  # by the image's own size
        ("image missing", "absent.png"),
        ("image unreadable", "broken.png"),
    ]
    assert findings[0].detail == "the file says (90, 90), the image has (100, 80)"
    assert findings[1] == Finding("outside image", "a", "box 0.0, 0.0, 9.0, 90.0 by 10.0 px of 100 x 80")
    with pytest.raises(DataError, match="no such folder of images"):
        check_boxes(BoxSet(), image_root=tmp_path / "nowhere")
