"""What every format does, whichever it is."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import FORMATS, detect_format, read_boxes, write_boxes
from lesioncare.errors import ConfigError, DataError

from .cases import CLASSES, HOLDS, SAMPLE, SIZES, TARGETS, assert_same, boxsets, draw_images, kept

every_format = pytest.mark.parametrize("name", HOLDS)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("images"))


def round_trip(boxset, name, folder, images, **options):
    path = folder / TARGETS[name]
    write_boxes(boxset, path, name, image_root=images, **options)
    return read_boxes(path, name, image_root=images if name == "yolo" else None)


def test_the_suite_covers_every_format():
    assert {name for name, entry in FORMATS.items() if entry.write is not None} == set(HOLDS)
    assert set(FORMATS) - set(HOLDS) == {"masks"}


@every_format
def test_round_trip_loses_only_what_the_format_cannot_hold(name, tmp_path, images):
    actual = round_trip(SAMPLE, name, tmp_path, images)
    assert_same(actual, kept(SAMPLE, name), exact="exact" in HOLDS[name])


@every_format
@settings(max_examples=100, deadline=None)
@given(boxset=boxsets)
def test_round_trip_of_any_set(name, images, boxset):
    with tempfile.TemporaryDirectory() as folder:
        actual = round_trip(boxset, name, Path(folder), images)
    assert_same(actual, kept(boxset, name), exact="exact" in HOLDS[name])


@every_format
def test_a_second_round_trip_changes_nothing(name, tmp_path, images):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    once = round_trip(SAMPLE, name, tmp_path / "1", images)
    assert_same(round_trip(once, name, tmp_path / "2", images), once, exact="exact" in HOLDS[name])


@every_format
def test_images_without_any_box_stay(name, tmp_path, images):
    bare = BoxSet((), SIZES, CLASSES)
    assert_same(round_trip(bare, name, tmp_path, images), kept(bare, name), exact=True)


@every_format
def test_the_empty_set_stays_empty(name, tmp_path, images):
    assert round_trip(BoxSet(), name, tmp_path, images) == BoxSet()


@every_format
def test_written_files_are_recognised(name, tmp_path, images):
    path = tmp_path / TARGETS[name]
    write_boxes(SAMPLE, path, name)
    expected = "csv" if name == "rsna" else name  # a table like any other
    assert detect_format(path) == expected
    found = read_boxes(path, image_root=images)
    assert len(found.boxes) == len(SAMPLE.boxes)
    assert dict(found.images) == SIZES


@every_format
def test_written_twice_gives_the_same_bytes(name, tmp_path):
    texts = []
    for number in "12":
        path = tmp_path / number / TARGETS[name]
        write_boxes(SAMPLE, path, name)
        files = sorted(file for file in [path, *path.rglob("*")] if file.is_file())
        texts.append([(file.relative_to(path.parent), file.read_bytes()) for file in files])
    assert texts[0] == texts[1]


@every_format
def test_a_failed_write_leaves_everything_as_it_was(name, tmp_path, monkeypatch):
    path = tmp_path / TARGETS[name]
    folder = FORMATS[name].folder
    if not folder:
        path.write_text("old")

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "rename" if folder else "replace", full)
    with pytest.raises(DataError, match=r"cannot be written \(no space left\)"):
        write_boxes(SAMPLE, path, name)
    assert [file.name for file in tmp_path.iterdir()] == ([] if folder else [path.name])
    assert folder or path.read_text() == "old"


@every_format
def test_an_older_file_is_replaced_but_a_full_folder_is_not(name, tmp_path):
    path = tmp_path / TARGETS[name]
    write_boxes(SAMPLE, path, name)
    if FORMATS[name].folder:
        with pytest.raises(DataError, match="not an empty folder"):
            write_boxes(SAMPLE, path, name)
        write_boxes(BoxSet(), path, name, overwrite=True)
        assert not read_boxes(path, name, image_root=tmp_path).images
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    else:
        write_boxes(BoxSet(), path, name)
        assert read_boxes(path, name) == BoxSet()


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_a_folder_that_cannot_be_replaced_stays_as_it_was(name, tmp_path, monkeypatch):
    """The old folder is moved away, the new one cannot take its place, the old one comes back."""
    path, move, moved = tmp_path / "out", Path.rename, []
    write_boxes(SAMPLE, path, name)
    before = sorted(path.rglob("*"))

    def full(source, target):
        moved.append(source)
        if len(moved) == 2:
            raise OSError("no space left")
        return move(source, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DataError, match=r"cannot be written \(no space left\)"):
        write_boxes(BoxSet((), {"new.png": (9, 9)}), path, name, overwrite=True)
    assert sorted(path.rglob("*")) == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@every_format
def test_a_missing_path_is_named(name, tmp_path):
    path = tmp_path / "absent" / TARGETS[name]
    with pytest.raises(DataError, match=f"{path.name}: no such"):
        read_boxes(path, name)


@every_format
def test_a_folder_in_place_of_a_file_or_the_reverse(name, tmp_path):
    path = tmp_path / TARGETS[name]
    if FORMATS[name].folder:
        path.write_text("a file")
    else:
        path.mkdir()
    with pytest.raises(DataError, match=path.name):
        read_boxes(path, name)


@pytest.mark.parametrize("name", ["yolo", "labelstudio"])
def test_formats_in_fractions_need_sizes(name, tmp_path, images):
    unknown = BoxSet.of([Box("a.png", 1, 2, 3, 4)])
    path = tmp_path / TARGETS[name]
    with pytest.raises(DataError, match=r"size of every image; unknown for 1, first 'a.png'.*--images"):
        write_boxes(unknown, path, name)
    assert not path.exists()
    write_boxes(unknown, path, name, image_root=images)
    assert read_boxes(path, name, image_root=images).boxes[0].xyxy == (1, 2, 3, 4)


@pytest.mark.parametrize("name", sorted(set(HOLDS) - {"yolo", "labelstudio"}))
def test_other_formats_hold_images_of_unknown_size(name, tmp_path):
    unknown = BoxSet.of([Box("a.png", 1, 2, 3, 4)], {"b.png": None})
    assert round_trip(unknown, name, tmp_path, None) == unknown


def test_sizes_that_a_file_lacks_come_from_the_images(tmp_path, images):
    path = tmp_path / "a.csv"
    path.write_text("image,x1,y1,x2,y2\na,1,2,3,4\nabsent,5,6,7,8\n")
    assert dict(read_boxes(path, image_root=images).images) == {"a": (40, 30), "absent": None}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: read_boxes(path, "cocoa"), "no box format 'cocoa'. Choose from coco, voc, yolo, csv"),
        (lambda path: write_boxes(SAMPLE, path, "cocoa"), "no box format 'cocoa'"),
        (lambda path: write_boxes(SAMPLE, path / "a", "masks"), "masks can be read, but not written"),
        (lambda path: write_boxes(SAMPLE, path / "new"), "does not tell the format. Name one of coco"),
        (lambda path: write_boxes(SAMPLE, path / "data.yaml"), "does not tell the format"),
        (lambda path: write_boxes(SAMPLE, path / "a.json", columns={"image": "i"}), "coco has no columns"),
        (
            lambda path: write_boxes(SAMPLE, path / "a.csv", columns={"name": "i"}),
            "no field 'name'. The fields are",
        ),
    ],
)
def test_wrong_options_name_the_choices(call, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        call(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("image", "name"),
    [("../a.jpg", "voc"), ("/tmp/a.jpg", "yolo"), ("a/../../b.jpg", "voc"), ("C:\\a.jpg", "yolo")],
)
def test_an_image_id_cannot_lead_out_of_the_written_folder(image, name, tmp_path):
    with pytest.raises(DataError, match="leads out of the folder"):
        write_boxes(BoxSet((), {image: (10, 10)}), tmp_path / "new", name)
    assert not list(tmp_path.iterdir())


def test_images_that_differ_in_their_suffix_only(tmp_path):
    two = BoxSet.of([Box("a.png", 1, 2, 3, 4)], {"a.png": (9, 9), "a.jpg": (9, 9)})
    assert round_trip(two, "voc", tmp_path, None) == two
    with pytest.raises(DataError, match=r"another has the same name but for its suffix"):
        write_boxes(two, tmp_path / "yolo", "yolo")


def test_one_voc_file_holds_one_image(tmp_path):
    one = BoxSet.of([Box("a.png", 1, 2, 3, 4)])
    assert not write_boxes(one, tmp_path / "a.xml")
    assert read_boxes(tmp_path / "a.xml") == one
    with pytest.raises(DataError, match="5 images do not fit one VOC file"):
        write_boxes(SAMPLE, tmp_path / "b.xml")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_named_columns_are_written_and_read(suffix, tmp_path):
    columns = {"image": "patientId", "x": "left", "y": "top", "width": "w", "height": "h", "label": "dx"}
    path = tmp_path / f"boxes.{suffix}"
    losses = write_boxes(SAMPLE, path, columns=columns)
    assert {phrase.split(" of ")[0] for phrase in losses.lost} == {
        "the source",
        "the score",
        "the size",
        "the list",
    }
    found = read_boxes(path, columns=columns)
    assert [(box.image, box.label) for box in found.boxes] == [
        (box.image, box.label) for image in SIZES for box in SAMPLE.boxes if box.image == image
    ]
    with pytest.raises(DataError, match=r"no column 'missing' \(label\); there are patientId, left"):
        read_boxes(path, columns={**columns, "label": "missing"})
