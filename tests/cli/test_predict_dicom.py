"""`predict` on DICOM files: the answers for the pixels that a viewer shows, on each back end."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from lesioncare.images import image_size

pytestmark = pytest.mark.slow
RANDOM = np.random.default_rng(0)


def dicom(path, stored, **fields):
    """A file of grey [h, w] or colour [h, w, 3] pixels, of a patient who has a name."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    made.PatientID, made.PatientName = "MRN-4711", "Doe^Jane"
    made.Rows, made.Columns = stored.shape[:2]
    made.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    made.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * stored.dtype.itemsize
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, 0
    made.PixelData = stored.tobytes()
    if stored.ndim == 3:
        made.PlanarConfiguration = 0
    for name, value in fields.items():
        setattr(made, name, value)
    made.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two folders of the same pixels: DICOM files, and PNG files worked out from the standard's formulas."""
    dicoms, pngs = (tmp_path_factory.mktemp(name) for name in ("dicoms", "pngs"))
    colour = RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    dicom(dicoms / "colour.dcm", colour)
    Image.fromarray(colour).save(pngs / "colour.png")

    grey = RANDOM.integers(0, 256, (40, 50), dtype=np.uint8)
    dicom(dicoms / "inverted.dicom", grey, PhotometricInterpretation="MONOCHROME1")
    Image.fromarray(255 - grey).save(pngs / "inverted.png")

    # CT: Hounsfield units x - 1024, and a window from -160 to 240 (PS3.3 C.11.2.1.3.2, linear exact).
    stored = RANDOM.integers(700, 1500, (64, 48), dtype=np.uint16)
    fields = {"RescaleSlope": 1, "RescaleIntercept": -1024, "VOILUTFunction": "LINEAR_EXACT"}
    dicom(dicoms / "windowed.dcm", stored, WindowCenter=40, WindowWidth=400, **fields)
    shown = np.clip((stored.astype(float) - 1024 + 160) / 400, 0, 1) * 255
    Image.fromarray(shown.round().astype(np.uint8)).save(pngs / "windowed.png")
    return dicoms, pngs


@pytest.fixture(scope="module")
def export(finished, tmp_path_factory):
    from lesioncare.deploy import export_run  # noqa: PLC0415
    from lesioncare.training.apply import load_run  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("export") / "files"
    return export_run(load_run(finished), folder, formats=("onnx", "torch-export"), check_images=2).directory


@pytest.mark.parametrize("backend", ["the run", "torch", "onnx"])
def test_dicom_files_have_the_answers_of_the_png_files_of_their_pixels(
    run, finished, export, pair, tmp_path, backend
):
    words = (finished,) if backend == "the run" else (export, "--backend", backend)
    said = []
    for folder in pair:
        code, _, errors = run("predict", words[0], folder, "-o", tmp_path / f"{folder.name}.csv", *words[1:])
        assert code == 0, errors
        text = (tmp_path / f"{folder.name}.csv").read_text()
        assert "4711" not in text
        assert "Doe" not in text
        said.append(pd.read_csv(tmp_path / f"{folder.name}.csv").drop(columns=["image", "path"]))
    assert len(said[0]) == 3
    pd.testing.assert_frame_equal(*said, check_exact=True)
    assert said[0].filter(like="probability").nunique().min() == 3  # the pixels do matter


def test_dicom_files_without_a_suffix_are_read_from_a_folder_and_a_table(run, export, pair, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "IM000001").write_bytes((pair[0] / "windowed.dcm").read_bytes())
    (tmp_path / "new" / "DICOMDIR").write_bytes((pair[0] / "windowed.dcm").read_bytes())
    (tmp_path / "new" / "new.csv").write_text("image\nIM000001\n")
    assert run("predict", export, pair[1], "-o", tmp_path / "png.csv")[0] == 0
    expected = pd.read_csv(tmp_path / "png.csv").set_index("image").filter(like="probability")
    for source in ("new", "new/new.csv"):
        output = tmp_path / "one.csv"
        assert run("predict", export, tmp_path / source, "-o", output, "--overwrite")[0] == 0
        one = pd.read_csv(output).filter(like="probability")
        np.testing.assert_array_equal(one, expected.loc[["windowed.png"]])


def test_a_film_is_named_and_nothing_is_written(run, export, tmp_path):
    (tmp_path / "new").mkdir()
    frames = np.zeros((2, 8, 8), np.uint8)
    dicom(tmp_path / "new" / "film.dcm", frames[0], NumberOfFrames=2, PixelData=frames.tobytes())
    code, _, errors = run("predict", export, tmp_path / "new", "-o", tmp_path / "p.csv")
    assert code == 2
    assert "film.dcm: a DICOM file of 2 frames" in errors
    assert not (tmp_path / "p.csv").exists()


def test_dicom_overlays_have_the_size_of_the_image(run, finished, pair, tmp_path):
    words = ("predict", finished, pair[0], "-o", tmp_path / "p.csv", "--overlays", tmp_path / "seen")
    code, _, errors = run(*words)
    assert code == 0, errors
    sizes = [image_size(path) for path in sorted((tmp_path / "seen").iterdir())]
    assert sizes == [(50, 40), (50, 40), (48, 64)]
