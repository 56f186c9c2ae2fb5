"""What only some layouts do: label rules, hashed patients, copies that are partial, doubled or damaged."""

import io
import json
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesioncare.boxes.formats import read_boxes
from lesioncare.data import Columns, load_table
from lesioncare.data.checks import check_images
from lesioncare.data.imports import LAYOUTS, LabelRule, Settings, import_dataset
from lesioncare.data.imports.layouts.medmnist_names import COUNTS, NAMES
from lesioncare.data.imports.pseudonyms import group_key, pseudonym
from lesioncare.errors import ConfigError, DataError
from lesioncare.rawtable import read_header

from .copies import COPIES, dicom, lines, mask, picture
from .variants import VARIANTS


@pytest.fixture
def copy(tmp_path):
    def copy(name):
        (COPIES | VARIANTS)[name].make(tmp_path / "source")
        return tmp_path / "source"

    return copy


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
    assert any("1 images with several were left out" in note for note in done.notes)


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
    assert "Partial copy: 1 of 4 images are not there" in text
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
    assert "1 images have no number in their names and are groups of their own." in done.notes
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
    assert any(note.startswith("1 images are byte for byte copies") for note in done.notes)
    assert any("in 1 cases with another label" in note for note in done.notes)


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


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3)])
def test_medmnist_keeps_the_pixels(tmp_path, shape):
    from PIL import Image  # noqa: PLC0415

    images = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    parts = {f"{part}_images": images for part in ("train", "val", "test")}
    codes = {f"{part}_labels": np.array([[0], [6]], np.uint8) for part in ("train", "val", "test")}
    np.savez(tmp_path / "dermamnist.npz", **parts, **codes)
    done = import_dataset("medmnist", tmp_path / "dermamnist.npz", tmp_path / "out")
    assert (np.asarray(Image.open(tmp_path / "out/images/val_000001.png")) == images[1]).all()
    assert set(done.classes) == {NAMES["dermamnist"][0], NAMES["dermamnist"][6]}
    assert {count.published for count in done.counts} == set(COUNTS["dermamnist"].values())


def test_medmnist_of_224_pixels_is_never_held_as_a_whole(tmp_path):
    path, count = tmp_path / "dermamnist_224.npz", {"train": 300, "val": 50, "test": 50}
    codes = {f"{part}_labels": np.arange(many, dtype=np.uint8)[:, None] % 7 for part, many in count.items()}
    np.savez_compressed(
        path, **codes, **{f"{part}_images": np.zeros((n, 224, 224, 3), np.uint8) for part, n in count.items()}
    )  # 60 MB
    tracemalloc.start()
    try:
        done = import_dataset("medmnist", path, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (done.n_images, len(list((tmp_path / "out" / "images").iterdir()))) == (400, 400)
    assert peak < 6e6  # of which one image is 150 kB


@pytest.mark.parametrize("part", ["train_images", "test_images"])
def test_an_archive_of_medmnist_s_that_ends_early_leaves_nothing(tmp_path, part):
    path, parts = tmp_path / "dermamnist.npz", ("train", "val", "test")
    arrays = {f"{name}_images": np.zeros((2, 28, 28, 3), np.uint8) for name in parts}
    arrays |= {f"{name}_labels": np.zeros((2, 1), np.uint8) for name in parts}
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{name}.npy", file.getvalue()[: -1 if name == part else None])
    with pytest.raises(DataError, match=r"dermamnist\.npz: .*ends early"):
        import_dataset("medmnist", path, tmp_path / "out")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_chestmnist_takes_the_label_rule(tmp_path):
    flags = np.zeros((3, 14), np.uint8)
    flags[0, [0, 3]] = flags[1, 13] = 1
    arrays = {f"{part}_images": np.zeros((3, 28, 28), np.uint8) for part in ("train", "val", "test")}
    np.savez(
        tmp_path / "chestmnist.npz", **arrays, **{f"{p}_labels": flags for p in ("train", "val", "test")}
    )
    done = import_dataset("medmnist", tmp_path / "chestmnist.npz", tmp_path / "out")
    assert done.classes == {"hernia": 3, "no finding": 3}


@pytest.mark.parametrize("kind", ["3D", "pickle", "no npz", "other arrays"])
def test_other_npz_files_are_refused(tmp_path, kind):
    path = tmp_path / "organmnist3d.npz"
    arrays = {f"{part}_images": np.zeros((1, 28, 28, 28), np.uint8) for part in ("train", "val", "test")}
    arrays |= {f"{part}_labels": np.zeros((1, 1), np.uint8) for part in ("train", "val", "test")}
    if kind == "pickle":
        arrays["train_images"] = np.array([{}], dtype=object)
    if kind == "other arrays":
        arrays = {"x": np.zeros(3)}
    if kind == "no npz":
        path.write_bytes(b"no")
    else:
        np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"organmnist3d\.npz"):
        import_dataset("medmnist", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


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
    assert any(note.startswith("1 images have no text file and were left out") for note in done.notes)


def test_one_finding_has_no_boxes_of_others(copy, tmp_path):
    done = import_dataset("coco", copy("coco"), tmp_path / "out", Settings(LabelRule("mass")))
    found = [(box.image, box.label) for box in read_boxes(done.boxes).boxes]
    assert found == [("train2017/b.jpg", "mass"), ("val2017/d.jpg", "mass")]


def test_a_rule_for_several_findings_is_refused_where_medmnist_has_one_label(copy, tmp_path):
    with pytest.raises(ConfigError, match="pneumoniamnist every image has one label already"):
        import_dataset("medmnist", copy("medmnist"), tmp_path / "out", Settings(LabelRule("pneumonia")))


def test_the_sample_of_chestxray14_is_compared_with_its_own_number_of_images(copy, tmp_path):
    source = copy("chestxray14 sample")
    # The archive has a copy of itself; each image counts once.
    shutil.copytree(source / "sample" / "sample" / "images", source / "sample" / "images")
    done = import_dataset("chestxray14", source, tmp_path / "out")
    assert "images in the table: 4; published: 5606  <- differs" in done.lines()
    assert done.n_images == 3


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
        assert labels(done).get("train/aa.dicom") == expected
        left = "1 images on which no two readers say the same were left out."
        assert (left in done.notes) == (expected is None)
        assert done.n_boxes == (readers.count("Edema") if expected == "Edema" else 0)


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
    assert any(note.startswith("1 masks") for note in done.notes)


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
