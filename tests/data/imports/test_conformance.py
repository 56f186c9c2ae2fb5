"""What every layout does, whichever it is."""

import shutil

import pandas as pd
import pytest

from lesioncare.boxes.formats import read_boxes
from lesioncare.data import Columns, load_table
from lesioncare.data.imports import LAYOUTS, Settings, import_dataset
from lesioncare.errors import DataError
from lesioncare.rawtable import read_header

from .copies import COPIES
from .variants import VARIANTS

ALL = COPIES | VARIANTS
every_layout = pytest.mark.parametrize("name", ALL)


def layout_of(name):
    """The layout of a copy; a variant's name is the layout's and a word."""
    return name.split()[0]


@pytest.fixture
def made(tmp_path, name):
    """The copy imported: its folder and what came out."""
    ALL[name].make(tmp_path / "source")
    return tmp_path / "source", import_dataset(layout_of(name), tmp_path / "source", tmp_path / "out")


def test_every_layout_has_a_copy():
    assert set(COPIES) == set(LAYOUTS)
    assert set(map(layout_of, VARIANTS)) <= set(LAYOUTS)


@every_layout
def test_labels_splits_and_groups_are_those_of_the_publishers(name, made):
    copy, (_, done) = ALL[name], made
    table = pd.read_csv(done.table, keep_default_na=False).set_index("image")
    labels = table["label"].to_dict() if "label" in table else dict.fromkeys(table.index, "")
    assert labels == copy.labels
    assert {image: table["split"].get(image) for image in copy.splits} == copy.splits
    assert ("split" in table) == bool(copy.splits)
    assert ("group" in table) == (copy.together is not None)
    if copy.together is not None:
        found = {tuple(sorted(images)) for images in table.groupby("group").groups.values()}
        assert found == {tuple(sorted(images)) for images in copy.together}


@every_layout
def test_boxes_are_those_of_the_publishers(name, made):
    copy, (_, done) = ALL[name], made
    boxes = [] if done.boxes is None else read_boxes(done.boxes).boxes
    found = sorted((box.image, box.label or "", box.xyxy) for box in boxes)
    expected = sorted((image, label or "", corners) for image, label, corners in copy.boxes)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    for (*_, corners), (*_, right) in zip(found, expected, strict=True):
        assert corners == pytest.approx(right, abs=1e-3)


@every_layout
def test_the_table_and_boxes_can_be_trained_on(name, made):
    done = made[1]
    columns = Columns.guess(read_header(done.table))
    loaded = load_table(
        done.table, columns, image_root=done.images, box_file=done.boxes, require_labels=bool(done.classes)
    )
    assert len(loaded) == done.n_images == len(ALL[name].labels)
    assert sum(map(len, loaded.boxes.values())) == done.n_boxes


@every_layout
def test_no_patient_is_named_in_what_is_written(name, made):
    done = made[1]
    written = "".join(path.read_text() for path in sorted(done.table.parent.glob("*.*")))
    groups = pd.read_csv(done.table).get("group", pd.Series(dtype=str)).astype(str)
    for secret in ALL[name].secrets:
        assert secret not in written
        assert not groups.str.contains(secret).any()


@every_layout
def test_the_account_says_source_licence_and_what_is_missing(name, made):
    done = made[1]
    account = (done.table.parent / "import.txt").read_text()
    assert account.splitlines() == done.lines()
    assert LAYOUTS[layout_of(name)].source in account
    assert f"Licence: {LAYOUTS[layout_of(name)].licence}" in account
    if LAYOUTS[layout_of(name)].classes:
        assert "Not as published" in account
    if LAYOUTS[layout_of(name)].multi_label and layout_of(name) != "medmnist":
        assert "Label rule: " in account


@every_layout
def test_another_import_gives_the_same_but_for_hashed_groups(name, made, tmp_path):
    again = import_dataset(layout_of(name), made[0], tmp_path / "again")
    one, other = (pd.read_csv(done.table, dtype=str) for done in (made[1], again))
    pd.testing.assert_frame_equal(one.drop(columns="group", errors="ignore"),
                                  other.drop(columns="group", errors="ignore"))  # fmt: skip
    if "group" in one and ALL[name].secrets:
        assert not set(one["group"]) & set(other["group"])


@every_layout
def test_a_folder_that_is_not_empty_is_left_alone(name, tmp_path):
    ALL[name].make(tmp_path / "source")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(DataError, match="already there"):
        import_dataset(layout_of(name), tmp_path / "source", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@every_layout
@pytest.mark.parametrize("kind", ["empty", "missing", "without its tables"])
def test_what_is_not_the_layout_is_refused(name, kind, tmp_path):
    source = tmp_path / "source"
    if kind == "empty":
        source.mkdir()
    elif kind == "without its tables":
        ALL[name].make(source)
        gone = source / (ALL[name].key_file or next(iter(source.iterdir())).name)
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        if ALL[name].key_file is None:
            shutil.rmtree(source)
            source.mkdir()
    with pytest.raises(DataError, match="source"):
        import_dataset(layout_of(name), source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@every_layout
def test_the_official_parts_can_be_left_out(name, tmp_path):
    ALL[name].make(tmp_path / "source")
    done = import_dataset(
        layout_of(name), tmp_path / "source", tmp_path / "out", Settings(official_split=False)
    )
    assert "split" not in read_header(done.table)
