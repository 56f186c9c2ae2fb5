"""The ISIC challenges of 2018 (tasks 1 and 3), 2019 and 2020, as isic-archive.com publishes them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.lesions import boxes_of_masks, masks_by_image
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError
from lesioncare.rawtable import first_few
from lesioncare.words import noun, several

_PARTS = (("Training", "train"), ("Validation", "val"), ("Test", "test"))
_TASK1 = {"train": 2594, "val": 100, "test": 1000}
_TASK3 = {"train": 10015, "val": 193, "test": 1512}
_CLASSES_2018 = {"NV": 6705, "MEL": 1113, "BKL": 1099, "BCC": 514, "AKIEC": 327, "VASC": 142, "DF": 115}
_CLASSES_2019 = {
    **{"NV": 12875, "MEL": 4522, "BCC": 3323, "BKL": 2624, "AK": 867, "SCC": 628, "VASC": 253, "DF": 239},
}
_CLASSES_2020 = {"benign": 32542, "malignant": 584}

__all__ = ["ISIC2018_TASK1", "ISIC2018_TASK3", "ISIC2019", "ISIC2020", "one_hot"]


def one_hot(frame: pd.DataFrame, image: str) -> dict[str, str]:
    """The class of each image of a table with a column of 0 and 1 per class.

    Raises:
        DataError: a row does not have exactly one 1; the message names it.
    """
    path, columns = frame.attrs["path"], [name for name in frame.columns if name.isupper()]
    ones = np.isin(frame[columns].to_numpy(dtype=str), ("1", "1.0"))
    wrong = [f"row {row}" for row in frame.index[ones.sum(axis=1) != 1]]
    if wrong:
        raise DataError(f"{path}: not one class each: {first_few(wrong)}. Take the file as published.")
    return dict(zip(frame[image], np.array(columns)[ones.argmax(axis=1)].tolist(), strict=True))


def _read_task1(tree: Tree, settings: Settings) -> Found:
    masks = masks_by_image(tree.masks)
    if not masks:
        raise DataError(
            f"{tree.root}: no masks (IMAGE_segmentation.png) in it. Unpack the ground truth, too."
        )
    records, of_image, counts = [], {}, []
    # Where task 3 lies beside it, its images are not of this task.
    named = [image for image in tree.images if "_Task1" in image.rpartition("/")[0]]
    for image in named or tree.images:
        split = next((split for word, split in _PARTS if f"_{word}_" in image), None)
        stem = image.rpartition("/")[2].rpartition(".")[0]
        records.append(Record(image, "", None, split if settings.official_split else None))
        of_image[image] = masks.get(stem, [])
        counts.append(split or "train")
    if not records:
        raise DataError(f"{tree.root}: no images beside the masks. Unpack the input, too.")
    bare = sum(not paths for paths in of_image.values())
    return Found(
        tuple(records),
        tuple(boxes_of_masks(tree, of_image, {})),
        tuple(Count(f"{part} images", counts.count(part), _TASK1[part]) for part in set(counts)),
        (
            "Task 1 has masks and no diagnoses: the table has no label column. It is for boxes, and to be "
            "joined with labels by the image's name; its masks are for lesioncare segmenter train.",
            *([f"{several(bare, 'image')} {noun(bare, 'has', 'have')} no mask."] if bare else []),
        ),
    )


def _challenge(
    tree: Tree, settings: Settings, prefix: str, groups: Sequence[str], published: Mapping[str, int]
) -> Found:
    """Images with one-hot ground truth, part by part, and the lesions of a second table."""
    lesions: dict[str, str] = {}
    if tree.find(*groups) is not None:
        frame = tree.table(groups, ["image", "lesion_id"])
        lesions = dict(zip(frame["image"], frame["lesion_id"], strict=True))
    records: list[Record] = []
    train: Counter[str] = Counter()
    counts, notes, alone = [], [], 0
    for word, split in _PARTS:
        name = f"{prefix}_{word}_GroundTruth.csv"
        if tree.find(name) is None:
            continue
        labels = one_hot(tree.table([name], ["image"]), "image")
        paths, missing = tree.locate(labels)
        counts.append(Count(f"{split} images", len(paths), published.get(split)))
        notes += [f"{split}: {note}" for note in missing]
        part = split if settings.official_split else None
        alone += sum(not lesions.get(image) for image in paths)
        train.update(labels[image] for image in paths if split == "train")
        # A lesion that is not told is one of its own.
        records += [
            Record(path, labels[image], lesions.get(image) or image, part) for image, path in paths.items()
        ]
    if not records:
        raise DataError(f"{tree.root}: no {prefix}_Training_GroundTruth.csv in it. Unpack the ground truth.")
    if len({record.split for record in records}) == 1:  # no choice to keep
        records = [Record(one.image, one.label, one.group) for one in records]
    if lesions:
        own = noun(
            alone,
            "has no lesion_id and counts as a lesion of its",
            "have no lesion_id and count as lesions of their",
        )
        notes += [f"{several(alone, 'image')} {own} own."] if alone else []
    else:
        records = [Record(one.image, one.label, None, one.split) for one in records]
        notes.append(
            f"No {groups[0]}: which images show one lesion is unknown, and there is no group column."
        )
    return Found(tuple(records), (), tuple(counts), tuple(notes), labels=train)


def _read_task3(tree: Tree, settings: Settings) -> Found:
    groups = ("ISIC2018_Task3_Training_LesionGroupings.csv",)
    return _challenge(tree, settings, "ISIC2018_Task3", groups, _TASK3)


def _read_2019(tree: Tree, settings: Settings) -> Found:
    return _challenge(
        tree, settings, "ISIC_2019", ("ISIC_2019_Training_Metadata.csv",), {"train": 25331, "test": 8238}
    )


def _read_2020(tree: Tree, _: Settings) -> Found:
    tables = ("ISIC_2020_Training_GroundTruth_v2.csv", "ISIC_2020_Training_GroundTruth.csv", "train.csv")
    frame = tree.table(tables, ["image_name", "patient_id", "benign_malignant"])
    paths, notes = tree.locate(frame["image_name"])
    kept = frame[frame["image_name"].isin(list(paths))]
    records = [
        Record(paths[image], label, patient or f"image {image}")
        for image, patient, label in zip(
            kept["image_name"], kept["patient_id"], kept["benign_malignant"], strict=True
        )
    ]
    if tree.find("ISIC_2020_Training_Duplicates.csv") is not None:
        pairs = tree.table(["ISIC_2020_Training_Duplicates.csv"], ["image_name_1", "image_name_2"])
        twice = pairs["image_name_2"].isin(list(paths)) & pairs["image_name_1"].isin(list(paths))
        dropped = {paths[image] for image in pairs.loc[twice, "image_name_2"]}
        records = [record for record in records if record.image not in dropped]
        left = f"{noun(len(dropped), 'was', 'were')} left out"
        notes.append(f"{several(len(dropped), 'image')} of the official list of duplicates {left}.")
    else:
        notes.append("Without ISIC_2020_Training_Duplicates.csv the 425 known duplicates stay in.")
    counts = (
        Count("images in the table", len(frame), 33126),
        Count("patients in the table", frame.loc[frame["patient_id"] != "", "patient_id"].nunique(), 2056),
    )
    return Found(
        tuple(records), (), counts, tuple(notes), patients=True, labels=Counter(kept["benign_malignant"])
    )


_SOURCE = "https://challenge.isic-archive.com/data/"
ISIC2018_TASK1 = Layout(
    "ISIC 2018, task 1: lesion segmentation",
    "ISIC2018_Task1-2_Training_Input/*.jpg, ISIC2018_Task1_Training_GroundTruth/*_segmentation.png",
    _read_task1,
    _SOURCE,
    "CC BY-NC 4.0",
)
ISIC2018_TASK3 = Layout(
    "ISIC 2018, task 3: diagnosis of seven classes",
    "ISIC2018_Task3_Training_Input/*.jpg, ISIC2018_Task3_Training_GroundTruth.csv, "
    "ISIC2018_Task3_Training_LesionGroupings.csv",
    _read_task3,
    _SOURCE,
    "CC BY-NC 4.0",
    _CLASSES_2018,
)
ISIC2019 = Layout(
    "ISIC 2019: diagnosis of eight classes",
    "ISIC_2019_Training_Input/*.jpg, ISIC_2019_Training_GroundTruth.csv, ISIC_2019_Training_Metadata.csv",
    _read_2019,
    _SOURCE,
    "CC BY-NC 4.0",
    _CLASSES_2019,
)
ISIC2020 = Layout(
    "ISIC 2020: melanoma",
    "train/*.jpg or *.dcm, ISIC_2020_Training_GroundTruth.csv (or Kaggle's train.csv), "
    "ISIC_2020_Training_Duplicates.csv",
    _read_2020,
    _SOURCE,
    "CC BY-NC 4.0",
    _CLASSES_2020,
)
