import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from lesioncare.data.synthetic import SyntheticConfig, write_dataset

COUNTS = {"common-mole": 24, "network": 12, "red-lacunae": 6}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """What the pages speak of: table.csv, photos/, masks/, new_images/, other_hospital.csv, clinic/."""
    place = tmp_path_factory.mktemp("pages") / "place"
    place.mkdir()
    write_dataset(place / "drawn", SyntheticConfig(train_counts=COUNTS, n_test=4, size=48))
    (place / "drawn" / "images").rename(place / "photos")
    (place / "drawn" / "masks").rename(place / "masks")
    frame = pd.read_csv(place / "drawn" / "table.csv")
    frame["image"] = [Path(name).name for name in frame["image"]]
    frame = frame.rename(columns={"group": "patient"})
    frame[["image", "label", "patient", "x1", "y1", "x2", "y2"]].to_csv(place / "table.csv", index=False)
    frame[frame["split"] == "test"][["image", "label"]].to_csv(place / "other_hospital.csv", index=False)
    (place / "new_images").mkdir()
    for name in frame["image"][:3]:
        shutil.copy(place / "photos" / name, place / "new_images")
    _clinic(place)
    return place


def _clinic(place):
    """32 X-rays of 16 patients as DICOM files, and boxes on those with a mass."""
    rows = []
    for number in range(32):
        kind = "mass" if number % 4 == 0 else "clear"
        grey = np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)
        _save_dicom(place / "clinic" / kind / f"{number}.dcm", f"MRN{number // 2}", grey)
        if kind == "mass":
            rows.append((f"{kind}/{number}.dcm", kind, 8, 8, 30, 28))
    boxes = pd.DataFrame(rows, columns=["image", "label", "x1", "y1", "x2", "y2"])
    boxes.to_csv(place / "chest-boxes.csv", index=False)


def _save_dicom(path, patient, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    file.PatientID, file.Rows, file.Columns = patient, *grey.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = grey.tobytes()
    file.save_as(path, enforce_file_format=True)


@pytest.fixture
def place(drawn, tmp_path, monkeypatch):
    """A copy of the files that the pages speak of, as the current folder."""
    shutil.copytree(drawn, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"
