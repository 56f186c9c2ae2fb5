"""Files as other programs write them; every expected box is worked out by hand."""

import json

import pandas as pd
import pytest
from PIL import Image

from lesioncare.boxes import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.formats import read_boxes, write_boxes
from lesioncare.errors import DataError


def test_coco_of_a_detector_with_keys_that_are_not_ours(tmp_path):
    document = {
        "info": {},
        "licenses": [{"id": 1}],
        "images": [
            {"id": 42, "file_name": "train/a.jpg", "height": 427, "width": 640, "license": 1, "coco_url": ""},
            {"id": 7, "file_name": "b.jpg", "height": None, "width": None},
        ],
        "annotations": [
            {
                "id": 5,
                "image_id": 42,
                "category_id": 18,
                "bbox": [10.5, 20, 30, 40.25],
                "segmentation": [],
                "iscrowd": 0,
            }
        ],
        "categories": [{"id": 18, "name": "mel", "supercategory": "skin"}, {"id": 2, "name": "nv"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(document))
    box = Box("train/a.jpg", 10.5, 20, 40.5, 60.25, label="mel")
    assert read_boxes(path) == BoxSet((box,), {"train/a.jpg": (640, 427), "b.jpg": None}, ("mel", "nv"))


def test_coco_box_that_another_program_moved(tmp_path):
    """0.9 - 0.2 + 0.2 is 0.8999...: exact corners stand beside `bbox`. If they disagree, it was edited."""
    path = tmp_path / "a.json"
    written = Box("a.jpg", 0.2, 0.25, 0.9, 1)
    write_boxes(BoxSet.of([written]), path)
    document = json.loads(path.read_text())
    assert document["annotations"][0]["lesioncare_xyxy"] == [0.2, 0.25, 0.9, 1]
    document["annotations"][0]["bbox"] = [1, 2, 3, 4]
    path.write_text(json.dumps(document))
    assert read_boxes(path).boxes[0].xyxy == (1, 2, 4, 6)


VOC = """<?xml version="1.0"?>
<annotation verified="yes">
\t<folder>photos</folder><filename>a b.jpg</filename><path>C:\\photos\\a b.jpg</path>
\t<source><database>Unknown</database></source>
\t<size><width>500</width><height>375</height><depth>3</depth></size>
\t<segmented>0</segmented>
\t<object><name> mel </name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
\t\t<bndbox><xmin>53</xmin><ymin>87.5</ymin><xmax>471</xmax><ymax>420</ymax></bndbox>
\t\t<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
\t</object>
\t<object><name>nv</name><confidence>0.75</confidence>
\t\t<bndbox><ymax>4</ymax><ymin>3</ymin><xmax>2</xmax><xmin>1</xmin></bndbox></object>
</annotation>
"""


def test_voc_of_a_labelling_tool(tmp_path):
    (tmp_path / "1.xml").write_text(VOC)
    (tmp_path / "2.xml").write_text(
        "<annotation><size><width>0</width><height>0</height></size></annotation>"
    )
    boxes = (
        Box("a b.jpg", 53, 87.5, 471, 420, label="mel"),
        Box("a b.jpg", 1, 3, 2, 4, label="nv", score=0.75),
    )
    assert read_boxes(tmp_path) == BoxSet(boxes, {"a b.jpg": (500, 375), "2": None}, ("mel", "nv"))


def test_voc_numbers_are_whole_where_they_can_be(tmp_path):
    write_boxes(BoxSet.of([Box("a.jpg", 1.0, 2, 30.0, 4.5, label="nv")]), tmp_path / "a.xml")
    assert "<xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>4.5</ymax>" in (tmp_path / "a.xml").read_text()


def test_two_voc_files_of_one_image_are_refused(tmp_path):
    for name in ("1.xml", "2.xml"):
        (tmp_path / name).write_text(VOC)
    with pytest.raises(DataError, match=r"2\.xml: the image 'a b\.jpg' has another file, too"):
        read_boxes(tmp_path)


ULTRALYTICS = "path: ../x # root\ntrain: images/train\nnc: 2\nnames:\n  0: mel\n  1: nv # common\n"


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ("data.yaml", ULTRALYTICS),
        ("data.yaml", "names: ['mel', \"nv\"]\n"),
        ("dataset.yaml", "names: {1: nv, 0: mel}\n"),
        ("classes.txt", "mel\r\nnv\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("labels", ["labels/train", "."])
def test_yolo_of_other_programs(classes, text, labels, tmp_path):
    images = tmp_path / labels.replace("labels", "images")
    for folder in (images, tmp_path / labels):
        folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / classes).write_text(text)
    for name in ("a.jpg", "b.png", "unlabelled.png"):
        Image.new("RGB", (200, 100)).save(images / name)
    (tmp_path / labels / "a.txt").write_text("0 0.5 0.25 0.1 0.2\n1 0.5 0.5 1 1 0.5\n")
    (tmp_path / labels / "b.txt").write_text("")
    prefix = "train/" if labels != "." else ""
    # Centre 100, 25; size 20 x 20. Then the whole image.
    boxes = (
        Box(f"{prefix}a.jpg", 90, 15, 110, 35, label="mel"),
        Box(f"{prefix}a.jpg", 0, 0, 200, 100, label="nv", score=0.5),
    )
    sizes = {f"{prefix}a.jpg": (200, 100), f"{prefix}b.png": (200, 100)}
    assert read_boxes(tmp_path) == BoxSet(boxes, sizes, ("mel", "nv"))


def test_yolo_by_its_data_yaml_and_with_images_elsewhere(tmp_path):
    (tmp_path / "data" / "labels").mkdir(parents=True)
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "data.yaml").write_text("names: [nv]\n")
    (tmp_path / "data" / "labels" / "a.txt").write_text("0 .5 .5 .5 .5")
    Image.new("RGB", (8, 4)).save(tmp_path / "photos" / "deep" / "a.png")
    found = read_boxes(tmp_path / "data" / "data.yaml", image_root=tmp_path / "photos")
    assert found.boxes == (Box("deep/a.png", 2, 1, 6, 3, label="nv"),)


def test_yolo_folder_as_written_for_training(tmp_path):
    boxset = BoxSet(
        (Box("a.jpg", 2, 1, 6, 3, label="mel"),), {"a.jpg": (8, 4), "b.jpg": (8, 4)}, ("nv", "mel")
    )
    write_boxes(boxset, tmp_path / "out", "yolo")
    files = {
        str(file.relative_to(tmp_path / "out")): file.read_text() for file in (tmp_path / "out").rglob("*.*")
    }
    assert files == {
        "classes.txt": "nv\nmel\n",
        "data.yaml": "path: .\ntrain: images\nval: images\nnames:\n  0: nv\n  1: mel\n",
        "labels/a.txt": "1 0.5 0.5 0.5 0.5\n",
        "labels/b.txt": "",
    }


RSNA = "patientId,x,y,width,height,Target\nz,,,,,0\na,264.0,152.0,213.0,379.0,1\na,562,152,256,453,1\n"
TABLES = {
    RSNA: BoxSet((Box("a", 264, 152, 477, 531), Box("a", 562, 152, 818, 605)), {"z": None, "a": None}),
    "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,640,480,nv,1,2,3,4\n": BoxSet(
        (Box("a.jpg", 1, 2, 3, 4, label="nv"),), {"a.jpg": (640, 480)}, ("nv",)
    ),
    "\ufeffimage;x0;y0;x1;y1;Score\na;1;2;3;4;0.5\n": BoxSet((Box("a", 1, 2, 3, 4, score=0.5),), {"a": None}),
    "image\tx1\ty1\tx2\ty2\na\t1\t2\t3\t4\n": BoxSet((Box("a", 1, 2, 3, 4),), {"a": None}),
}


@pytest.mark.parametrize("text", TABLES)
def test_tables_of_other_programs(text, tmp_path):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert read_boxes(tmp_path / "a.csv") == TABLES[text]


def test_rsna_as_the_challenge_has_it(tmp_path):
    boxset = BoxSet.of([Box("a", 264, 152, 477, 531)], {"z": None})
    write_boxes(boxset, tmp_path / "a.csv", "rsna")
    expected = "patientId,x,y,width,height,Target\nz,,,,,0\na,264.0,152.0,213.0,379.0,1\n"
    assert (tmp_path / "a.csv").read_text() == expected


def test_columns_by_any_name(tmp_path):
    (tmp_path / "a.csv").write_text("bild,links,oben,breite,höhe,x1,x\na,1,2,3,4,99,98\n", encoding="utf-8")
    columns = {"image": "bild", "x": "links", "y": "oben", "width": "breite", "height": "höhe"}
    assert read_boxes(tmp_path / "a.csv", columns=columns).boxes == (Box("a", 1, 2, 4, 6),)


def test_fractions_in_a_table_need_the_images(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    (tmp_path / "a.csv").write_text("image,x1,y1,x2,y2\na,0.25,0.5,0.75,1\nb,,,,\n")
    found = read_boxes(tmp_path / "a.csv", image_root=tmp_path)
    assert found.boxes == (Box("a", 50, 50, 150, 100),)
    with pytest.raises(
        DataError, match=r"the boxes are fractions, .* the size of 'a' is unknown. Name the folder"
    ):
        read_boxes(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("image,width,height,x1,y1,x2,y2\na,400,200,0.25,0.5,0.75,1\n")
    assert read_boxes(tmp_path / "a.csv") == BoxSet((Box("a", 100, 100, 300, 200),), {"a": (400, 200)})


def test_a_tiny_box_in_pixels_is_no_fraction(tmp_path):
    tiny = BoxSet.of([Box("a", 0, 0, 0.5, 1)])
    write_boxes(tiny, tmp_path / "a.csv")
    assert read_boxes(tmp_path / "a.csv") == tiny


def test_parquet_of_pandas(tmp_path):
    frame = pd.DataFrame(
        {
            "image": pd.Categorical(["a", "b"]),
            "xmin": [1.5, None],
            "ymin": [2.0, None],
            "xmax": [3.0, None],
            "ymax": [4.0, None],
            "label": [3, 4],
            "when": pd.to_datetime(["2020-01-01", None]),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    found = read_boxes(tmp_path / "a.parquet")
    assert found == BoxSet((Box("a", 1.5, 2, 3, 4, label="3"),), {"a": None, "b": None}, ("3",))


def region(**changes):
    value = {"x": 25, "y": 10, "width": 50, "height": 20, "rotation": 0, "rectanglelabels": ["mel"]}
    value.update(changes.pop("value", {}))
    return {
        "id": "r",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": 200,
        "original_height": 100,
        "value": value,
        **changes,
    }


def read_tasks(tmp_path, *tasks):
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    return read_boxes(tmp_path / "a.json")


def test_label_studio_export(tmp_path):
    """25 % of 200 is 50, 10 % of 100 is 10; 100 wide, 20 high."""
    tasks = [
        {
            "id": 1,
            "data": {"image": "/data/upload/3/1a2b3c4d-a%20b.jpg", "width": "12 mm"},
            "annotations": [
                {"was_cancelled": True, "result": [region()]},
                {"result": [region(), {"type": "choices", "value": {"choices": ["blurred"]}}]},
            ],
            "predictions": [
                {"model_version": "mbd", "score": 0.25, "result": [region(), region(score=0.5)]},
                {"result": [region(type="rectangle", value={"rectanglelabels": None})], "score": None},
            ],
        },
        {"id": 2, "data": {"image": "https://example.com/x/b.jpg?token=1"}, "annotations": [{"result": []}]},
        {"id": 3, "data": {"image": "nobody.jpg"}, "annotations": [], "predictions": []},
    ]
    corners = (50, 10, 150, 30)
    boxes = (
        Box("a b.jpg", *corners, label="mel"),
        Box("a b.jpg", *corners, label="mel", source="mbd", score=0.25),
        Box("a b.jpg", *corners, label="mel", source="mbd", score=0.5),
        Box("a b.jpg", *corners, source="label-studio"),
    )
    assert read_tasks(tmp_path, *tasks) == BoxSet(boxes, {"a b.jpg": (200, 100), "b.jpg": None}, ("mel",))


@pytest.mark.parametrize(
    ("address", "image"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("/data/local-files/?d=skin/a%20b.jpg", "skin/a b.jpg"),
        ("/data/upload/a-b.jpg", "a-b.jpg"),
        ("s3://bucket/skin/a.jpg", "a.jpg"),
        ("a%20b.jpg", "a%20b.jpg"),
    ],
)
def test_label_studio_addresses(address, image, tmp_path):
    task = {"data": {"image": address}, "annotations": [{"result": []}]}
    assert list(read_tasks(tmp_path, task).images) == [image]


def test_label_studio_rectangle_turned_by_a_quarter(tmp_path):
    """Turned clockwise about (50, 10): 100 wide and 20 high becomes 20 to the left and 100 down."""
    task = {"data": {"photo": "a.jpg"}, "annotations": [{"result": [region(value={"rotation": 90})]}]}
    assert read_tasks(tmp_path, task).boxes[0].xyxy == (30, 10, 50, 110)


def test_label_studio_tasks_can_be_imported(tmp_path):
    boxset = BoxSet.of(
        [Box("ä b.jpg", 50, 10, 150, 30, label="mel", source="mbd", score=0.5)], {"ä b.jpg": (200, 100)}
    )
    write_boxes(boxset, tmp_path / "a.json", "labelstudio")
    (task,) = json.loads((tmp_path / "a.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=%C3%A4%20b.jpg"
    assert task["annotations"] == []
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("mbd", 0.5)
    (result,) = prediction["result"]
    expected = {"x": 25, "y": 10, "width": 50, "height": 20, "rotation": 0, "rectanglelabels": ["mel"]}
    assert (result["type"], result["value"]) == ("rectanglelabels", expected)
