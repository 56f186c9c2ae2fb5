from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesioncare.boxes import Box
from lesioncare.boxes.csv_format import read_box_csv, to_pixels, write_box_csv
from lesioncare.errors import DataError

SIZES = {"a": (20, 10), "b": (100, 50)}


def read(tmp_path, text, **options):
    path = tmp_path / "boxes.csv"
    path.write_text(text, encoding="utf-8")
    return read_box_csv(path, **options)


@pytest.mark.parametrize(
    "text",
    [
        "image,x1,y1,x2,y2\na,2,3,6,8\n",
        "image_id,x0,y0,x1,y1\na,2,3,6,8\n",
        "filename;Xmin;Ymin;Xmax;Ymax\na;2;3;6;8\n",
        "patientId,x,y,width,height,Target\nz,,,,,0\na,2,3,4,5,1\n",
    ],
    ids=["x1", "x0", "xmin", "rsna"],
)
@pytest.mark.parametrize("size_of", [None, SIZES.__getitem__])
def test_forms_of_the_corners(tmp_path, text, size_of):
    assert read(tmp_path, text, size_of=size_of) == [Box("a", 2, 3, 6, 8)]


def test_optional_columns(tmp_path):
    text = "image,class,x1,y1,x2,y2,source,score\na,MEL,2,3,6,8,mbd,0.25\na,,2,3,6,8,,\n"
    expected = [Box("a", 2, 3, 6, 8, "MEL", "mbd", 0.25), Box("a", 2, 3, 6, 8)]
    assert read(tmp_path, text) == expected


def test_fractions_need_sizes_and_boxes_are_clipped(tmp_path):
    text = "image,x1,y1,x2,y2\na,0.1,0.2,0.5,1.005\nb,0.5,0,1,0.5\n"
    boxes = read(tmp_path, text, size_of=SIZES.__getitem__)
    assert [box.xyxy for box in boxes] == [pytest.approx((2, 2, 10, 10)), pytest.approx((50, 0, 100, 25))]


def test_width_and_height_may_be_fractions(tmp_path):
    text = "image,x,y,width,height\nb,0.1,0.2,0.5,0.4\n"
    (box,) = read(tmp_path, text, size_of=SIZES.__getitem__)
    assert box.xyxy == pytest.approx((10, 10, 60, 30))


words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1)
numbers, sizes = st.floats(-1e6, 1e6), st.floats(0.01, 1e6)


@st.composite
def a_box(draw):
    x, y, width, height = draw(numbers), draw(numbers), draw(sizes), draw(sizes)
    label, score = draw(st.none() | words), draw(st.floats(0, 1))
    return Box(draw(words), x, y, x + width, y + height, label, "mbd", score)


@given(st.lists(a_box()))
def test_written_boxes_are_read_back_equal(tmp_path_factory, boxes):
    path = tmp_path_factory.mktemp("boxes") / "boxes.csv"
    write_box_csv(boxes, path)
    assert read_box_csv(path) == boxes


def unknown(image):
    raise DataError(f"no image {image!r}")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "empty"),
        ("name,x1,y1,x2,y2\na,1,1,2,2\n", {}, "no column image; the columns are name, x1"),
        ("image,x1,y1,x2\na,1,1,2\n", {}, "no column x1, y1, x2, y2"),
        ("image,x1,y1,x2,y2\na,1,1,2,2\na,3,1,2,2\n", {}, r"without area.*row 3 \(3, 1, 2, 2\)"),
        ("image,x,y,width,height\na,1,1,0,2\n", {}, "without area.*row 2"),
        ("image,x1,y1,x2,y2\na,1,1,2,\n", {}, "empty.*row 2"),
        ("image,x1,y1,x2,y2\na,1,1,2,nan\n", {}, "finite.*row 2"),
        ("image,x1,y1,x2,y2,score\na,1,1,2,2,high\n", {}, "row 2: the score 'high'"),
        ("image,x1,y1,x2,y2,score\na,1,1,2,2,1.5\n", {}, "row 2: .*score must be in"),
        ("image,x1,y1,x2,y2\na,30,1,40,2\n", {"size_of": SIZES.__getitem__}, "outside its image.*row 2"),
        ("image,x1,y1,x2,y2\na,1,1,4,2\n", {"size_of": unknown}, "row 2: no image 'a'"),
    ],
)
def test_unusable_boxes_are_refused_with_file_and_row(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, text, **options)
    assert "boxes.csv" in str(caught.value)


def test_corners_in_the_wrong_order_are_refused_on_the_way_to_pixels_too():
    corners, sizes = np.array([[1.0, 1, 2, 2], [3, 1, 2, 2]]), np.full((2, 2), 10.0)
    with pytest.raises(DataError, match=r"boxes\.csv: a box without area.*row 7 \(3, 1, 2, 2\)"):
        to_pixels(corners, sizes, "pixel", rows=np.array([6, 7]), source=Path("boxes.csv"))


def test_one_unit_for_all_boxes_unless_it_is_named():
    corners, sizes = np.array([[1.0, 1, 2, 2], [0.25, 0.25, 1, 1]]), np.full((2, 2), 10.0)
    given = {"rows": np.array([2, 3]), "source": Path("boxes.csv")}
    with pytest.raises(DataError, match=r"fractions beside boxes in pixels.*row 3"):
        to_pixels(corners, sizes, "auto", **given)
    np.testing.assert_allclose(to_pixels(corners, sizes, "pixel", **given), corners)
    np.testing.assert_allclose(to_pixels(corners[1:], sizes[1:], "auto", **given), [[2.5, 2.5, 10, 10]])
