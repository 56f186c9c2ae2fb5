"""NIH ChestX-ray14 (2017): findings mined from reports, several per image, and boxes of a few.

Also Kaggle's random sample of it (nih-chest-xrays/sample), whose table has the same columns.
"""

from lesioncare.boxes.box import Box
from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.lesions import Scale, box_of_cells
from lesioncare.data.imports.tree import Tree

_NONE = "No Finding"
_NATIVE = (1024, 1024)
_TABLES = ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv")
_SAMPLE = "sample_labels.csv"
_BOX_NAMES = {"Infiltrate": "Infiltration"}  # the two tables differ
_CORNERS = ["Bbox [x", "y", "w", "h]"]

__all__ = ["NIH"]


def _read(tree: Tree, settings: Settings) -> Found:
    frame = tree.table([*_TABLES, _SAMPLE], ["Image Index", "Finding Labels", "Patient ID"])
    findings = {
        image: [name for name in text.split("|") if name != _NONE]
        for image, text in zip(frame["Image Index"], frame["Finding Labels"], strict=True)
    }
    known = {name for found in findings.values() for name in found}
    paths, notes = tree.locate(findings)
    labels, rule = settings.rule.apply({image: findings[image] for image in paths}, _NONE, known)
    patients = dict(zip(frame["Image Index"], frame["Patient ID"], strict=True))
    splits = _splits(tree) if settings.official_split else {}
    records = tuple(
        Record(paths[image], label, patients[image], splits.get(image, "train") if splits else None)
        for image, label in labels.items()
    )
    images, people = (5606, None) if frame.attrs["path"].name.lower() == _SAMPLE else (112120, 30805)
    counts = (
        Count("images in the table", len(frame), images),
        Count("patients in the table", frame["Patient ID"].nunique(), people),
    )
    notes = [rule, *notes, "Labels were mined from reports; their authors expect one in ten to be wrong."]
    return Found(records, tuple(_boxes(tree, paths)), counts, tuple(notes), patients=True)


def _splits(tree: Tree) -> dict[str, str]:
    """The official test list; all else is train."""
    path = tree.find("test_list.txt")
    return {} if path is None else dict.fromkeys(path.read_text(encoding="utf-8").split(), "test")


def _boxes(tree: Tree, paths: dict[str, str]) -> list[Box]:
    if tree.find("BBox_List_2017.csv") is None:
        return []
    frame = tree.table(["BBox_List_2017.csv"], ["Image Index", "Finding Label", *_CORNERS])
    scale, boxes = Scale(tree.root), []
    for row, cells in frame.iterrows():
        path = paths.get(cells["Image Index"])
        if path is not None:
            where = f"{frame.attrs['path']}, row {row}"
            label = _BOX_NAMES.get(cells["Finding Label"], cells["Finding Label"])
            box = box_of_cells(where, path, [cells[name] for name in _CORNERS], label, sized=True)
            boxes.append(scale(box, _NATIVE))
    return boxes


NIH = Layout(
    "NIH ChestX-ray14",
    "images_001/images/*.png to images_012, Data_Entry_2017.csv, BBox_List_2017.csv, test_list.txt; "
    "or Kaggle's sample: sample/images/*.png, sample_labels.csv",
    _read,
    "https://nihcc.app.box.com/v/ChestXray-NIHCC",
    "free use with attribution to the NIH Clinical Center and a citation (Wang et al., CVPR 2017)",
    multi_label=True,
)
