import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import write_boxes
from lesioncare.data import Columns, load_table
from lesioncare.errors import ConfigError, DataError
from lesioncare.rawtable import read_header

PLAIN = "image,label\na.png,x\nb.png,y\n"
BOXED = "image,label,x1,y1,x2,y2\na.png,x,{}\nb.png,y,,,,\n"


def test_rows_classes_groups_and_paths(load, folder):
    table = load("image,label,lesion_id\nb.png,y,L1\na.png,x,L1\n")
    assert table.classes == ("x", "y")
    assert table.labels.tolist() == [1, 0]
    assert table.groups.tolist() == ["L1", "L1"]
    assert table.frame["row"].tolist() == [2, 3]
    assert table.frame["path"].tolist() == [str(folder / "b.png"), str(folder / "a.png")]
    assert table.frame["split"].isna().all()
    assert table.class_counts() == {"x": 1, "y": 1}
    assert table.class_counts([0]) == {"x": 0, "y": 1}
    assert (len(table), dict(table.boxes)) == (2, {})


def test_without_group_column_each_image_is_alone(load):
    assert load(PLAIN).groups.tolist() == ["a.png", "b.png"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", "\r\n"),
        '"image","label"\n"a.png","x"\n"b.png","y"',
        " image , label \n a.png , x \n b.png,y\n",
        "image,label\na,x\nb,y\n",
        "image,label\n./a.png,x\n.\\b.png,y\n",
    ],
    ids=["mark", "semicolon", "tab", "crlf", "quotes", "blanks", "stems", "relative"],
)
def test_dialects_read_the_same(load, folder, text):
    table = load(text, Columns())
    assert table.frame["path"].tolist() == [str(folder / "a.png"), str(folder / "b.png")]
    assert table.classes == ("x", "y")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["melanoma in situ", "nävus", "NA"], ("NA", "melanoma in situ", "nävus")),
        (["10", "2", "0"], ("0", "2", "10")),
        (["1.5", "1", "01"], ("01", "1", "1.5")),
        (['a"",b', "a;b", "c"], ('a",b', "a;b", "c")),
    ],
)
def test_labels_stay_text(load, labels, classes):
    lines = [f'{image}.png,"{label}"' for image, label in zip("abc", labels, strict=True)]
    assert load("\n".join(["image,label", *lines])).classes == classes


def test_parquet_reads_like_csv(folder):
    frame = pd.DataFrame({"image": ["a", "b"], "label": [3, 1], "x0": [0.1, None], "y0": [0.1, None]})
    frame = frame.assign(x1=[0.5, None], y1=[0.5, None])
    frame.to_parquet(folder / "table.parquet")
    table = load_table(folder / "table.parquet", Columns.guess(read_header(folder / "table.parquet")))
    assert table.classes == ("1", "3")
    assert table.frame["row"].tolist() == [2, 3]
    np.testing.assert_allclose(table.boxes[0], [[2, 1, 10, 5]])


def test_rows_are_editor_lines_despite_blank_lines_and_line_breaks_in_fields(load):
    table = load('image,label,note\na,x,"one\ntwo"\n\nb,y,\n,,\nc,y,"1\n2\n3"\nd,x,\n')
    assert table.frame["row"].tolist() == [2, 5, 7, 10]


def test_given_classes_keep_their_order_and_may_be_absent(load):
    table = load(PLAIN, classes=["y", "z", "x"])
    assert table.labels.tolist() == [2, 0]
    assert table.class_counts() == {"y": 1, "z": 0, "x": 1}


def test_labels_are_optional_for_prediction(load):
    assert load("image\na\n", require_labels=False, classes=["x", "y"]).labels.tolist() == [-1]
    assert load("image,label\na,\nb,y\n", require_labels=False).labels.tolist() == [-1, 0]


def test_images_folder_beside_the_table_is_found(tmp_path, save_image):
    (tmp_path / "images").mkdir()
    for name in ("a.JPG", "1.2.840.png"):
        save_image(tmp_path / "images" / name)
    (tmp_path / "t.csv").write_text("image,label\na,x\n1.2.840,y\n", encoding="utf-8")
    paths = load_table(tmp_path / "t.csv").frame["path"]
    assert paths.tolist() == [str(tmp_path / "images" / "a.JPG"), str(tmp_path / "images" / "1.2.840.png")]


def test_absolute_image_paths(load, folder):
    assert len(load(f"image,label\n{folder / 'a.png'},x\nb.png,y\n")) == 2


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            ["image_id", "dx", "lesion_id", "x0", "y0", "x1", "y1", "x2", "y2"],
            Columns("image_id", "dx", "lesion_id", None, ("x0", "y0", "x1", "y1")),
        ),
        (["File", "Class", "split", "Xmin", "ymin", "xmax", "ymax"],
         Columns("File", "Class", None, "split", ("Xmin", "ymin", "xmax", "ymax"))),
        (["path", "target", "patient_id", "x1", "y1", "x2", "y2"],
         Columns("path", "target", "patient_id", None, ("x1", "y1", "x2", "y2"))),
        (["name", "x1", "y1"], Columns()),
    ],
)  # fmt: skip
def test_guessed_columns(header, expected):
    assert Columns.guess(header) == expected


@pytest.mark.parametrize(
    ("cells", "pixels"),
    [
        ("0.1,0.2,0.5,0.6", [2, 2, 10, 6]),
        ("-0.005,0,1.01,1", [0, 0, 20, 10]),
        ("2,3,10,6", [2, 3, 10, 6]),
        ("-1,3,21,10.5", [0, 3, 20, 10]),
    ],
    ids=["fraction", "clipped fraction", "pixel", "clipped pixel"],
)
def test_boxes_become_pixels_of_the_image(load, cells, pixels):
    table = load(BOXED.format(cells))
    assert list(table.boxes) == [0]
    assert table.boxes[0].dtype == np.float32
    np.testing.assert_allclose(table.boxes[0], [pixels], rtol=1e-6)
    np.testing.assert_array_equal(table.box_scores[0], np.ones(1, np.float32))


def test_boxes_are_of_the_upright_image(load, folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(folder / "a.png", exif=exif)
    np.testing.assert_allclose(load(BOXED.format("0,0,0.5,0.5")).boxes[0], [[0, 0, 5, 10]])


def test_lines_of_one_image_merge_into_several_boxes(load):
    lines = ["b,y,1,1,4,4", "a,x,,,,", "b.png,y,2,2,8,8", "b,y,1,1,4,4", "c,y,3,3,5,5"]
    table = load("\n".join(["image,label,x1,y1,x2,y2", *lines]))
    assert table.frame["image"].tolist() == ["b", "a", "c"]
    assert {at: boxes.tolist() for at, boxes in table.boxes.items()} == {
        0: [[1, 1, 4, 4], [2, 2, 8, 8]],
        2: [[3, 3, 5, 5]],
    }


def test_box_file_brings_boxes_and_scores(load, folder):
    (folder / "boxes.csv").write_text(
        "image,x1,y1,x2,y2,score\nb,1,1,4,4,0.5\nb.png,0,0,3,3,1\n", encoding="utf-8"
    )
    table = load(BOXED.format("1,1,4,4"), box_file=folder / "boxes.csv")
    assert {at: boxes.tolist() for at, boxes in table.boxes.items()} == {1: [[1, 1, 4, 4], [0, 0, 3, 3]]}
    assert table.box_scores[1].tolist() == [0.5, 1.0]


BOXES = BoxSet.of(
    [Box("b.png", 1, 1, 4, 4, label="y", score=0.25), Box("b.png", 0, 0, 3, 3, label="y")],
    images={"b.png": (20, 10)},
)


@pytest.mark.parametrize("name", ["boxes.json", "boxes.csv", "boxes.parquet", "boxes.xml", "voc", "yolo"])
def test_box_files_may_have_any_format(load, folder, name):
    kind = name if "." not in name else None
    write_boxes(BOXES, folder / name, kind)
    table = load(PLAIN, box_file=folder / name)
    np.testing.assert_allclose(table.boxes[1], [[1, 1, 4, 4], [0, 0, 3, 3]], atol=1e-4)
    assert table.box_scores[1].tolist() == ([1, 1] if name == "yolo" else [0.25, 1])


@pytest.mark.parametrize(("least", "kept"), [(0.25, 2), (0.26, 1)])
def test_less_trusted_boxes_are_left_out(load, folder, least, kept):
    write_boxes(BOXES, folder / "boxes.json")
    assert len(load(PLAIN, box_file=folder / "boxes.json", min_score=least).boxes[1]) == kept


FOUR = [[1, 1, 4, 4], [2, 1, 4, 4], [3, 1, 5, 4], [4, 1, 6, 4]]


@pytest.mark.parametrize(
    ("labels", "kept", "told"),
    [
        (("x", "x", "", "x"), [0, 1, 2, 3], None),
        (("x", "y", "", "x"), [0, 2, 3], "left out 1 box(es) that are named after another class"),
        (("y", "y", "y", "y"), [], "left out 4 box(es)"),
        (("lesion", "lesion", "opacity", ""), [0, 1, 2, 3], None),  # no class is named: what the boxes show
        (("lesion", "x", "x", "x"), [0, 1, 2, 3], "1 box(es) have a label that is no class"),
        (("lesion", "y", "x", "x"), [0, 2, 3], "'a' is 'x', its box 'y'"),
    ],
)
def test_a_box_of_another_class_is_not_the_image_s(load, folder, caplog, labels, kept, told):
    rows = [f"a,{','.join(map(str, box))},{label}" for box, label in zip(FOUR, labels, strict=True)]
    (folder / "boxes.csv").write_text("\n".join(["image,x1,y1,x2,y2,label", *rows]) + "\n", encoding="utf-8")
    table = load(PLAIN, box_file=folder / "boxes.csv")
    assert [box for boxes in table.boxes.values() for box in boxes.tolist()] == [FOUR[at] for at in kept]
    assert (told in caplog.text) if told else not caplog.records


def test_one_number_as_the_label_of_all_boxes_is_no_class(load, folder, caplog):
    (folder / "boxes.csv").write_text("image,x1,y1,x2,y2,label\na,1,1,4,4,0\nb,2,1,4,4,0\n", encoding="utf-8")
    table = load("image,label\na.png,0\nb.png,1\n", box_file=folder / "boxes.csv")
    assert [len(boxes) for boxes in table.boxes.values()] == [1, 1]
    assert not caplog.records


def test_a_class_that_joins_findings_has_the_boxes_of_each(load, folder, caplog):
    (folder / "boxes.csv").write_text("image,x1,y1,x2,y2,label\na,1,1,4,4,x\na,2,1,4,4,y\n", encoding="utf-8")
    table = load("image,label\na.png,x+y\nb.png,y\n", box_file=folder / "boxes.csv")
    assert [len(boxes) for boxes in table.boxes.values()] == [2]
    assert not caplog.records


def test_boxes_of_images_without_a_label_are_all_taken(load, folder):
    (folder / "boxes.csv").write_text("image,x1,y1,x2,y2,label\na,1,1,4,4,x\na,2,1,4,4,y\n", encoding="utf-8")
    table = load(
        "image\na.png\nb.png\n", box_file=folder / "boxes.csv", classes=["x", "y"], require_labels=False
    )
    assert [len(boxes) for boxes in table.boxes.values()] == [2]


@pytest.mark.parametrize("name", ["boxes.json", "boxes.csv"])
def test_boxes_of_other_images_only_are_refused(load, folder, name):
    write_boxes(BoxSet.of([Box("z", 1, 1, 4, 4)]), folder / name)
    with pytest.raises(DataError, match=rf"{name}: no box's image is in .*table.csv; the first is 'z'"):
        load(PLAIN, box_file=folder / name)


@pytest.mark.parametrize("name", ["boxes.json", "boxes.csv"])
def test_boxes_of_images_that_the_table_lacks_are_left_out_and_told(load, folder, name, caplog):
    boxes = [Box("z", 1, 1, 4, 4), Box("y", 1, 1, 4, 4), Box("y", 2, 1, 4, 4)]
    whole = BoxSet.of([*BOXES.boxes, *boxes], dict(BOXES.images) | dict.fromkeys("yz", (9, 9)))
    write_boxes(BOXES, folder / f"own_{name}")
    write_boxes(whole, folder / name)
    table, expected = (load(PLAIN, box_file=folder / file) for file in (name, f"own_{name}"))
    assert {at: found.tolist() for at, found in table.boxes.items()} == {
        at: found.tolist() for at, found in expected.boxes.items()
    }
    assert "left out the boxes of 2 images not in" in caplog.text


def test_a_missing_box_file_is_refused(load, folder):
    with pytest.raises(DataError, match=r"boxes.csv: no such box file or folder"):
        load(PLAIN, box_file=folder / "boxes.csv")


def test_with_boxes_replaces_all_boxes(load):
    table = load(BOXED.format("1,1,4,4")).with_boxes([Box("b", 5, 5, 22, 9, score=0.25)])
    assert {at: boxes.tolist() for at, boxes in table.boxes.items()} == {1: [[5, 5, 20, 9]]}
    assert table.box_scores[1].tolist() == [0.25]
    with pytest.raises(DataError, match="outside its image"):
        table.with_boxes([Box("b", 21, 0, 30, 9)])
    with pytest.raises(DataError, match=r"more than 25% outside its image.*\(5, 5, 30, 9\)"):
        table.with_boxes([Box("b", 5, 5, 30, 9)])


ERRORS = [
    ("", "is empty"),
    ("\nimage,label\na,x\n", "row 1: no column has a name"),
    (",,\na,x,1\n", "row 1: no column has a name"),
    ("image,label\n", "no rows"),
    ("img,label\na,x\n", "no column 'image'; the columns are img, label.*--image-column"),
    ("image,kind\na,x\n", "--label-column"),
    ("image,label,label\na,x,x\n", "'label' is there twice"),
    ("image,label\na,x,z\n", "as many fields"),
    ("image,label\na,x\nb,y,z\n", "line 3.*as many fields"),
    ("image,label\na,x\nb,\nc,\n", "empty label, 2 time.*row 3; row 4"),
    ("image,label,group\na,x,1\nb,y,\n", "empty group.*row 3"),
    ("image,label\na,x\nb,x\n", "only one class, 'x'"),
    ("image,label\na,x\nz,y\n", "1 of 2 rows.*row 3: no file 'z'.*--images"),
    ("image,label\na,x\n,y\n", "row 3: the image is empty"),
    ("image,label\na,x\ntwice,y\n", r"row 3: 'twice' fits .*twice\.jpg and .*twice\.png"),
    ("image,label\na,x\nb,y\na.png,y\n", r"two values of 'label': rows 2 and 4 \(a.png\)"),
    ("image,label,group\na,x,1\nb,y,2\na,x,2\n", "two values of 'group': rows 2 and 4"),
    ("image,label,split\na,x,train\nb,y,test\na,x,test\n", "two values of 'split': rows 2 and 4"),
    (BOXED.format("1,,3,4"), "four numbers empty.*row 2"),
    (BOXED.format("1,2,three,4"), r"not four finite numbers.*row 2 \(1; 2; three; 4\)"),
    (
        BOXED.format('"0,5",2,3,4'),
        r"not four finite numbers.*row 2 \(0,5; 2; 3; 4\).*decimal commas: save the table with",
    ),
    (BOXED.format("1,2,nan,4"), "not four finite numbers"),
    (BOXED.format("1,2,inf,4"), "not four finite numbers"),
    (BOXED.format("5,2,5,4"), r"without area.*row 2 \(5, 2, 5, 4\)"),
    (BOXED.format("5,4,6,2"), "without area"),
    (BOXED.format("20,2,25,4"), r"outside its image.*row 2 \(20, 2, 25, 4\)"),
    (BOXED.format("-0.5,0,0.5,0.5"), "fraction outside.*row 2"),
    (BOXED.format("0.1,0.1,0.5,0.5") + "c,x,1,1,9,9\n", "fractions beside boxes in pixels.*row 2"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_unusable_tables_are_refused_with_reason_and_row(load, folder, save_image, text, message):
    for suffix in ("jpg", "png"):
        save_image(folder / f"twice.{suffix}")
    with pytest.raises(DataError, match=message) as caught:
        load(text)
    assert "table.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["x", "z"]}, "row 3.*The classes are x, z"),
        ({"image_root": "nowhere"}, "nowhere: no such folder"),
        ({"columns": Columns(box_unit="fraction", box=("x1", "y1", "x2", "y2"))}, "--box-columns"),
        ({"columns": Columns(split="fold")}, "--split-column"),
    ],
)
def test_unusable_options_are_refused(load, options, message):
    with pytest.raises(DataError, match=message):
        load(PLAIN, **options)


def test_a_class_named_twice_is_refused(load):
    with pytest.raises(ConfigError, match="twice"):
        load(PLAIN, classes=["x", "x"])


def test_at_most_five_offenders_are_listed(load):
    with pytest.raises(DataError, match=r"7 time.*row 7; row 8; and 2 more|7 time.*row 6; and 2 more"):
        load("image,label\n" + "a,\n" * 7)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no such table"),
        ("none.parquet", None, "no such table"),
        ("utf16.csv", PLAIN.encode("utf-16"), "UTF-8"),
        ("latin.csv", "image,label\na,nävus\n".encode("latin-1"), "UTF-8"),
        ("zip.csv", b"PK\x03\x04\x00\x00", "UTF-8"),
        ("bad.parquet", b"PAR0", "Parquet"),
        ("open.csv", b'image,label\na,"x\nb,y\n', "not a proper table"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_table(tmp_path / name)


@pytest.mark.real_data
def test_ham10000(skin7):
    table = load_table(skin7, Columns.guess(read_header(skin7)))
    assert table.class_counts() == {
        "AKIEC": 327, "BCC": 514, "BKL": 1099, "DF": 115, "MEL": 1113, "NV": 6705, "VASC": 142,
    }  # fmt: skip
    assert len(set(table.groups)) == 7470
    assert len(table.boxes) == 10015
    np.testing.assert_allclose(table.boxes[0], [[60, 2.34, 169.34, 139.665]], rtol=1e-5)
