"""RSNA Pneumonia Detection Challenge (2018), stage 2, as Kaggle has it: DICOM files and boxes."""

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.lesions import Scale, box_of_cells
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError
from lesioncare.rawtable import first_few

_NATIVE = (1024, 1024)

__all__ = ["RSNA"]


def _read(tree: Tree, _: Settings) -> Found:
    frame = tree.table(["stage_2_train_labels.csv"], ["patientId", "x", "y", "width", "height", "Target"])
    notes: list[str] = []
    if tree.find("stage_2_detailed_class_info.csv") is not None:
        classes = tree.table(["stage_2_detailed_class_info.csv"], ["patientId", "class"])
        labels = dict(zip(classes["patientId"], classes["class"], strict=True))
    else:
        names = {"0": "No Lung Opacity", "1": "Lung Opacity"}
        labels = dict(zip(frame["patientId"], frame["Target"].map(names).fillna(""), strict=True))
        notes.append("No stage_2_detailed_class_info.csv: normal and other diseases are one class.")
    strange = [f"row {row}" for row, image in frame["patientId"].items() if not labels.get(image)]
    if strange:
        raise DataError(
            f"{frame.attrs['path']}: no class is known of {first_few(strange)}: each image needs a row in "
            "stage_2_detailed_class_info.csv, or Target 0 or 1. Take the files as published."
        )
    paths, missing = tree.locate(frame["patientId"])
    scale, boxes = Scale(tree.root), []
    for row, cells in frame.iterrows():
        path = paths.get(cells["patientId"])
        if path is not None and cells["x"]:
            where = f"{frame.attrs['path']}, row {row}"
            four = [cells[name] for name in ("x", "y", "width", "height")]
            box = box_of_cells(where, path, four, labels[cells["patientId"]], sized=True)
            boxes.append(scale(box, _NATIVE))
    records = tuple(Record(path, labels[image], image) for image, path in paths.items())
    notes += [
        *missing,
        "Here the image's name is the challenge's patientId, one each. The images are of ChestX-ray14, where "
        "a patient has several: the table cannot tell, and lesioncare data check finds only near-duplicates.",
    ]
    counts = (
        Count("images in the table", frame["patientId"].nunique(), 26684),
        Count("images with boxes in the table", frame.loc[frame["x"] != "", "patientId"].nunique(), 6012),
        Count("boxes in the table", int((frame["x"] != "").sum()), 9555),
    )
    return Found(records, tuple(boxes), counts, tuple(notes), patients=True)


RSNA = Layout(
    "RSNA Pneumonia Detection Challenge",
    "stage_2_train_images/*.dcm, stage_2_train_labels.csv, stage_2_detailed_class_info.csv",
    _read,
    "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
    "the challenge's rules: non-commercial and academic use",
    {"No Lung Opacity / Not Normal": 11821, "Normal": 8851, "Lung Opacity": 6012},
)
