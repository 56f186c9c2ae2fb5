"""Whatever the bytes, a reader gives boxes or says what to mend."""

import json
import shutil
import struct
import tracemalloc
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lesioncare.boxes import BoxSet
from lesioncare.boxes.formats import FORMATS, bounds, read_boxes, write_boxes
from lesioncare.errors import DataError, LesionCareError

from .cases import SAMPLE, SIZES, TARGETS, draw_images

ONE = BoxSet(
    tuple(box for box in SAMPLE.boxes if box.image == "a.png"), {"a.png": SIZES["a.png"]}, SAMPLE.classes
)
# Format, what is read, and the file in it that is mutated.
INPUTS = {
    "coco": ("coco", "boxes.json", "boxes.json"),
    "voc": ("voc", "a.xml", "a.xml"),
    "yolo labels": ("yolo", "dataset", "dataset/labels/a.txt"),
    "yolo names": ("yolo", "dataset", "dataset/data.yaml"),
    "csv": ("csv", "boxes.csv", "boxes.csv"),
    "rsna": ("rsna", "rsna.csv", "rsna.csv"),
    "parquet": ("parquet", "boxes.parquet", "boxes.parquet"),
    "labelstudio": ("labelstudio", "tasks.json", "tasks.json"),
    "masks": ("masks", "a_mask.png", "a_mask.png"),
}
TOKENS = [
    *(b"", b"-1", b"1e999", b"nan", b"9" * 400, b"[" * 2000, b"null", b"\xff", b"\0", b"\n", b'"', b"</a>"),
    *(b"&x;", b"<!DOCTYPE a>", b"*a", b"{}", b"\\ud800", b",", b"\x00\x00\xff\xff"),
]
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(TOKENS) | st.binary(max_size=4)),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    draw_images(folder / "images")
    for name in set(FORMATS) - {"masks", "voc", "yolo"}:
        write_boxes(SAMPLE, folder / TARGETS[name], name)
    write_boxes(ONE, folder / "a.xml")
    write_boxes(ONE, folder / "dataset", "yolo")
    mask = Image.new("L", SIZES["a.png"])
    mask.paste(255, (3, 4, 10, 20))
    mask.save(folder / "a_mask.png")
    return folder


def read(folder, case):
    name, path, _ = INPUTS[case]
    root = folder / "images" if name in {"yolo", "masks"} else None
    return read_boxes(folder / path, name, image_root=root, components=True)


def check_outcome(case, folder):
    """Boxes, or an error of ours that names a file; any other exception goes through."""
    try:
        found, message = read(folder, case), ""
    except LesionCareError as error:
        found, message = None, str(error)
    assert isinstance(found, BoxSet) or str(folder) in message


@pytest.mark.parametrize("case", INPUTS)
def test_the_unmutated_inputs_are_fine(case, valid):
    assert read(valid, case).boxes


def test_every_reader_is_mutated():
    assert {name for name, _, _ in INPUTS.values()} == set(FORMATS)


@pytest.mark.parametrize("case", INPUTS)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(edits=edits)
def test_mutated_bytes_give_boxes_or_a_lesioncare_error(case, valid, edits):
    file = valid / INPUTS[case][2]
    before = file.read_bytes()
    data = before
    for place, length, token in edits:
        at = int(place * len(data))
        data = data[:at] + token + data[at + length :]
    try:
        file.write_bytes(data)
        check_outcome(case, valid)
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize("case", INPUTS)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=60))
def test_any_bytes_give_boxes_or_a_lesioncare_error(case, valid, data):
    file = valid / INPUTS[case][2]
    before = file.read_bytes()
    try:
        file.write_bytes(data)
        check_outcome(case, valid)
    finally:
        file.write_bytes(before)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("case", ["coco", "labelstudio"])
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_json_value_anywhere_gives_boxes_or_a_lesioncare_error(case, valid, data):
    file = valid / INPUTS[case][2]
    before = file.read_text()
    document = json.loads(before)
    node = document
    while True:
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(json_values)
    try:
        file.write_text(json.dumps(document))
        check_outcome(case, valid)
    finally:
        file.write_text(before)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
NAME = "<annotation><filename>&l9;</filename></annotation>"
BOMBS = {
    "billion laughs": f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>{NAME}',
    "external entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
    "external document type": '<!DOCTYPE annotation SYSTEM "http://localhost/a.dtd"><annotation/>',
}


@pytest.mark.parametrize("name", BOMBS)
def test_xml_with_a_document_type_is_refused_at_once(name, tmp_path):
    (tmp_path / "a.xml").write_text(BOMBS[name])
    with (
        traced(),
        pytest.raises(DataError, match=r"a\.xml: declares a document type or entities; remove them"),
    ):
        read_boxes(tmp_path / "a.xml")


class traced:  # noqa: N801  reads as a statement
    """Less than 50 MB of Python memory; no time is asserted, but memory is what a bomb would take first."""

    def __enter__(self):
        tracemalloc.start()

    def __exit__(self, *_):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 50e6


def png(width, height, body=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (13_000, 13_000)])
def test_a_png_that_claims_gigabytes_is_refused_at_once(size, tmp_path):
    (tmp_path / "a.png").write_bytes(png(*size, zlib.compress(bytes(1000))))
    with traced(), pytest.raises(DataError, match=r"a\.png: the image claims"):
        read_boxes(tmp_path / "a.png")


def test_a_png_is_taken_by_its_first_bytes_not_its_name(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(DataError, match="not a PNG image"):
        read_boxes(tmp_path / "a.png")


DEEP = 200_000
DEEP_INPUTS = {
    "coco": ("a.json", '{"a":' * DEEP),
    "labelstudio": ("a.json", "[" * DEEP),
    "voc": ("a.xml", "<annotation>" + "<a>" * DEEP + "</a>" * DEEP + "</annotation>"),
}


@pytest.mark.parametrize("name", DEEP_INPUTS)
def test_deep_nesting_is_no_crash(name, tmp_path):
    file, text = DEEP_INPUTS[name]
    (tmp_path / file).write_text(text)
    try:
        message = str(read_boxes(tmp_path / file, name).boxes)
    except DataError as error:
        message = str(error)
    assert message == "()" or file in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nnames: *b\n", "not a plain name"),
        (
            "a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nnames: {<<: [*b, *b, *b]}\n",
            "number them from 0|not a plain name",
        ),
        ("names: &n [*n]\n", "not a plain name"),
        ("names: " + "[" * 5000, "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "'names' must list the classes"),
        ("names: {0: a, 2: b}", "number them from 0 without a gap"),
        ("names: {0: a, 1: [b]}", "not a plain name"),
        ("[a, b]", "'names' must list the classes"),
        ("? [a]\n: b\nnames: [nv, nv]", "the class 'nv' is there twice"),
        ("\x01", "not valid YAML"),
    ],
)
def test_yaml_builds_no_objects(text, message, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_boxes(tmp_path, "yolo")


def test_files_beyond_the_limit_are_not_read(tmp_path):
    for name, suffix in {
        "coco": "json",
        "csv": "csv",
        "parquet": "parquet",
        "voc": "xml",
        "labelstudio": "json",
    }.items():
        path = tmp_path / f"{name}.{suffix}"
        with path.open("wb") as file:
            file.truncate(513 * 2**20)  # sparse
        with traced(), pytest.raises(DataError, match=rf"{path.name}: larger than \d+ bytes"):
            read_boxes(path, name)


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"yolo"}))
def test_too_many_boxes_are_refused(name, tmp_path, monkeypatch):
    path = tmp_path / TARGETS[name]
    write_boxes(SAMPLE, path, name)
    monkeypatch.setattr(bounds, "MAX_BOXES", 4)
    with pytest.raises(DataError, match=r"the limit is 4\. Split the file"):
        read_boxes(path, name)


def test_parquet_that_claims_more_rows_than_it_can_hold(tmp_path):
    rows = 30_000_000
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": pa.nulls(rows)}), path)  # nulls take no space at all
    assert path.stat().st_size < 1_000_000
    with traced(), pytest.raises(DataError, match="30000000 rows; the limit is 2000000"):
        read_boxes(path)


@pytest.mark.parametrize("stored", ["dictionary", "plain text"])
def test_parquet_that_repeats_a_long_text(stored, tmp_path):
    """Ten gigabytes of text, once unpacked, in a file of a few kilobytes."""
    rows = 100_000
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 100_000]))
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": text}), path, store_schema=stored == "dictionary")
    assert path.stat().st_size < 300_000
    before = pa.default_memory_pool().max_memory()
    with traced(), pytest.raises(DataError, match="a text of more than 10000 bytes"):
        read_boxes(path)
    assert pa.default_memory_pool().max_memory() - before < 50e6


def test_parquet_with_thousands_of_other_columns_reads_its_own(tmp_path):
    others = {f"feature {number}": pa.array([0.5]) for number in range(3000)}
    own = {
        name: pa.array([value]) for name, value in zip(("x1", "y1", "x2", "y2"), (1, 2, 30, 40), strict=True)
    }
    pq.write_table(pa.table({**others, "image": pa.array(["a"]), **own}), tmp_path / "a.parquet")
    assert read_boxes(tmp_path / "a.parquet").boxes[0].xyxy == (1, 2, 30, 40)
    pq.write_table(pa.table({"picture": pa.array(["a"]), **own}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="no column image; there are picture, x1, y1, x2, y2"):
        read_boxes(tmp_path / "b.parquet")


def test_noise_in_a_mask_is_not_a_thousand_lesions(tmp_path):
    mask = Image.new("L", (200, 200))
    for x in range(0, 200, 4):
        for y in range(0, 200, 4):
            mask.putpixel((x, y), 255)
    mask.save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: 2500 connected parts; clean the mask"):
        read_boxes(tmp_path / "a.png", components=True)
    assert len(read_boxes(tmp_path / "a.png").boxes) == 1


COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}],
    "categories": [{"id": 7, "name": "nv"}],
}
TASK = {
    "data": {"image": "a.jpg"},
    "annotations": [
        {
            "result": [
                {
                    "type": "rectanglelabels",
                    "original_width": 10,
                    "original_height": 20,
                    "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["nv"]},
                }
            ]
        }
    ],
}


def change(document, path, value):
    """The document as JSON text, with the value at a dotted path replaced."""
    document = json.loads(json.dumps(document))
    *folders, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    node = document
    for key in folders:
        node = node[key]
    node[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("annotations.0.bbox", [1, 2, 3], r"annotations\[0\]: bbox: expected four numbers. Give left"),
        ("annotations.0.bbox", [1, 2, 0, 4], r"annotations\[0\]: box of 'a.jpg': needs x1 < x2"),
        ("annotations.0.bbox", [1, 2, "3", 4], r"annotations\[0\]: bbox: expected a number, but got '3'"),
        ("annotations.0.bbox", [1, 2, 1e300, 4], r"annotations\[0\]: the corners .* beyond any image"),
        ("annotations.0.image_id", 9, r"annotations\[0\]: image_id: there is no entry with the id 9. Add it"),
        ("annotations.0.category_id", None, r"annotations\[0\]: category_id: expected a whole number"),
        ("annotations.0.score", 2, r"annotations\[0\]: box of 'a.jpg': the score must be in"),
        ("annotations", {}, r"annotations: expected a list, but got {}"),
        ("images.0.width", -5, r"images\[0\]: expected a size in whole pixels, but got -5 x 10"),
        ("images.0.width", 1.5, r"images\[0\]: expected a size in whole pixels"),
        (
            "images.0.file_name",
            " a",
            r"an image id must be text of 1 to 1000 characters without outer blanks",
        ),
        ("images.0.file_name", "a\nb", r"without outer blanks, line breaks or control characters"),
        ("images.0.file_name", "\ud800", r"an image id must be text"),
        ("images.0.file_name", 7, r"images\[0\]: file_name: expected text, but got 7"),
        ("images.1", COCO["images"][0], r"images\[1\]: the image 'a.jpg' with id 1 is there before"),
        ("categories.1", COCO["categories"][0], r"categories\[1\]: the category id 7 is there before"),
        ("categories.1", {"id": 8, "name": "nv"}, r"the class 'nv' is there twice"),
    ],
)
def test_coco_names_the_entry(path, value, message, tmp_path):
    document = {**COCO, path.split(".")[0]: [*COCO[path.split(".")[0]], None]} if ".1" in path else COCO
    (tmp_path / "a.json").write_text(change(document, path, value))
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        read_boxes(tmp_path / "a.json")


RESULT = "0.annotations.0.result.0"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("0.data", None, r"\[0\].data: expected an object, but got None"),
        ("0.data", {"image": "a.jpg", "width": 10**400, "height": 1}, r"\[0\].data.width: expected a finite"),
        ("0.data.image", 3, r"\[0\].data.image: expected text"),
        ("0.data.image", "/data/local-files/?x=1", r"\[0\].data.image: not the address of an image"),
        ("0.data.image", "http://[", r"\[0\].data.image: not the address of an image"),
        ("0.annotations.0.result", 3, r"\[0\].annotations\[0\].result: expected a list"),
        (f"{RESULT}.value.x", "1", r"result\[0\].value.x: expected a number"),
        (f"{RESULT}.value.width", 0, r"result\[0\]: box of 'a.jpg': needs x1 < x2"),
        (
            f"{RESULT}.value.rectanglelabels",
            ["a", "b"],
            r"expected one class. Split a box of several classes",
        ),
        (
            f"{RESULT}.original_width",
            0,
            r"result\[0\]: no original_width and original_height. Name the folder",
        ),
        (f"{RESULT}.image_rotation", 90, r"result\[0\]: the image was turned while it was labelled"),
    ],
)
def test_label_studio_names_the_entry(path, value, message, tmp_path):
    (tmp_path / "a.json").write_text(change([TASK], path, value))
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        read_boxes(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "not valid XML"),
        ("<html/>", "the root is <html>, not <annotation>"),
        ("<annotation><object/></annotation>", "object 1: no <bndbox>. Give its xmin"),
        (
            "<annotation><object><bndbox><xmin>1</xmin></bndbox></object></annotation>",
            "object 1: ymin: expected",
        ),
        ("<annotation><size><width>x</width></size></annotation>", "size/width: expected a finite number"),
        ("<?xml version='1.0' encoding='nonsense'?><annotation/>", "not valid XML"),
    ],
)
def test_voc_names_the_object(text, message, tmp_path):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=rf"a\.xml: .*{message}"):
        read_boxes(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 .5 .5 .2", "4 fields; a box has class, centre x"),
        ("0 .1 .1 .2 .2 .3 .1", "Polygons must be made boxes first"),
        ("7 .5 .5 .2 .2", "the class '7' is none of 0 to 1"),
        ("-1 .5 .5 .2 .2", "the class '-1' is none of"),
        ("nv .5 .5 .2 .2", "the class 'nv' is none of"),
        ("0 .5 .5 .2 x", "expected a finite number, but got 'x'"),
        ("0 200 150 20 20", "200 150 20 20 are not fractions of the image. Divide by its size"),
        ("0 .5 .5 .2 .2 1.5", "the score must be in"),
        ("0 .5 .5 -.2 .2", "needs x1 < x2"),
    ],
)
def test_yolo_names_the_line(line, message, tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    (tmp_path / "classes.txt").write_text("nv\nmel\n")
    (tmp_path / "a.txt").write_text(f"1 .5 .5 .1 .1\n\n{line}\n")
    with pytest.raises(DataError, match=rf"a\.txt, line 3: .*{message}"):
        read_boxes(tmp_path)


def test_yolo_without_classes_or_image(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("")
    with pytest.raises(DataError, match=r"no names of classes\. Put classes\.txt there"):
        read_boxes(tmp_path)
    (tmp_path / "classes.txt").write_text("nv\n")
    with pytest.raises(DataError, match=r"labels/a\.txt: no image 'a' in .*--images"):
        read_boxes(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,1,2,,4,nv,1", r"row 3.*Fill in all four or none|row 3"),
        ("a,1,2,x,4,nv,1", "row 3"),
        ("a,5,2,3,4,nv,1", "row 3: box of 'a': needs x1 < x2"),
        ("a,1,2,3,4,nv,often", "row 3: score: expected a finite number, but got 'often'"),
        ("a,1,2,3,4,nv,1.5", "row 3: box of 'a': the score must be in"),
        (",1,2,3,4,nv,1", "row 3: an image id must be text of 1"),
        ("a,1,2,3,4e9,nv,1", "row 3: the corners"),
    ],
)
def test_csv_names_the_row(row, message, tmp_path):
    (tmp_path / "a.csv").write_text(f"image,x1,y1,x2,y2,label,score\nb,1,2,3,4,nv,1\n{row}\n")
    with pytest.raises(DataError, match=rf"a\.csv.*{message}"):
        read_boxes(tmp_path / "a.csv")


@pytest.mark.parametrize("kind", ["folder", "zip", "empty"])
def test_what_is_no_box_file_lists_the_formats(kind, tmp_path):
    path = tmp_path / ("a" if kind == "folder" else "a.zip" if kind == "zip" else "a.json")
    path.mkdir() if kind == "folder" else path.write_bytes(b"")
    expected = "not valid JSON" if kind == "empty" else "looks like no box format. Name one of coco, voc"
    with pytest.raises(DataError, match=expected):
        read_boxes(path)
    shutil.rmtree(path, ignore_errors=True)
