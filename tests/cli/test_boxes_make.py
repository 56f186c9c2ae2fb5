"""`lesioncare boxes make`, from a folder or a table to a box file that training reads."""

import json
import sys

import cv2
import numpy as np
import pytest
from torch import nn

from lesioncare.boxes.formats import read_boxes
from lesioncare.boxes.generation import METHODS, make_boxes
from lesioncare.boxes.generation.maker import box_iou
from lesioncare.boxes.segmentation import SegmenterSpec, save_segmenter
from lesioncare.cli import boxes_make

MOLES = {"one.png": (8, 10), "two.png": (20, 14), "sub/three.png": (14, 8)}
SIDE = 16
MAKE = ("boxes", "make", "--method", "colour")


@pytest.fixture
def photos(tmp_path):
    """Dark squares on skin, each at its corner; noise makes one image's box less sure."""
    noise = np.random.default_rng(0).normal(0, 25, (40, 48, 3))
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name, (left, top) in MOLES.items():
        pixels = np.full((40, 48, 3), (225, 185, 165), np.uint8)
        pixels[top : top + SIDE, left : left + SIDE] = (90, 50, 40)
        if name == "two.png":
            pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / name), pixels[..., ::-1])
    return folder


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("image,label\none,nv\nsub/three,nv\ntwo,df\n")
    return path


@pytest.mark.parametrize("name", ["boxes.json", "boxes.csv", "boxes.parquet"])
def test_boxes_lie_on_the_moles(run, photos, tmp_path, name):
    code, shown, _ = run(*MAKE, photos, "-o", tmp_path / name)
    assert code == 0
    made = read_boxes(tmp_path / name)
    assert {box.image for box in made.boxes} == set(made.images) == set(MOLES)
    for box in made.boxes:
        left, top = MOLES[box.image]
        np.testing.assert_allclose(box.xyxy, (left, top, left + SIDE, top + SIDE), atol=2.5)
    assert {box.source for box in made.boxes} == {"colour"}
    mean = np.mean([box.score for box in made.boxes])
    assert f"3 boxes on 3 images: {tmp_path / name}" in shown
    assert f"Mean score {mean:.2f}; 0 least trusted" in shown
    assert "for dermoscopy only: on chest X-rays and ultrasound they fail, and their scores mean no" in shown
    assert "no box" not in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "photos"]  # nothing is left behind


def test_the_shipped_segmenter_is_the_default(run, photos, tmp_path):
    assert run("boxes", "make", photos, "-o", tmp_path / "boxes.json")[0] == 0
    made = read_boxes(tmp_path / "boxes.json")
    assert {box.source for box in made.boxes} == {"segmenter"}
    assert {box.image for box in made.boxes} == set(MOLES)
    for box in made.boxes:
        left, top = MOLES[box.image]
        assert box_iou(box.xyxy, [(left, top, left + SIDE, top + SIDE)])[0] > 0.5


def test_a_segmenter_of_ones_own_by_its_path(run, photos, tmp_path, monkeypatch):
    """A convolution that says how dark a pixel is: 20 (1 - sum of the channels)."""
    network = nn.Conv2d(3, 1, 1)
    nn.init.constant_(network.weight, -20.0)
    nn.init.constant_(network.bias, 20.0)
    spec = SegmenterSpec(size=(40, 48), mean=(0, 0, 0), std=(1, 1, 1))
    monkeypatch.setattr("lesioncare.boxes.segmentation.file.TinyUNet", lambda: nn.Conv2d(3, 1, 1))
    save_segmenter(tmp_path / "dark.safetensors", spec, network.state_dict())
    monkeypatch.chdir(tmp_path)
    words = ("boxes", "make", photos, "--method", "segmentation:dark.safetensors", "-o", "boxes.json")
    code, shown, error = run(*words)
    assert code == 0, error
    assert "dermoscopy" not in shown
    made = read_boxes(tmp_path / "boxes.json")
    assert {box.source for box in made.boxes} == {"segmentation:dark"}
    for box in made.boxes:
        left, top = MOLES[box.image]
        np.testing.assert_allclose(box.xyxy, (left, top, left + SIDE, top + SIDE), atol=1.5)


def test_images_without_a_box_are_counted(run, photos, tmp_path):
    for number in range(2):
        cv2.imwrite(str(photos / f"flat{number}.png"), np.full((40, 48, 3), 200, np.uint8))
    words = (*MAKE, photos, "-o", tmp_path / "boxes.json", "--overwrite")
    assert "Images on which colour found no box: 2" in run(*words)[1]
    for name in MOLES:
        (photos / name).unlink()
    code, shown, _ = run(*words)
    assert code == 0
    assert "0 boxes on 2 images" in shown
    assert "Warning: colour found no box on any image, and the file holds none." in shown
    made = read_boxes(tmp_path / "boxes.json")
    assert (len(made.boxes), set(made.images)) == (0, {"flat0.png", "flat1.png"})


@pytest.mark.slow
def test_ray_writes_the_same_file(run, photos, tmp_path):
    pytest.importorskip("ray", reason="needs the extra lesioncare[ray]")
    for name, words in (("one.json", ()), ("ray.json", ("--ray", "local", "--workers", 2))):
        code, _, error = run("boxes", "make", photos, "-o", tmp_path / name, *words)
        assert code == 0, error
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "ray.json").read_bytes()


def test_ray_says_what_to_install(run, photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, error = run(*MAKE, photos, "-o", tmp_path / "boxes.json", "--ray", "local")
    assert code == 2
    assert "pip install 'lesioncare[ray]'" in error


def test_an_interrupted_run_goes_on(run, photos, tmp_path):
    output, partial = tmp_path / "boxes.json", tmp_path / "boxes.json.partial"
    make_boxes({"one.png": photos / "one.png"}, "colour", resume=partial)
    header, line = partial.read_text().splitlines()
    remembered = json.loads(line)
    remembered["found"]["score"] = 0.125  # would not come out of the image
    partial.write_text(f"{header}\n{json.dumps(remembered)}\n")
    assert run(*MAKE, photos, "-o", output)[0] == 0
    scores = {box.image: box.score for box in read_boxes(output).boxes}
    assert scores["one.png"] == 0.125
    assert min(scores["two.png"], scores["sub/three.png"]) > 0.5
    assert not partial.exists()


def test_an_interrupted_run_of_another_method_is_refused(run, photos, tmp_path):
    make_boxes({}, "otsu", resume=tmp_path / "boxes.json.partial")
    code, _, error = run(*MAKE, photos, "-o", tmp_path / "boxes.json")
    assert code == 2
    assert "another method" in error


def test_boxes_that_are_there_are_replaced_only_where_it_is_said(run, photos, tmp_path):
    """An unreadable image shows that the refusal comes first."""
    output = tmp_path / "boxes.csv"
    output.write_text("drawn by hand")
    (photos / "bad.png").write_bytes(b"no image")
    code, _, error = run(*MAKE, photos, "-o", output)
    assert code == 2
    assert f"{output}: already there. Name another file, or give --overwrite" in error
    assert output.read_text() == "drawn by hand"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes.csv", "photos"]
    words = ("-o", output, "--skip-bad", "--overwrite", "--show")
    assert run(*MAKE, photos, *words, 1)[0] == 0
    assert len(read_boxes(output).boxes) == 3
    older = (tmp_path / "boxes.png").read_bytes()
    assert run(*MAKE, photos, *words, 3)[0] == 0
    assert (tmp_path / "boxes.png").read_bytes() != older  # a picture of the boxes, no work of anybody


def test_a_picture_that_is_no_sheet_is_kept(run, photos, tmp_path):
    """As where boxes are written beside the photographs; it is looked at before any work."""
    photo = (photos / "one.png").read_bytes()
    words = (*MAKE, photos, "-o", photos / "one.csv")
    code, _, error = run(*words, "--show", 2)
    assert code == 2
    assert "one.png: is there, and is no sheet that lesioncare drew. Name another file (--output)" in error
    assert (photos / "one.png").read_bytes() == photo
    assert not list(photos.glob("one.csv*"))
    assert run(*words)[0] == 0


def test_unreadable_images_are_listed_or_skipped(run, photos, tmp_path):
    (photos / "bad.png").write_bytes(b"no image")
    words = (*MAKE, photos, "-o", tmp_path / "boxes.json")
    code, _, error = run(*words)
    assert code == 2
    assert "1 of 4 images cannot be read" in error
    assert "\n  bad.png: not a readable image (no known format" in error
    assert error.count("bad.png") == 1
    assert "skip them with --skip-bad" in error
    assert not (tmp_path / "boxes.json").exists()
    code, shown, _ = run(*words, "--skip-bad")
    assert code == 0
    assert "Skipped, as they cannot be read: 1\nbad.png: " in shown
    assert set(read_boxes(tmp_path / "boxes.json").images) == set(MOLES)


def test_min_score_drops_boxes_and_keeps_their_images(run, photos, tmp_path):
    words = (*MAKE, photos, "-o", tmp_path / "boxes.json")
    run(*words)
    scores = sorted(box.score for box in read_boxes(tmp_path / "boxes.json").boxes)
    least = (scores[0] + scores[1]) / 2
    assert scores[0] < least
    _, shown, _ = run(*words, "--min-score", least, "--overwrite")
    made = read_boxes(tmp_path / "boxes.json")
    assert sorted(box.score for box in made.boxes) == scores[1:]
    assert set(made.images) == set(MOLES)
    assert "Dropped for their score: 1" in shown


@pytest.mark.parametrize(
    ("classes", "images"),
    [("all", {"one", "two", "sub/three"}), ("df", {"two"}), ("nv", {"one", "sub/three"})],
)
def test_a_table_chooses_the_images_and_gives_their_ids(run, photos, table, tmp_path, classes, images):
    output = tmp_path / "boxes.csv"
    assert run(*MAKE, photos, "--table", table, "--classes", classes, "-o", output)[0] == 0
    assert {box.image for box in read_boxes(output).boxes} == images


@pytest.mark.parametrize("name", ["boxes.csv", "boxes.json", "boxes.parquet"])
def test_a_box_has_the_class_of_its_image(run, photos, table, tmp_path, name):
    """Where the table says it: a row without a class, or a table without that column, gives none."""
    output = tmp_path / name
    words = (*MAKE, photos, "--table", table, "-o", output, "--overwrite")

    def labels(*more):
        code, _, error = run(*words, *more)
        assert code == 0, error
        return {box.image: box.label for box in read_boxes(output).boxes}

    assert labels() == {"one": "nv", "two": "df", "sub/three": "nv"}
    assert labels("--classes", "df") == {"two": "df"}
    table.write_text("image,kind\none,nv\ntwo,\n")
    assert labels() == {"one": None, "two": None}
    assert labels("--label-column", "kind") == {"one": "nv", "two": None}


@pytest.mark.parametrize(
    ("words", "images"),
    [("--skip-classes nv", {"two"}), ("--classes nv,df --skip-classes df", {"one", "sub/three"})],
)
def test_classes_can_be_left_out(run, photos, table, tmp_path, words, images):
    output = tmp_path / "boxes.csv"
    assert run(*MAKE, photos, "--table", table, *words.split(), "-o", output)[0] == 0
    assert {box.image for box in read_boxes(output).boxes} == images


@pytest.mark.parametrize("name", ["normal", "No_Finding", "healthy"])
def test_a_class_without_lesions_is_warned_of(run, photos, table, tmp_path, name):
    table.write_text(f"image,label\none,{name}\nsub/three,{name}\ntwo,df\n")
    words = (*MAKE, photos, "--table", table, "-o", tmp_path / "boxes.csv", "--overwrite")
    warning = f"Warning: by its name, {name!r} has no lesion, and boxes will be made on its images (2)"
    assert warning in run(*words)[1]
    assert "Warning" not in run(*words, "--skip-classes", name)[1]
    assert {box.image for box in read_boxes(tmp_path / "boxes.csv").boxes} == {"two"}
    assert "Warning" not in run(*words, "--classes", "df")[1]


def test_the_numbers_of_the_classes_are_those_of_the_whole_table(run, photos, table, tmp_path):
    assert run(*MAKE, photos, "--table", table, "--classes", "nv", "-o", tmp_path / "boxes.json")[0] == 0
    assert read_boxes(tmp_path / "boxes.json").classes == ("df", "nv")


def test_rare_classes_are_counted_over_the_table(run, photos, tmp_path):
    for number in range(7):
        cv2.imwrite(str(photos / f"{number}.png"), cv2.imread(str(photos / "one.png")))
    rows = "".join(f"{number},nv\n" for number in range(7))
    (tmp_path / "table.csv").write_text(f"image,label\n{rows}two,df\n")
    words = (*MAKE, photos, "--table", tmp_path / "table.csv", "-o", tmp_path / "boxes.csv")
    assert run(*words, "--classes", "rare")[0] == 0
    assert [box.image for box in read_boxes(tmp_path / "boxes.csv").boxes] == ["two"]


def test_a_table_beside_its_images_is_enough(run, photos, tmp_path):
    (photos / "table.csv").write_text("image\none\ntwo\n")
    assert run(*MAKE, photos / "table.csv", "-o", tmp_path / "boxes.json")[0] == 0
    assert set(read_boxes(tmp_path / "boxes.json").images) == {"one", "two"}


def test_show_draws_the_least_trusted(run, photos, tmp_path):
    _, shown, _ = run(*MAKE, photos, "-o", tmp_path / "boxes.json", "--show", 2)
    assert f"2 of 3 images: {tmp_path / 'boxes.png'}" in shown
    assert cv2.imread(str(tmp_path / "boxes.png")) is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "magic"), "no method is called 'magic': choose one of border, colour, consensus"),
        (("--method", "segmentation:lost.onnx"), "lost.onnx: no such file or folder of a segmenter"),
        (("--method", "segmentation:table.csv"), "table.csv: not a known kind of segmenter. Give a"),
        (("--method", "segmentation:"), "error: segmentation: lacks the path of a segmenter behind it. Give"),
        (
            ("--method", "segmentation:net@"),
            "error: segmentation:net@ lacks the path of a segmenter behind it",
        ),
        (("--classes", "df"), "--classes df needs a table"),
        (("--skip-classes", "df"), "--skip-classes needs a table"),
        (("--table", "table.csv", "--skip-classes", "MEL"), "--skip-classes: table.csv has no class 'MEL'"),
        (("--table", "table.csv", "--skip-classes", "nv,df"), "--skip-classes: no class is left"),
        (("--table", "table.csv", "--classes", "rare"), "table.csv has no rare class"),
        (
            ("--table", "table.csv", "--classes", "MEL, df"),
            "error: --classes: table.csv has no class 'MEL'. It has 'df', 'nv'; all and rare can be named",
        ),
        (
            ("--table", "table.csv", "--label-column", "dx"),
            "table.csv: no column 'dx'; the columns are image, l",
        ),
        (("--table", "odd.csv"), "odd.csv: a class must be text of 1 to 1000 characters"),
        (("-o", "boxes.xml"), r"boxes.xml: name a .json (COCO), .csv or .parquet file"),
        (("-o", "boxes"), "boxes: name a .json"),
        (("-o", "photos.json"), "photos.json: is a folder"),
    ],
)
def test_what_cannot_work_is_refused_before_the_work(
    run, photos, table, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.json").mkdir()
    (tmp_path / "odd.csv").write_text("image,label\none,n\x7fv\n")
    before = sorted(tmp_path.iterdir())
    code, _, error = run("boxes", "make", photos, *words)
    assert code == 2
    assert message in error
    assert sorted(tmp_path.iterdir()) == before


def test_a_table_of_more_than_the_folder_holds_is_told_without_options_that_are_not_here(
    run, photos, table, tmp_path
):
    table.write_text(table.read_text() + "lost,df\n")
    code, _, error = run("boxes", "make", photos, "--table", table, "-o", tmp_path / "boxes.json")
    assert code == 2
    assert "no file 'lost'" in error
    assert "Correct the table, or remove these rows." in " ".join(error.split())
    assert "--images" not in error
    (photos / "table.csv").write_text("image\none\nlost\n")
    code, _, error = run("boxes", "make", photos / "table.csv", "-o", tmp_path / "boxes.json")
    assert code == 2
    assert "give their folder before --table" in " ".join(error.split())
    assert "--images" not in error


def test_sources_without_images_are_refused(run, table, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, message in (
        ((tmp_path / "empty",), "holds no images"),
        ((tmp_path / "absent",), "no such table"),
        ((tmp_path / "absent", "--table", table), "no such folder of images"),
    ):
        code, _, error = run("boxes", "make", *words, "-o", tmp_path / "boxes.json")
        assert code == 2
        assert message in error


@pytest.mark.slow
@pytest.mark.parametrize("name", ["boxes.csv", "boxes.json"])
def test_training_reads_the_boxes(run, train_words, tiny, tmp_path, name):
    output = tmp_path / name
    assert run(*MAKE, tiny, "--classes", "all", "-o", output)[0] == 0
    words = [*train_words, "--boxes", output, "--output", tmp_path / "run", "--min-score", "0.1"]
    code, _, error = run(*words)
    assert code == 0, error
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["data"]["min_score"] == 0.1


def test_the_help_names_every_method_and_shows_examples(run):
    assert {name.strip() for name in boxes_make.METHODS.split(",")} == set(METHODS)
    code, shown, _ = run("boxes", "make", "--help")
    assert code == 0
    assert "lesioncare boxes make " in shown.split("Examples")[1]
    assert "ultrasound" in shown
