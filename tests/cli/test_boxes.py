import subprocess
import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from lesioncare.boxes.formats import FORMATS, read_boxes
from lesioncare.cli import boxes
from lesioncare.errors import ConfigError, DataError

TABLE = """image,x1,y1,x2,y2,label,source,score
a.png,1,2,30,40,nv,mbd,0.5
a.png,1,2,30,40,nv,manual,1
b.png,,,,,,,
"""


@pytest.fixture
def table(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (60, 50)).save(tmp_path / "photos" / name)
    (tmp_path / "boxes.csv").write_text(TABLE)
    return tmp_path / "boxes.csv"


def run(*arguments, code=0):
    result = CliRunner().invoke(boxes.boxes_app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_convert_says_what_was_lost(table, tmp_path):
    output = run("convert", table, tmp_path / "out", "--to", "yolo", "--images", tmp_path / "photos")
    assert f"2 boxes on 2 images: {tmp_path / 'out'}" in output
    assert "Lost: yolo cannot hold the source of 1 box; the score of 1 box; the size of 2 images." in output
    assert f"Put the images into {tmp_path / 'out' / 'images'}" in output
    back = read_boxes(tmp_path / "out", image_root=tmp_path / "photos")
    assert [box.xyxy for box in back.boxes] == [(1, 2, 30, 40)] * 2
    assert list(back.images) == ["a.png", "b.png"]


def test_convert_that_loses_nothing_says_nothing_of_it(table, tmp_path):
    output = run("convert", table, tmp_path / "out.json")
    assert "Lost" not in output
    assert "Put the images" not in output
    assert "The size of 2 images is unknown" in output
    assert read_boxes(tmp_path / "out.json").boxes == read_boxes(table).boxes


def test_convert_with_columns_of_any_name(tmp_path):
    (tmp_path / "a.csv").write_text("bild,l,o,r,u\na,1,2,3,4\n")
    mapping = "image=bild, x1=l,y1=o,x2=r,y2=u"
    run(
        "convert",
        tmp_path / "a.csv",
        tmp_path / "b.csv",
        "--columns",
        mapping,
        "--to-columns",
        "image=id,x=x,y=y",
    )
    assert (tmp_path / "b.csv").read_text().splitlines() == ["id,x,y", "a,1.0,2.0"]
    with pytest.raises(ConfigError, match="columns are named as in image=name"):
        run("convert", tmp_path / "a.csv", tmp_path / "c.csv", "--columns", "image")


@pytest.mark.parametrize(
    "words", [("out.csv",), ("out.json",), ("out", "--to", "yolo"), ("out", "--to", "voc")]
)
def test_convert_replaces_nothing_unless_it_is_told_to(table, tmp_path, words):
    """A source that cannot be read shows that the target is looked at first."""
    target, rest = tmp_path / words[0], (*words[1:], "--images", tmp_path / "photos")
    run("convert", table, target, *rest)
    before = {path: path.is_file() and path.read_bytes() for path in [target, *target.rglob("*")]}
    with pytest.raises(DataError, match=f"{target}: already there.*ame another.*--overwrite"):
        run("convert", tmp_path / "absent.csv", target, *rest)
    assert {path: path.is_file() and path.read_bytes() for path in [target, *target.rglob("*")]} == before
    table.write_text(TABLE.replace("a.png,1,2,30,40,nv,manual,1\n", ""))
    run("convert", table, target, *rest, "--overwrite")
    assert len(read_boxes(target, image_root=tmp_path / "photos").boxes) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"boxes.csv", "photos", target.name}


@pytest.mark.parametrize(("kind", "file"), [("voc", "a.xml"), ("yolo", "labels/a.txt"), ("yolo", "a.txt")])
def test_overwrite_deletes_no_folder_that_holds_more_than_boxes(table, tmp_path, kind, file):
    """Only notes, or photos beside boxes: someone has named the wrong folder."""
    mine = tmp_path / "mine"
    (mine / file).parent.mkdir(parents=True)
    (mine / file).touch()
    if file != "a.txt":
        (mine / "photo.jpg").touch()
    with pytest.raises(DataError, match="mine: holds 1 file without boxes of this format, first"):
        run("convert", table, mine, "--to", kind, "--images", tmp_path / "photos", "--overwrite")
    assert (mine / file).exists()


def test_convert_names_a_folder_in_the_place_of_the_file(table, tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path / 'photos'}: is a folder. Name a file"):
        run("convert", table, tmp_path / "photos", "--to", "csv", "--overwrite")
    with pytest.raises(DataError, match=f"{table}: already there, and a file"):
        run("convert", table, table, "--to", "voc", "--overwrite")


def test_check_says_that_it_took_pictures_for_masks(tmp_path):
    mask = Image.new("L", (20, 20))
    mask.paste(255, (1, 1, 9, 9))
    mask.save(tmp_path / "a.png")
    assert "1 box on 1 image, around what is bright in masks: nothing to report" in run("check", tmp_path)


def test_masks_become_boxes(tmp_path):
    mask = Image.new("L", (20, 20))
    mask.paste(255, (1, 1, 5, 5))
    mask.paste(255, (8, 8, 12, 14))
    (tmp_path / "masks").mkdir()
    mask.save(tmp_path / "masks" / "a_segmentation.png")
    run("convert", tmp_path / "masks", tmp_path / "one.csv")
    run("convert", tmp_path / "masks", tmp_path / "two.csv", "--components")
    assert [box.xyxy for box in read_boxes(tmp_path / "one.csv").boxes] == [(1, 1, 12, 14)]
    assert [box.xyxy for box in read_boxes(tmp_path / "two.csv").boxes] == [(1, 1, 5, 5), (8, 8, 12, 14)]


def test_show_draws_a_sheet(table, tmp_path):
    output = run("show", table, "--images", tmp_path / "photos", "-o", tmp_path / "sheet.png", "--limit", 1)
    assert f"1 of 2 images: {tmp_path / 'sheet.png'}" in output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("report.html", ConfigError, r"report.html: a sheet is a picture. Name a .png, .jpg or .jpeg file"),
        ("photos/a.png", DataError, r"a.png: is there, and is no sheet that lesioncare drew. Name another"),
    ],
)
def test_show_replaces_no_file_of_the_user(table, tmp_path, name, error, message):
    """A source that cannot be read shows that the target is looked at first."""
    (tmp_path / "report.html").write_text("<!doctype html>")
    before = (tmp_path / name).read_bytes()
    for source in (table, tmp_path / "absent.csv"):
        with pytest.raises(error, match=message):
            run("show", source, "--images", tmp_path / "photos", "--output", tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_stats_counts(table, tmp_path):
    output = run("stats", table, "--images", tmp_path / "photos")
    assert "2 boxes on 2 images, of which 1 has none" in output
    for words in ("nv", "mbd", "manual", "shorter side, px", "share of the image", "score"):
        assert words in output
    (tmp_path / "empty.csv").write_text("image,x1,y1,x2,y2\n")
    assert "0 boxes on 0 images" in run("stats", tmp_path / "empty.csv")


def test_check_lists_and_ends_with_1(table, tmp_path):
    output = run("check", table, "--images", tmp_path / "photos", "--classes", "mel, df", code=1)
    assert "2 boxes on 2 images: 2 x unknown class, 1 x duplicate" in output
    assert "duplicate: a.png: box 1.0, 2.0, 30.0, 40.0" in output
    (tmp_path / "photos" / "b.png").write_bytes(b"broken")
    assert "image unreadable: b.png" in run("check", table, "--images", tmp_path / "photos", code=1)


def test_check_of_good_boxes_ends_with_0(tmp_path):
    (tmp_path / "a.csv").write_text("image,x1,y1,x2,y2\na,1,2,30,40\n")
    assert "1 box on 1 image: nothing to report" in run("check", tmp_path / "a.csv")


def test_names_are_printed_as_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("image,x1,y1,x2,y2,label\n[bold]a,1,2,30,40,[red]nv\n")
    assert "[red]nv" in run("stats", tmp_path / "a.csv")
    assert "[bold]a" in run("check", tmp_path / "a.csv", "--classes", "mel", code=1)


def test_errors_are_left_to_the_edge_of_the_command_line(tmp_path):
    with pytest.raises(DataError, match="no such box file"):
        run("stats", tmp_path / "absent.csv")


def test_the_help_names_every_format():
    listed = {name.strip() for name in boxes.FORMATS.split(",")}
    assert listed == {name for name, entry in FORMATS.items() if entry.write is not None}


def test_help_loads_no_table_library():
    """In a fresh process, since others have loaded them here."""
    heavy = "{'torch', 'pandas', 'pyarrow'}"
    code = f"import sys; from lesioncare.cli import boxes; print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_control_moves_the_boxes_and_keeps_the_rest(table, tmp_path):
    run("control", table, tmp_path / "c.csv", "--images", tmp_path / "photos", "--place", "centre")
    moved = read_boxes(tmp_path / "c.csv")
    assert [box.xyxy for box in moved.boxes] == [(15.5, 6, 44.5, 44)] * 2  # 29 x 38 in 60 x 50
    assert {box.source for box in moved.boxes} == {"control, centre"}
    run("control", table, tmp_path / "d.csv", "--images", tmp_path / "photos")
    assert {box.source for box in read_boxes(tmp_path / "d.csv").boxes} == {"control, anywhere"}
    with pytest.raises(DataError, match="overwrite"):
        run("control", table, tmp_path / "d.csv", "--images", tmp_path / "photos")
    with pytest.raises(DataError, match="--images"):
        run("control", table, tmp_path / "e.csv")


def test_an_option_that_is_missing_is_named_as_on_the_command_line(tmp_path):
    (tmp_path / "a.csv").write_text("image,x1,y1,x2,y2\na,.1,.2,.3,.4\n")
    (tmp_path / "b.csv").write_text("image,x1,y1,x2,y2\na,1,2,3,4\n")
    (tmp_path / "yolo" / "labels").mkdir(parents=True)
    (tmp_path / "yolo" / "labels" / "a.txt").write_text("0 .5 .5 .1 .1\n")
    (tmp_path / "yolo" / "classes.txt").write_text("nv\n")
    for words in (("a.csv", "c.csv"), ("b.csv", "c", "--to", "yolo"), ("yolo", "c.csv")):
        with pytest.raises(DataError, match="Name the folder of the images with --images"):
            run("convert", tmp_path / words[0], tmp_path / words[1], *words[2:])


def test_control_says_how_much_it_still_covers_and_keeps_the_true_boxes(table, tmp_path):
    output = run("control", table, tmp_path / "c.csv", "--images", tmp_path / "photos", "--place", "centre")
    # (1, 2, 30, 40) and (15.5, 6, 44.5, 44) share 14.5 x 34 of 29 x 38
    assert "They cover 45% of the true boxes on average; 0% touch none, 0% cover more than half" in output
    with pytest.raises(ConfigError, match="would be lost"):
        run("control", table, table, "--images", tmp_path / "photos", "--overwrite")
    assert table.read_text() == TABLE
