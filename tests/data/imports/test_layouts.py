"""What only some layouts do: label rules, hashed patients, copies that are partial, doubled or damaged."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lesioncare.boxes.formats import read_boxes
from lesioncare.data import Columns, load_table
from lesioncare.data.checks import check_images
from lesioncare.data.imports import LAYOUTS, LabelRule, Settings, import_dataset
from lesioncare.data.imports.pseudonyms import group_key, pseudonym
from lesioncare.errors import ConfigError, DataError
from lesioncare.rawtable import read_header

from .copies import COPIES, dicom, lines, mask, picture
from .variants import VARIANTS


def labels(done):
    table = pd.read_csv(done.table)
    return dict(zip(table["image"], table["label"], strict=True))


@pytest.mark.parametrize(
    ("name", "finding", "positive", "all_of_them"),
    [
        ("chestxray14", "Cardiomegaly", 2, 5),
        ("chestxray14", "Effusion", 1, 5),
        ("vindr-cxr", "Cardiomegaly", 1, 3),
        ("coco", "mass", 2, 5),
    ],
)
def test_one_finding_against_the_rest_keeps_every_image(copy, tmp_path, name, finding, positive, all_of_them):
    done = import_dataset(name, copy(name), tmp_path / "out", Settings(LabelRule(finding)))
    found = list(labels(done).values())
    assert (found.count(finding), found.count("other"), len(found)) == (
        positive,
        all_of_them - positive,
        all_of_them,
    )
    assert any(f"--label-rule one:{finding}" in note for note in done.notes)


def test_single_findings_say_how_many_images_are_left_out(copy, tmp_path):
    done = import_dataset("chestxray14", copy("chestxray14"), tmp_path / "out")
    assert any("1 image with several was left out" in note for note in done.notes)


@pytest.mark.parametrize("text", ["", "one:", "one", "several"])
def test_other_rules_are_refused(text):
    with pytest.raises(ConfigError, match="single, or one:NAME"):
        LabelRule.parse(text)


def test_an_unknown_finding_lists_the_known_ones(copy, tmp_path):
    with pytest.raises(ConfigError, match=r"no such finding. Choose from Cardiomegaly, Effusion"):
        import_dataset("chestxray14", copy("chestxray14"), tmp_path / "out", Settings(LabelRule("Cough")))


def test_pseudonyms_are_hmac_sha256():
    # RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?"
    assert pseudonym("what do ya want for nothing?", b"Jefe") == "p5bdcc146bf60754e"


def test_a_kept_key_makes_tables_agree(copy, tmp_path):
    source, key = copy("folder"), tmp_path / "clinic.key"
    tables = [
        pd.read_csv(import_dataset("folder", source, tmp_path / name, key_file=key).table) for name in "ab"
    ]
    pd.testing.assert_frame_equal(*tables)
    assert key.stat().st_mode & 0o077 == 0
    key.write_text("short")
    with pytest.raises(DataError, match=r"clinic\.key: not a key"):
        group_key(key)


def test_a_key_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    key = tmp_path / "clinic.key"

    def stopped(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stopped)
        with pytest.raises(KeyboardInterrupt):
            group_key(key)
    assert not list(tmp_path.iterdir())
    made = group_key(key)
    assert list(tmp_path.iterdir()) == [key]
    assert group_key(key) == made


def test_a_key_that_another_process_has_made_meanwhile_stays(tmp_path, monkeypatch):
    key, sync = tmp_path / "clinic.key", os.fsync

    def faster(file):
        key.write_text("theirs")
        sync(file)

    monkeypatch.setattr(os, "fsync", faster)
    with pytest.raises(DataError, match=r"clinic\.key: cannot be written"):
        group_key(key)
    assert key.read_text() == "theirs"


def test_a_key_needs_no_links(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refused)
    made = group_key(tmp_path / "clinic.key")
    assert group_key(tmp_path / "clinic.key") == made
    assert (tmp_path / "clinic.key").stat().st_mode & 0o077 == 0


def test_an_empty_key_is_told(tmp_path):
    (tmp_path / "clinic.key").touch()
    with pytest.raises(DataError, match=r"clinic\.key: is empty. Delete it"):
        group_key(tmp_path / "clinic.key")


def test_boxes_of_masks_are_brought_to_images_that_were_made_smaller(copy, tmp_path):
    source = copy("ham10000")
    picture(source / "HAM10000_images_part_1" / "ISIC_0024306.jpg", 1, size=(12, 8))  # the mask has 24 x 16
    done = import_dataset("ham10000", source, tmp_path / "out")
    assert [box.xyxy for box in read_boxes(done.boxes).boxes] == [(1, 1.5, 5, 6)]


def test_a_mask_of_other_proportions_than_its_image_is_refused(copy, tmp_path):
    source = copy("busi")
    mask(source / "Dataset_BUSI_with_GT" / "benign" / "benign (1)_mask.png", (1, 2, 7, 8), size=(16, 16))
    with pytest.raises(DataError, match=r"benign \(1\)_mask\.png: 16 x 16 pixels.*24 x 16"):
        import_dataset("busi", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_that_are_not_there_are_told(copy, tmp_path):
    done = import_dataset("ham10000", copy("ham10000"), tmp_path / "out")
    text = "\n".join(done.lines())
    assert "Partial copy: 1 of 4 images is not there" in text
    assert "images in the table: 4; published: 10015  <- differs" in text
    assert "nv 2 of 6705" in text


def test_the_images_of_a_data_set_may_all_be_missing(copy, tmp_path):
    source = copy("isic2019")
    for path in source.glob("*/*.jpg"):
        path.unlink()
    with pytest.raises(DataError, match="none of the 3 images"):
        import_dataset("isic2019", source, tmp_path / "out")


def test_numbers_in_two_official_parts_are_told(copy, tmp_path):
    source = copy("kermany")
    kept = import_dataset("kermany", source, tmp_path / "kept")
    assert any(
        note.startswith("1 of these numbers are in more than one official part") for note in kept.notes
    )
    loose = import_dataset("kermany", source, tmp_path / "loose", Settings(official_split=False))
    assert (kept.groups, loose.groups) == (5, 4)


def test_kermany_s_third_version_has_the_child_s_number_in_other_names(tmp_path):
    names = ("BACTERIA-1008087-0001", "BACTERIA-1008087-0002", "VIRUS-1980593-0001", "x")
    for seed, name in enumerate(names):
        picture(tmp_path / "source" / "train" / "PNEUMONIA" / f"{name}.jpeg", seed)
    picture(tmp_path / "source" / "test" / "NORMAL" / "NORMAL-1003233-0001.jpeg", 9)
    done = import_dataset("kermany", tmp_path / "source", tmp_path / "out")
    assert done.groups == 4
    assert "1 image has no number in its name and is a group of its own." in done.notes
    # Mendeley's copies, other than Kaggle's, have no validation part.
    assert {count.what: count.published for count in done.counts} == {
        "train images": 5232,
        "test images": 624,
    }


def test_the_copy_of_itself_in_kaggle_s_archive_is_not_taken(copy, tmp_path):
    source = copy("kermany")
    shutil.copytree(source / "chest_xray", source / "chest_xray" / "chest_xray")
    done = import_dataset("kermany", source, tmp_path / "out")
    assert done.n_images == 6
    assert set(labels(done)) == set(COPIES["kermany"].labels)
    assert "6 images lie there twice and were taken once." in done.notes


def test_copies_of_a_file_are_told_with_other_labels(tmp_path):
    for label in ("nevus", "mel"):
        picture(tmp_path / "source" / label / "same.png", 7)
        picture(tmp_path / "source" / label / f"{label}.png", len(label))
    done = import_dataset("folder", tmp_path / "source", tmp_path / "out")
    assert any(note.startswith("1 image is a byte for byte copy") for note in done.notes)
    assert any("in 1 case with another label" in note for note in done.notes)


def test_an_upper_folder_with_one_class_is_refused(tmp_path):
    for label in ("nevus", "mel"):
        picture(tmp_path / "source" / "photos" / label / "a.png", 7)
    with pytest.raises(DataError, match="all images are in one folder, 'photos'"):
        import_dataset("folder", tmp_path / "source", tmp_path / "out")


def test_a_row_of_two_classes_is_refused_with_its_number(copy, tmp_path):
    source = copy("isic2019")
    table = source / "ISIC_2019_Training_GroundTruth.csv"
    table.write_text(table.read_text().replace("ISIC_2,0,", "ISIC_2,1,"))
    with pytest.raises(DataError, match=r"GroundTruth\.csv: not one class each: row 3"):
        import_dataset("isic2019", source, tmp_path / "out")


def test_a_box_that_is_none_is_refused_with_its_row(copy, tmp_path):
    source = copy("rsna-pneumonia")
    table = source / "stage_2_train_labels.csv"
    table.write_text(table.read_text().replace("562.0", "far"))
    with pytest.raises(DataError, match=r"stage_2_train_labels\.csv, row 4"):
        import_dataset("rsna-pneumonia", source, tmp_path / "out")


def test_without_the_detailed_classes_rsna_has_two(copy, tmp_path):
    source = copy("rsna-pneumonia")
    (source / "stage_2_detailed_class_info.csv").unlink()
    done = import_dataset("rsna-pneumonia", source, tmp_path / "out")
    assert done.classes == {"No Lung Opacity": 2, "Lung Opacity": 1}


@pytest.mark.parametrize("name", ["stage_2_detailed_class_info.csv", "stage_2_train_labels.csv"])
def test_an_image_of_rsna_s_without_a_class_is_refused_with_its_row(copy, tmp_path, name):
    source = copy("rsna-pneumonia")
    if name == "stage_2_train_labels.csv":
        (source / "stage_2_detailed_class_info.csv").unlink()
        (source / name).write_text((source / name).read_text().replace("000924cf,,,,,0", "000924cf,,,,,2"))
    else:
        (source / name).write_text((source / name).read_text().replace("000924cf,Normal", ""))
    with pytest.raises(DataError, match=r"stage_2_train_labels\.csv: no class is known of row 5"):
        import_dataset("rsna-pneumonia", source, tmp_path / "out")


def test_images_of_task_3_are_not_of_task_1(copy, tmp_path):
    source = copy("isic2018-task1")
    COPIES["isic2018-task3"].make(source)
    done = import_dataset("isic2018-task1", source, tmp_path / "out")
    assert done.n_images == 2


def test_a_faulty_coco_file_is_told_and_other_json_is_not_taken(copy, tmp_path):
    source = copy("coco")
    lines(source / "notes.json", json.dumps([1, 2]))
    import_dataset("coco", source, tmp_path / "out")
    lines(source / "bad.json", json.dumps({"images": [{}], "annotations": [], "categories": []}))
    with pytest.raises(DataError, match=r"bad\.json"):
        import_dataset("coco", source, tmp_path / "other")


def test_annotations_of_one_image_in_two_files_are_refused(copy, tmp_path):
    source = copy("coco")
    folder = source / "annotations"
    (folder / "all.json").write_text((folder / "instances_train2017.json").read_text())
    with pytest.raises(
        DataError, match=r"train2017\.json: the image train2017/a\.jpg is in .*all\.json, too"
    ):
        import_dataset("coco", source, tmp_path / "out")


def test_images_without_a_text_file_of_yolo_s_are_told(copy, tmp_path):
    source = copy("yolo")
    picture(source / "train" / "images" / "z.jpg", 1)
    done = import_dataset("yolo", source, tmp_path / "out")
    assert done.n_images == 3
    assert any(note.startswith("1 image has no text file and was left out") for note in done.notes)


def test_one_finding_has_no_boxes_of_others(copy, tmp_path):
    done = import_dataset("coco", copy("coco"), tmp_path / "out", Settings(LabelRule("mass")))
    found = [(box.image, box.label) for box in read_boxes(done.boxes).boxes]
    assert found == [("train2017/b.jpg", "mass"), ("val2017/d.jpg", "mass")]


def test_the_sample_of_chestxray14_is_compared_with_its_own_number_of_images(copy, tmp_path):
    source = copy("chestxray14 sample")
    # The archive has a copy of itself; each image counts once.
    shutil.copytree(source / "sample" / "sample" / "images", source / "sample" / "images")
    done = import_dataset("chestxray14", source, tmp_path / "out")
    assert "images in the table: 4; published: 5606  <- differs" in done.lines()
    assert done.n_images == 3


def test_an_official_val_part_is_the_test_part_where_there_is_no_other(copy, tmp_path):
    done = import_dataset("tbx11k", copy("tbx11k"), tmp_path / "out")
    assert done.splits == {"train": 4, "test": 1}
    assert any(note.startswith("The official val part is the table's test part") for note in done.notes)


@pytest.mark.parametrize(
    ("there", "other", "told"),
    [
        ("{'xmin': 8, 'ymin': 16.5", "__import__('os').getcwd() or {'xmin': 8, 'ymin': 16.5", "no box"),
        ("'xmin': 8, 'ymin': 16.5, ", "'ymin': 16.5, ", "no box"),
        ("'xmin': 8, 'ymin': 16.5", "'xmin': 'far', 'ymin': 16.5", "finite number"),
        ("tb,active_tb,tb", "tb,chronic_tb,tb", "no kind of tuberculosis"),
        ("none,healthy", "none,well", "image_type 'well'"),
        ("none,no_tb,none,healthy", "none,tb,active_tb,healthy", "box on an image without"),
    ],
)
def test_rows_of_the_simplified_tbx11k_that_are_not_understood_are_refused(
    copy, tmp_path, there, other, told
):
    source = copy("tbx11k simplified")
    table = source / "tbx11k-simplified" / "data.csv"
    table.write_text(table.read_text().replace(there, other, 1))
    row = 2 if "none" in there else 4
    with pytest.raises(DataError, match=rf"data\.csv, row {row}: .*{told}"):
        import_dataset("tbx11k", source, tmp_path / "out")


def test_the_kind_of_tuberculosis_may_be_in_another_column(copy, tmp_path):
    source = copy("tbx11k simplified")
    table = source / "tbx11k-simplified" / "data.csv"
    text = table.read_text().replace("target,tb_type", "target,label")
    table.write_text(text.replace("tb,active_tb,", "active_tb,tb,").replace("tb,latent_tb,", "latent_tb,tb,"))
    done = import_dataset("tbx11k", source, tmp_path / "out")
    assert labels(done) == VARIANTS["tbx11k simplified"].labels


def test_a_mask_of_its_name_does_not_stand_for_an_image_that_is_missing(copy, tmp_path):
    source = copy("chestxray14")
    mask(source / "lung_masks" / "00000002_000.png", (1, 2, 7, 8))
    (source / "images_001" / "images" / "00000002_000.png").unlink()
    done = import_dataset("chestxray14", source, tmp_path / "out")
    assert done.n_images == 3
    assert any(note.startswith("Partial copy: 1 of 5 images") for note in done.notes)


def test_parts_that_cannot_be_tested_are_no_split(copy, tmp_path):
    source = copy("chestxray14")
    for path in source.glob("*/images/00000003_*"):
        path.unlink()
    done = import_dataset("chestxray14", source, tmp_path / "out")
    assert "split" not in read_header(done.table)
    assert any("The images are in the parts train;" in note for note in done.notes)


def test_images_beside_the_parts_make_no_row_without_one(tmp_path):
    for seed, name in enumerate(("train/nevus", "train/mel", "test/nevus", "test/mel", "nevus")):
        picture(tmp_path / "source" / name / f"{seed}.png", seed)
    done = import_dataset("folder", tmp_path / "source", tmp_path / "out")
    assert (done.n_images, "split" in read_header(done.table)) == (5, False)
    assert any("The images are in the parts none, test, train;" in note for note in done.notes)


def test_files_of_a_hospital_s_archive_have_no_suffix(copy, tmp_path):
    source = copy("folder")
    dicom(source / "nevus" / "IM000001", "MRN-4712", 8)
    dicom(source / "mel" / "1.2.840.5", "MRN-4713", 9)
    lines(source / "mel" / "readme", "no image")
    dicom(source / "mel" / "DICOMDIR", "MRN-4714", 10)
    done = import_dataset("folder", source, tmp_path / "out")
    assert (done.n_images, done.groups) == (6, 4)
    assert any("3 patients in 5 images" in note for note in done.notes)
    loaded = load_table(done.table, Columns.guess(read_header(done.table)), image_root=done.images)
    check_images(loaded)


def test_one_patient_id_for_all_is_no_patient(tmp_path):
    for seed, name in enumerate(("nevus/a", "nevus/b", "mel/c")):
        dicom(tmp_path / "source" / f"{name}.dcm", "ANONYMOUS", seed)
    done = import_dataset("folder", tmp_path / "source", tmp_path / "out")
    assert done.groups is None
    assert any(note.startswith("All DICOM headers have the same patient id") for note in done.notes)


def test_hidden_copies_are_no_images(copy, tmp_path):
    source = copy("folder")
    picture(source / "mel" / ".ipynb_checkpoints" / "d-checkpoint.png", 3)
    picture(source / "mel" / "._d.png", 3)
    assert import_dataset("folder", source, tmp_path / "out").n_images == 4


def test_names_alone_make_no_masks_in_a_class_folder(tmp_path):
    for seed, name in enumerate(("with_mask/a.png", "with_mask/a_mask.png", "without/b_lesion.png")):
        picture(tmp_path / "source" / name, seed)
    done = import_dataset("folder", tmp_path / "source", tmp_path / "out")
    assert labels(done) == {"with_mask/a.png": "with_mask", "without/b_lesion.png": "without"}
    assert any(note.startswith("1 mask, named like") for note in done.notes)


def test_a_rule_for_several_findings_is_refused_where_there_is_one_label(copy, tmp_path):
    with pytest.raises(ConfigError, match="every image has one label already"):
        import_dataset("busi", copy("busi"), tmp_path / "out", Settings(LabelRule("benign")))


def test_images_may_lie_in_one_folder(copy, tmp_path):
    source = copy("isic2018-task3")
    (source / "images").mkdir()
    for path in [*source.glob("*_Input/*.jpg")]:
        path.rename(source / "images" / path.name)
    done = import_dataset("isic2018-task3", source, tmp_path / "out")
    assert done.splits == {"train": 3, "test": 1}


def test_the_documentation_tells_what_each_layout_expects():
    text = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in LAYOUTS)


def test_an_unknown_layout_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="Choose from folder, coco, yolo, ham10000"):
        import_dataset("skin", tmp_path, tmp_path / "out")
