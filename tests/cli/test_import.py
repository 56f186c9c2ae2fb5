"""`lesioncare import` and `lesioncare data check`, and DICOM files all the way to a prediction."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from lesioncare.data.imports import LAYOUTS


def save_dicom(path, patient, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, "1.2"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID, made.PatientID = SecondaryCaptureImageStorage, "1.2", patient
    made.Rows, made.Columns = grey.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.WindowCenter, made.WindowWidth = 2048, 4096
    made.PixelData = grey.astype(np.uint16).tobytes()
    made.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """DICOM files in a folder per class; two per patient, whose ids are record numbers."""
    root = tmp_path_factory.mktemp("clinic") / "source"
    random = np.random.default_rng(0)
    for number in range(24):
        grey = random.integers(0, 1500, (32, 32))
        if number % 2:
            grey[8:20, 8:20] += 2000
        save_dicom(root / ("mass" if number % 2 else "clear") / f"{number}.dcm", f"MRN{number // 4}", grey)
    return root


def test_the_list_names_every_layout_its_source_and_its_licence(run):
    code, out, _ = run("import", "--list")
    assert code == 0
    for name, layout in LAYOUTS.items():
        assert f"{name}: {layout.title}" in out
        assert layout.source in out
        assert layout.licence in out


def test_dicom_files_are_imported_checked_trained_on_and_predicted(run, clinic, tmp_path):
    code, out, err = run("import", "folder", clinic, "-o", tmp_path / "table")
    assert code == 0, err
    assert "24 images, 6 lesions or patients" in out
    assert f"Next: lesioncare data check {tmp_path / 'table' / 'table.csv'} --images {clinic}" in out
    table = tmp_path / "table" / "table.csv"
    assert "MRN" not in table.read_text()

    code, out, err = run("data", "check", table, "--images", clinic, "-o", tmp_path / "check.html")
    assert code == 0, err
    assert "24 of 24 images share theirs" in out
    assert "MRN" not in out + (tmp_path / "check.html").read_text()

    words = "--model lesioncare.experiment.demo:small_network --image-size 32 --epochs 1 --validation 0"
    code, _, err = run(
        "train", table, "--images", clinic, *words.split(), "--folds", "2", "--attention", "none",
        "--accelerator", "cpu", "--output", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    code, _, err = run("predict", tmp_path / "run", clinic / "mass", "--output", tmp_path / "answers.csv")
    assert code == 0, err
    assert len(pd.read_csv(tmp_path / "answers.csv")) == 12
    code, _, err = run("boxes", "make", clinic / "mass", "--method", "mbd", "-o", tmp_path / "boxes.csv")
    assert code == 0, err
    assert pd.read_csv(tmp_path / "boxes.csv")["image"].nunique() == 12


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["import"], ["needs NAME and PATH", "--list"]),
        (["import", "skin", "."], ["no layout 'skin'", "ham10000"]),
        (["import", "busi", "nowhere"], ["nowhere", "no such folder"]),
        (["import", "chestxray14", ".", "--label-rule", "all"], ["--label-rule", "one:NAME"]),
        (["data", "check", "none.csv"], ["none.csv", "no such table"]),
        (["data", "check", "table.csv", "--group-column", "patient"], ["no column 'patient'"]),
        (["data", "check", "table.csv", "--images", "nowhere"], ["nowhere", "--images"]),
        (["data", "check", "table.csv", "--images", "empty"], ["none of its images was found", "--images"]),
        (["data", "check", "table.csv", "--similarity", "2"], ["similarity"]),
        (["data", "check", "table.csv", "--box-columns", "a,b"], ["--box-columns needs four names"]),
        (["data", "check", "table.csv", "--boxes", "none.json"], ["none.json"]),
    ],
)
def test_bad_input_ends_with_2_and_one_message(run, words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")
    (tmp_path / "table.csv").write_text("image,label\na.png,nv\n")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    code, _, err = run(*words)
    assert code == 2
    assert err.startswith("lesioncare: error: ")
    assert "Traceback" not in err
    for part in told:
        assert part in err
    assert sorted(tmp_path.iterdir()) == before


def test_findings_end_with_0_and_can_be_kept(run, tmp_path):
    Image.effect_noise((32, 32), 60).save(tmp_path / "a.png")
    Image.open(tmp_path / "a.png").save(tmp_path / "b.bmp")
    (tmp_path / "table.csv").write_text("image,label\na.png,nv\nb.bmp,mel\ngone.png,mel\n")
    code, out, _ = run("data", "check", tmp_path / "table.csv", "--findings", tmp_path / "found.csv")
    assert code == 0
    assert "1 x one image, two labels" in out
    assert "1 x missing image" in out
    found = pd.read_csv(tmp_path / "found.csv")
    assert {"one image, two labels", "identical images", "missing image"} <= set(found["kind"])
