"""The layouts on real images, linked into the folders in which they were published."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from lesioncare.data.imports import import_dataset

pytestmark = pytest.mark.real_data
DATA = Path(os.environ.get("LESIONCARE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def needs(name):
    return pytest.mark.skipif(
        not (DATA / name).is_dir(), reason=f"{DATA / name} is not there: LESIONCARE_DATA"
    )


def link(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)


@needs("cxr_kermany_224")
def test_kermany_without_its_validation_part(tmp_path):
    done = import_dataset("kermany", DATA / "cxr_kermany_224", tmp_path / "out")
    assert done.classes == {"PNEUMONIA": 4265, "NORMAL": 1575}
    assert any(note.startswith("170 of these numbers are in more than one") for note in done.notes)
    assert any(note.startswith("32 images are byte for byte copies") for note in done.notes)


@needs("isic18_task1_256")
def test_isic2018_task1_with_the_masks_in_a_folder(tmp_path):
    done = import_dataset("isic2018-task1", DATA / "isic18_task1_256", tmp_path / "out")
    assert (done.n_images, done.n_boxes) == (2594, 2594)
    index = pd.read_csv(DATA / "isic18_task1_256" / "index.csv").set_index("image_id")
    boxes = pd.read_csv(done.boxes)
    boxes.index = boxes["image"].str.extract(r"(ISIC_\d+)", expand=False)
    theirs = index.loc[boxes.index, ["x0", "y0", "x1", "y1"]].to_numpy() * 256
    ours = boxes[["x1", "y1", "x2", "y2"]].to_numpy()
    assert (abs(theirs - ours) <= 1.1).mean() > 0.99  # theirs are from larger masks


@needs("busi")
def test_busi_in_its_folders(tmp_path):
    table = pd.read_csv(DATA / "busi" / "labels.csv")
    for name, label in zip(table["image_id"], table["label"], strict=True):
        path = tmp_path / "source" / label / f"{label} ({int(name.split('_')[1])})"
        link(DATA / "busi" / "images" / f"{name}.jpg", path.with_name(f"{path.name}.jpg"))
        link(DATA / "busi" / "masks" / f"{name}.png", path.with_name(f"{path.name}_mask.png"))
    done = import_dataset("busi", tmp_path / "source", tmp_path / "out")
    assert done.classes == {"benign": 437, "malignant": 210, "normal": 133}
    assert done.n_boxes == 647
    assert "Each class has as many images as were published." in done.notes


@needs("skin7_200x150")
def test_ham10000_made_smaller_with_the_boxes_of_its_readme(tmp_path):
    table = pd.read_csv(DATA / "skin7_200x150" / "labels.csv")
    source = tmp_path / "source"
    for name in table["image_id"]:
        link(
            DATA / "skin7_200x150" / "images" / f"{name}.jpg",
            source / "HAM10000_images_part_1" / f"{name}.jpg",
        )
        masks = source / "HAM10000_segmentations_lesion_tschandl"
        link(DATA / "skin7_200x150" / "masks" / f"{name}.png", masks / f"{name}_segmentation.png")
    table["dx"] = table["label"].str.lower()
    table[["lesion_id", "image_id", "dx"]].to_csv(source / "HAM10000_metadata", index=False)
    done = import_dataset("ham10000", source, tmp_path / "out")
    assert (done.n_images, done.groups, done.n_boxes) == (10015, 7470, 10015)
    assert all(count.fits for count in done.counts)
    assert "Each class has as many images as were published." in done.notes
    boxes = pd.read_csv(done.boxes)
    boxes.index = boxes["image"].str.extract(r"(ISIC_\d+)", expand=False)
    theirs = table.set_index("image_id").loc[boxes.index, ["x0", "y0", "x1", "y1"]] * [200, 150, 200, 150]
    # Theirs are from masks three times as large.
    assert (abs(theirs.to_numpy() - boxes[["x1", "y1", "x2", "y2"]].to_numpy()) <= 1.1).mean() > 0.99


@needs("cxr_tbx11k")
def test_tbx11k_s_tuberculosis_part(tmp_path):
    images = pd.read_csv(DATA / "cxr_tbx11k" / "labels.csv")
    boxes = pd.read_csv(DATA / "cxr_tbx11k" / "boxes.csv")
    kinds = {"active": "ActiveTuberculosis", "latent": "ObsoletePulmonaryTuberculosis"}
    for part, rows in images.groupby("official_split"):
        numbers = {name: number for number, name in enumerate(rows["image_id"])}
        there = boxes[boxes["image_id"].isin(list(numbers))]
        corners = (there[["x0", "y0", "x1", "y1"]] * 512).to_numpy().tolist()
        document = {
            "images": [
                {"id": number, "file_name": f"tb/{name}.jpg", "width": 512, "height": 512}
                for name, number in numbers.items()
            ],
            "annotations": [
                {"image_id": numbers[name], "category_id": kind, "bbox": [x1, y1, x2 - x1, y2 - y1]}
                for name, kind, (x1, y1, x2, y2) in zip(
                    there["image_id"], there["class"], corners, strict=True
                )
            ],
            "categories": [{"id": kind, "name": name} for kind, name in kinds.items()],
        }
        file = tmp_path / "source" / "annotations" / "json" / f"TBX11K_{part}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
        for name in numbers:
            link(
                DATA / "cxr_tbx11k" / "images" / f"{name}.jpg",
                tmp_path / "source" / "imgs" / "tb" / f"{name}.jpg",
            )
    done = import_dataset("tbx11k", tmp_path / "source", tmp_path / "out")
    assert done.classes == {"active": 630, "latent": 139, "active+latent": 30, "uncertain": 1}
    assert done.splits == {"train": 600, "test": 200}
    assert pd.read_csv(done.boxes)["label"].value_counts().to_dict() == {"active": 972, "latent": 239}
