"""VinDr-CXR: where boxes lie on resized copies, and what three readers decide."""

import pandas as pd
import pytest

from lesioncare.data.imports import LabelRule, Settings, import_dataset
from lesioncare.errors import DataError

from .copies import dicom, lines


def sizes_apart(source):
    """Take the original sizes out of the table, into the other file in which Kaggle's copies have them."""
    table = source / "vinbigdata" / "train.csv"
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    sizes = frame.drop_duplicates("image_id")[["image_id", "height", "width"]]
    sizes.columns = ["image_id", "dim0", "dim1"]
    frame.drop(columns=["height", "width"]).to_csv(table, index=False)
    sizes.to_csv(source / "vinbigdata" / "train_meta.csv", index=False)
    return source / "vinbigdata" / "train_meta.csv"


def test_original_sizes_of_vindr_s_images_may_be_in_a_file_of_their_own(copy, tmp_path):
    source = copy("vindr-cxr resized")
    expected = import_dataset("vindr-cxr", source, tmp_path / "expected")
    sizes_apart(source)
    done = import_dataset("vindr-cxr", source, tmp_path / "out")
    assert done.boxes.read_text() == expected.boxes.read_text()
    assert any("brought from the size of the original" in note for note in done.notes)


def test_boxes_of_vindr_s_on_copies_of_unknown_size_are_refused(copy, tmp_path):
    source = copy("vindr-cxr resized")
    sizes_apart(source).unlink()
    with pytest.raises(DataError, match=r"train\.csv: .* original size of 1 images .* aa.*train_meta\.csv"):
        import_dataset("vindr-cxr", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_boxes_of_vindr_s_outside_the_size_that_is_told_are_refused(copy, tmp_path):
    source = copy("vindr-cxr resized")
    sizes = sizes_apart(source)
    sizes.write_text(sizes.read_text().replace("3000,2000", "500,500"))  # that of the copy
    with pytest.raises(DataError, match=r"train\.csv, row 2: .*outside .*500 x 500"):
        import_dataset("vindr-cxr", source, tmp_path / "out")


@pytest.mark.parametrize(
    ("readers", "single", "one"),
    [
        (("Edema", "Edema", "No finding"), "Edema", "Edema"),
        (("Edema", "No finding", "No finding"), "No finding", "other"),
        (("Edema", "Nodule/Mass", "No finding"), None, "other"),  # two see something, no two the same
        (("Edema", "Nodule/Mass", "Cardiomegaly"), None, "other"),
        (("Edema", "Edema", "Nodule/Mass"), "Edema", "Edema"),
    ],
)
def test_two_of_three_readers_decide_whether_vindr_s_images_have_a_finding(tmp_path, readers, single, one):
    dicom(tmp_path / "source" / "train" / "aa.dicom", "", 0)
    dicom(tmp_path / "source" / "train" / "bb.dicom", "", 1)
    rows = [
        f"aa,R{number},{name}{',,,,' if name == 'No finding' else ',1,2,5,8'}"
        for number, name in enumerate(readers)
    ]
    rows += [f"bb,R{number},No finding,,,," for number in range(3)]
    lines(tmp_path / "source" / "train.csv", "image_id,rad_id,class_name,x_min,y_min,x_max,y_max", *rows)
    for rule, expected in ((LabelRule(), single), (LabelRule("Edema"), one)):
        out = tmp_path / f"{rule.finding}"
        if rule.finding and "Edema" not in {single, one}:
            continue  # no image has it
        done = import_dataset("vindr-cxr", tmp_path / "source", out, Settings(rule))
        table = pd.read_csv(done.table).set_index("image")
        assert table["label"].get("train/aa.dicom") == expected
        left = "1 images on which no two readers say the same were left out."
        assert (left in done.notes) == (expected is None)
        assert done.n_boxes == (readers.count("Edema") if expected == "Edema" else 0)
