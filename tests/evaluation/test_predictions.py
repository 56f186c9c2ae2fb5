import csv
from dataclasses import replace

import numpy as np
import pytest

from lesioncare.errors import RunError
from lesioncare.evaluation import Predictions

ODD = (
    "a b",
    'comma, "quote"',
    "ümläut 黒色腫",
    "<script>alert(1)</script>",
    "NA",
    "line\nbreak",
    "tail\r",
    "logit:x",
)


@pytest.fixture
def odd(make):
    n = len(ODD)
    rng = np.random.default_rng(0)
    predictions = make(np.arange(n) - 1, rng.normal(size=(n, n)) * 1e-7, ODD, energy=rng.uniform(size=n))
    boxes = [np.array([[0.1, 0.2, 30.3, 40.4], [1, 2, 3, 4]]), *predictions.boxes[1:]]
    return replace(predictions, image=np.array(ODD), group=np.array(ODD[::-1]), boxes=tuple(boxes))


def test_round_trip_is_exact_for_odd_names(odd, tmp_path):
    odd.to_csv(tmp_path / "p.csv")
    back = Predictions.from_csv(tmp_path / "p.csv")
    assert back.classes == odd.classes
    for name in ("image", "path", "group", "target", "logits", "energy", "pointing", "area_share"):
        np.testing.assert_array_equal(getattr(back, name), getattr(odd, name), err_msg=name)
    for one, other in zip(back.boxes, odd.boxes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_round_trip_without_boxes_and_without_rows(make, tmp_path):
    for n in (3, 0):
        predictions = make([0, 1, -1][:n], np.zeros((3, 2))[:n])
        predictions.to_csv(tmp_path / "p.csv")
        back = Predictions.from_csv(tmp_path / "p.csv")
        assert len(back) == n
        assert back.logits.shape == (n, 2)
        assert np.isnan(back.energy).all()
        assert all(box.shape == (0, 4) for box in back.boxes)


def test_columns_and_cells(make, tmp_path):
    make([1, -1], [[0.0, np.log(3)], [2.0, 0.0]], ["a", "b"]).to_csv(tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="") as file:
        header, first, second = csv.reader(file)
    assert header[:5] == ["image", "path", "group", "label", "prediction"]
    assert header[5:9] == ["logit:a", "logit:b", "probability:a", "probability:b"]
    assert header[9:] == ["energy_in_box", "pointing", "box_area_share", "centre_energy", "boxes"]
    assert first[:5] == ["0.jpg", "images/0.jpg", "0.jpg", "b", "b"]
    assert [float(cell) for cell in first[7:9]] == pytest.approx([0.25, 0.75])
    assert first[9:] == ["", "", "", "", "[]"]
    assert second[3:5] == ["", "a"]


def test_probabilities_survive_huge_logits(make):
    assert make([0], [[1e4, -1e4]]).probabilities.tolist() == [[1.0, 0.0]]


def test_labelled_keeps_order_and_boxes(make):
    predictions = make([0, -1, 1], np.arange(6).reshape(3, 2))
    boxes = tuple(np.full((1, 4), float(i)) for i in range(3))
    known = replace(predictions, boxes=boxes).labelled
    assert known.image.tolist() == ["0.jpg", "2.jpg"]
    assert [box[0, 0] for box in known.boxes] == [0.0, 2.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": [0, 2]}, "targets must lie"),
        ({"target": [0]}, "target must have shape"),
        ({"logits": [[0.0, np.nan], [0, 0]]}, "diverged"),
        ({"logits": [[0.0], [0.0]]}, "logits must have shape"),
        ({"classes": ("a", "a")}, "different class names"),
        ({"classes": ("a", "")}, "different class names"),
        ({"boxes": ()}, "boxes"),
    ],
)
def test_what_does_not_fit_is_refused(make, change, message):
    with pytest.raises(RunError, match=message):
        replace(make([0, 1], np.zeros((2, 2))), **change)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"c1"', '"zebra"', r"row 2, column 'label'.*zebra"),
        ("1.5", "abc", r"row 1, column 'logit:c0'.*abc"),
        ("[[1.0", "[[1.0, 5", "row 1, column 'boxes'"),
        ('"label"', '"truth"', r"columns \['label'\] are missing"),
        ("1.5", "inf", "not finite"),
    ],
)
def test_a_damaged_table_names_file_row_and_column(make, tmp_path, old, new, message):
    predictions = make([0, 1], [[1.5, 0.0], [0.0, 1.25]])
    path = tmp_path / "p.csv"
    replace(predictions, boxes=(np.array([[1.0, 2, 3, 4]]), np.empty((0, 4)))).to_csv(path)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(RunError, match=f"(?s)p.csv.*{message}"):
        Predictions.from_csv(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"image\nx\n", b'"image'])
def test_a_file_that_is_no_such_table(tmp_path, content):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"p\.csv"):
        Predictions.from_csv(tmp_path / "p.csv")


def test_a_row_that_is_cut_off(make, tmp_path):
    path = tmp_path / "p.csv"
    make([0, 1], [[1.5, 0.0], [0.0, 1.25]]).to_csv(path)
    path.write_text(path.read_text()[:-30])
    with pytest.raises(RunError, match="row 2"):
        Predictions.from_csv(path)


def test_a_row_with_cells_too_many(make, tmp_path):
    path = tmp_path / "p.csv"
    make([0, 1], [[1.5, 0.0], [0.0, 1.25]]).to_csv(path)
    path.write_text(path.read_text().replace("\n", ",1\n").replace(",1\n", "\n", 1))
    with pytest.raises(RunError, match=r"p\.csv: not a readable table of predictions"):
        Predictions.from_csv(path)


def test_a_failed_write_leaves_no_temporary_file(make, tmp_path):
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        make([0], [[0.0, 1.0]]).to_csv(tmp_path / "p.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"none\.csv: no such file"):
        Predictions.from_csv(tmp_path / "none.csv")
