"""The layouts on real images, linked into the folders in which they were published."""

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
