"""Miniature copies of each layout, as published, and what their import must give: written by hand."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage


def picture(path: Path, seed: int, size: tuple[int, int] = (24, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask(path: Path, box: tuple[int, int, int, int] | None, size: tuple[int, int] = (24, 16)) -> None:
    """A mask whose box, right and bottom edge behind the last pixel, is `box`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("L", size)
    if box is not None:
        ImageDraw.Draw(drawn).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    drawn.save(path)


def dicom(path: Path, patient: str, seed: int, side: int = 16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = f"1.2.{seed}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, f"1.2.{seed}"
    made.PatientID = patient
    made.Rows = made.Columns = side
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8).tobytes()
    made.save_as(path, enforce_file_format=True)


def lines(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Copy:
    """A miniature, and what its import gives.

    Args:
        make: writes it below a folder.
        labels: of each image that is kept.
        together: images of one lesion or patient; None where groups are unknown.
        splits: of some images.
        boxes: (image, label, corners) of all boxes.
        secrets: texts that must be in no output.
        key_file: the file without which the layout cannot be read.
    """

    make: Callable[[Path], None]
    labels: dict[str, str]
    together: tuple[tuple[str, ...], ...] | None
    splits: dict[str, str]
    boxes: tuple[tuple[str, str | None, tuple[float, ...]], ...]
    key_file: str | None
    secrets: tuple[str, ...] = ()


def folder(root: Path) -> None:
    dicom(root / "nevus" / "a.dcm", "MRN-4711", 0)
    dicom(root / "nevus" / "b.dcm", "MRN-4711", 1)
    dicom(root / "mel" / "c.dcm", "MRN-4712", 2)
    picture(root / "mel" / "d.png", 3)
    picture(root / "loose.png", 4)


def coco(root: Path) -> None:
    names = {"train2017": ["a.jpg", "b.jpg", "c.jpg"], "val2017": ["a.jpg", "d.jpg"]}
    for part, images in names.items():
        for number, name in enumerate(images):
            picture(root / part / name, len(part) * 10 + number)
        boxes = {"train2017": [(0, 1, [1, 2, 3, 4]), (1, 1, [0, 0, 5, 5]), (1, 2, [1, 1, 5, 5])]}
        boxes |= {"val2017": [(1, 2, [2, 2, 6, 7])]}
        document = {
            "images": [
                {"id": number, "file_name": name, "width": 24, "height": 16}
                for number, name in enumerate(images)
            ],
            "annotations": [
                {"id": number, "image_id": image, "category_id": category, "bbox": box}
                for number, (image, category, box) in enumerate(boxes[part])
            ],
            "categories": [{"id": 1, "name": "nodule"}, {"id": 2, "name": "mass"}],
        }
        lines(root / "annotations" / f"instances_{part}.json", json.dumps(document))


def yolo(root: Path) -> None:
    lines(root / "data.yaml", "names: [nodule, mass]")
    for part, name, text in (
        ("train", "a", "0 0.5 0.5 0.5 0.5"),
        ("train", "b", ""),
        ("valid", "c", "1 0.25 0.25 0.5 0.5"),
    ):
        picture(root / part / "images" / f"{name}.jpg", ord(name))
        lines(root / part / "labels" / f"{name}.txt", text)


def ham(root: Path) -> None:
    lines(
        root / "HAM10000_metadata.csv",
        "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset",
        "HAM_1,ISIC_0024306,nv,histo,45.0,male,back,vidir",
        "HAM_1,ISIC_0024307,nv,histo,45.0,male,back,vidir",
        "HAM_2,ISIC_0024308,mel,histo,,,back,vidir",
        "HAM_3,ISIC_0024309,df,histo,,,back,vidir",  # its image is not there
    )
    for number, part in ((306, 1), (307, 1), (308, 2)):
        picture(root / f"HAM10000_images_part_{part}" / f"ISIC_0024{number}.jpg", number)
        box = (2, 3, 10, 12) if number == 306 else None
        mask(root / "HAM10000_segmentations_lesion_tschandl" / f"ISIC_0024{number}_segmentation.png", box)


def isic2018_task1(root: Path) -> None:
    for part, name in (("Training", "1"), ("Validation", "2")):
        picture(root / f"ISIC2018_Task1-2_{part}_Input" / f"ISIC_{name}.jpg", int(name))
        mask(root / f"ISIC2018_Task1_{part}_GroundTruth" / f"ISIC_{name}_segmentation.png", (1, 1, 5, 6))


def isic2018_task3(root: Path) -> None:
    head = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
    for part, names in (("Training", ("1", "2", "3")), ("Test", ("4",))):
        rows = [
            f"ISIC_{name},{'1.0,0.0' if name == '3' else '0.0,1.0'},0.0,0.0,0.0,0.0,0.0" for name in names
        ]
        lines(
            root / f"ISIC2018_Task3_{part}_GroundTruth" / f"ISIC2018_Task3_{part}_GroundTruth.csv",
            head,
            *rows,
        )
        for name in names:
            picture(root / f"ISIC2018_Task3_{part}_Input" / f"ISIC_{name}.jpg", int(name))
    lines(
        root / "ISIC2018_Task3_Training_LesionGroupings.csv",
        "image,lesion_id,diagnosis_confirm_type",
        *(f"ISIC_{name},HAM_{1 + (name == '3')},histopathology" for name in "123"),
    )


def isic2019(root: Path) -> None:
    lines(
        root / "ISIC_2019_Training_GroundTruth.csv",
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK",
        "ISIC_1,1,0,0,0,0,0,0,0,0",
        "ISIC_2,0,0,0,0,0,0,0,1,0",
        "ISIC_3_downsampled,0,0,0,0,0,0,0,1,0",
    )
    lines(
        root / "ISIC_2019_Training_Metadata.csv",
        "image,age_approx,anatom_site_general,lesion_id,sex",
        "ISIC_1,55.0,back,,female",
        "ISIC_2,30.0,back,BCN_1,female",
        "ISIC_3_downsampled,30.0,back,BCN_1,female",
    )
    for number, name in enumerate(("ISIC_1", "ISIC_2", "ISIC_3_downsampled")):
        picture(root / "ISIC_2019_Training_Input" / f"{name}.jpg", number)


def isic2020(root: Path) -> None:
    lines(
        root / "train.csv",
        "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target",
        "ISIC_1,IP_7279968,male,45.0,torso,unknown,benign,0",
        "ISIC_2,IP_7279968,male,45.0,torso,melanoma,malignant,1",
        "ISIC_3,IP_3075186,male,45.0,torso,unknown,benign,0",
        "ISIC_4,,male,45.0,torso,unknown,benign,0",
    )
    lines(root / "ISIC_2020_Training_Duplicates.csv", "image_name_1,image_name_2", "ISIC_1,ISIC_4")
    for name in "1234":
        picture(root / "train" / f"ISIC_{name}.jpg", int(name))


def rsna(root: Path) -> None:
    lines(
        root / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target",
        "0004cfab,,,,,0",
        "00436515,264.0,152.0,213.0,379.0,1",
        "00436515,562.0,152.0,256.0,453.0,1",
        "000924cf,,,,,0",
    )
    lines(
        root / "stage_2_detailed_class_info.csv",
        "patientId,class",
        "0004cfab,No Lung Opacity / Not Normal",
        "00436515,Lung Opacity",
        "00436515,Lung Opacity",
        "000924cf,Normal",
    )
    for seed, name in enumerate(("0004cfab", "00436515", "000924cf")):
        dicom(root / "stage_2_train_images" / f"{name}.dcm", name, seed, side=512)


def nih(root: Path) -> None:
    head = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"
    lines(
        root / "Data_Entry_2017.csv",
        f"{head},OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],",
        "00000001_000.png,Cardiomegaly,0,90001,058Y,M,PA,2682,2749,0.143,0.143,",
        "00000001_001.png,Cardiomegaly|Effusion,1,90001,058Y,M,PA,2682,2749,0.143,0.143,",
        "00000002_000.png,No Finding,0,90002,080Y,M,PA,2500,2048,0.171,0.171,",
        "00000003_000.png,Infiltration,0,90003,080Y,M,PA,2500,2048,0.171,0.171,",
        "00000003_001.png,No Finding,1,90003,080Y,M,PA,2500,2048,0.171,0.171,",
    )
    lines(
        root / "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,",
        "00000003_000.png,Infiltrate,225.0,547.0,86.5,79.25,,,",
        "00000001_001.png,Cardiomegaly,1,1,10,10,,,",  # left out with its image, which has two findings
    )
    lines(root / "test_list.txt", "00000003_000.png", "00000003_001.png")
    for seed, name in enumerate(("1_000", "1_001", "2_000", "3_000", "3_001")):
        side = (1024, 1024) if name == "3_000" else (24, 16)
        picture(root / f"images_00{1 + seed % 2}" / "images" / f"0000000{name}.png", seed, side)


def vindr(root: Path) -> None:
    head = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max"
    lines(
        root / "annotations" / "annotations_train.csv",
        head,
        "aa,R1,Nodule/Mass,1.0,2.0,5.0,8.0",
        "aa,R2,Nodule/Mass,1.5,2.0,5.0,8.0",
        "aa,R3,Cardiomegaly,0,0,9,9",  # one of three: not agreed
        "bb,R1,No finding,,,,",
        "bb,R2,No finding,,,,",
        "bb,R3,No finding,,,,",
    )
    lines(root / "annotations" / "annotations_test.csv", "image_id,class_name,x_min,y_min,x_max,y_max",
          "cc,Cardiomegaly,0,0,9,9")  # fmt: skip
    for seed, name in enumerate(("train/aa", "train/bb", "test/cc")):
        dicom(root / f"{name}.dicom", "", seed)


def kermany(root: Path) -> None:
    for seed, name in enumerate((
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "train/PNEUMONIA/person1_bacteria_2.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg",
        "test/NORMAL/NORMAL2-IM-0001-0001.jpeg",
        "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
    )):  # fmt: skip
        picture(root / "chest_xray" / name, seed)


def tbx(root: Path) -> None:
    names = {"train": ["health/h1.png", "sick/s1.png", "tb/tb1.png", "tb/tb2.png"], "val": ["tb/tb3.png"]}
    categories = ["ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis"]
    boxes = {"train": [(2, 1), (3, 1), (3, 2)], "val": [(0, 2)]}
    for part, images in names.items():
        for seed, name in enumerate(images):
            picture(root / "TBX11K" / "imgs" / name, seed + len(part) * 10)
        document = {
            "images": [
                {"id": number, "file_name": name, "width": 24, "height": 16}
                for number, name in enumerate(images)
            ],
            "annotations": [
                {"id": number, "image_id": image, "category_id": category, "bbox": [1, 2, 4, 5]}
                for number, (image, category) in enumerate(boxes[part])
            ],
            "categories": [{"id": number, "name": name} for number, name in enumerate(categories, 1)],
        }
        lines(root / "TBX11K" / "annotations" / "json" / f"TBX11K_{part}.json", json.dumps(document))


def busi(root: Path) -> None:
    base = root / "Dataset_BUSI_with_GT"
    for seed, (label, number) in enumerate((("benign", 1), ("benign", 2), ("malignant", 1), ("normal", 1))):
        picture(base / label / f"{label} ({number}).png", seed)
        mask(base / label / f"{label} ({number})_mask.png", None if label == "normal" else (1, 2, 7, 8))
    mask(base / "benign" / "benign (2)_mask_1.png", (10, 10, 14, 15))


def medmnist(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        arrays[f"{part}_images"] = random.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    np.savez(root / "pneumoniamnist_64.npz", **arrays)


_TRAIN3, _TEST3 = "ISIC2018_Task3_Training_Input/", "ISIC2018_Task3_Test_Input/"
_2019, _BUSI, _X = "ISIC_2019_Training_Input/", "Dataset_BUSI_with_GT/", "chest_xray/"
_HAM = "HAM10000_images_part_"
COPIES = {
    "folder": Copy(
        folder,
        {"nevus/a.dcm": "nevus", "nevus/b.dcm": "nevus", "mel/c.dcm": "mel", "mel/d.png": "mel"},
        (("nevus/a.dcm", "nevus/b.dcm"), ("mel/c.dcm",), ("mel/d.png",)),
        {},
        (),
        None,
        ("MRN-4711", "MRN-4712", "4711"),
    ),
    "coco": Copy(
        coco,
        {"train2017/a.jpg": "nodule", "train2017/c.jpg": "no finding", "val2017/a.jpg": "no finding"}
        | {"val2017/d.jpg": "mass"},
        None,
        {"train2017/a.jpg": "train", "val2017/a.jpg": "test"},
        (("train2017/a.jpg", "nodule", (1, 2, 4, 6)), ("val2017/d.jpg", "mass", (2, 2, 8, 9))),
        "annotations",
    ),
    "yolo": Copy(
        yolo,
        {"train/images/a.jpg": "nodule", "train/images/b.jpg": "no finding", "valid/images/c.jpg": "mass"},
        None,
        {"train/images/a.jpg": "train", "valid/images/c.jpg": "test"},
        (("train/images/a.jpg", "nodule", (6, 4, 18, 12)), ("valid/images/c.jpg", "mass", (0, 0, 12, 8))),
        "data.yaml",
    ),
    "ham10000": Copy(
        ham,
        {f"{_HAM}1/ISIC_0024306.jpg": "nv", f"{_HAM}1/ISIC_0024307.jpg": "nv"}
        | {f"{_HAM}2/ISIC_0024308.jpg": "mel"},
        ((f"{_HAM}1/ISIC_0024306.jpg", f"{_HAM}1/ISIC_0024307.jpg"), (f"{_HAM}2/ISIC_0024308.jpg",)),
        {},
        ((f"{_HAM}1/ISIC_0024306.jpg", "nv", (2, 3, 10, 12)),),
        "HAM10000_metadata.csv",
    ),
    "isic2018-task1": Copy(
        isic2018_task1,
        {
            "ISIC2018_Task1-2_Training_Input/ISIC_1.jpg": "",
            "ISIC2018_Task1-2_Validation_Input/ISIC_2.jpg": "",
        },
        None,
        {"ISIC2018_Task1-2_Validation_Input/ISIC_2.jpg": "val"},
        (
            ("ISIC2018_Task1-2_Training_Input/ISIC_1.jpg", None, (1, 1, 5, 6)),
            ("ISIC2018_Task1-2_Validation_Input/ISIC_2.jpg", None, (1, 1, 5, 6)),
        ),
        None,
    ),
    "isic2018-task3": Copy(
        isic2018_task3,
        {f"{_TRAIN3}ISIC_1.jpg": "NV", f"{_TRAIN3}ISIC_2.jpg": "NV", f"{_TRAIN3}ISIC_3.jpg": "MEL"}
        | {f"{_TEST3}ISIC_4.jpg": "NV"},
        (
            (f"{_TRAIN3}ISIC_1.jpg", f"{_TRAIN3}ISIC_2.jpg"),
            (f"{_TRAIN3}ISIC_3.jpg",),
            (f"{_TEST3}ISIC_4.jpg",),
        ),
        {f"{_TRAIN3}ISIC_1.jpg": "train", f"{_TEST3}ISIC_4.jpg": "test"},
        (),
        None,
    ),
    "isic2019": Copy(
        isic2019,
        {f"{_2019}ISIC_1.jpg": "MEL", f"{_2019}ISIC_2.jpg": "SCC", f"{_2019}ISIC_3_downsampled.jpg": "SCC"},
        ((f"{_2019}ISIC_1.jpg",), (f"{_2019}ISIC_2.jpg", f"{_2019}ISIC_3_downsampled.jpg")),
        {},
        (),
        "ISIC_2019_Training_GroundTruth.csv",
    ),
    "isic2020": Copy(
        isic2020,
        {"train/ISIC_1.jpg": "benign", "train/ISIC_2.jpg": "malignant", "train/ISIC_3.jpg": "benign"},
        (("train/ISIC_1.jpg", "train/ISIC_2.jpg"), ("train/ISIC_3.jpg",)),
        {},
        (),
        "train.csv",
        ("IP_7279968", "IP_3075186"),
    ),
    "rsna-pneumonia": Copy(
        rsna,
        {"stage_2_train_images/0004cfab.dcm": "No Lung Opacity / Not Normal"}
        | {
            "stage_2_train_images/00436515.dcm": "Lung Opacity",
            "stage_2_train_images/000924cf.dcm": "Normal",
        },
        tuple((f"stage_2_train_images/{name}.dcm",) for name in ("0004cfab", "00436515", "000924cf")),
        {},
        (  # half of what the table says: the images are 512 pixels and not 1024
            ("stage_2_train_images/00436515.dcm", "Lung Opacity", (132, 76, 238.5, 265.5)),
            ("stage_2_train_images/00436515.dcm", "Lung Opacity", (281, 76, 409, 302.5)),
        ),
        "stage_2_train_labels.csv",
    ),
    "chestxray14": Copy(
        nih,
        {
            "images_001/images/00000001_000.png": "Cardiomegaly",
            "images_001/images/00000002_000.png": "No Finding",
        }
        | {"images_002/images/00000003_000.png": "Infiltration"}
        | {"images_001/images/00000003_001.png": "No Finding"},
        (
            ("images_001/images/00000001_000.png",),
            ("images_001/images/00000002_000.png",),
            ("images_001/images/00000003_001.png", "images_002/images/00000003_000.png"),
        ),
        {"images_001/images/00000001_000.png": "train", "images_002/images/00000003_000.png": "test"},
        (("images_002/images/00000003_000.png", "Infiltration", (225, 547, 311.5, 626.25)),),
        "Data_Entry_2017.csv",
        ("90001", "90002", "90003"),
    ),
    "vindr-cxr": Copy(
        vindr,
        {"train/aa.dicom": "Nodule/Mass", "train/bb.dicom": "No finding", "test/cc.dicom": "Cardiomegaly"},
        None,
        {"train/aa.dicom": "train", "test/cc.dicom": "test"},
        (
            ("train/aa.dicom", "Nodule/Mass", (1, 2, 5, 8)),
            ("train/aa.dicom", "Nodule/Mass", (1.5, 2, 5, 8)),
            ("test/cc.dicom", "Cardiomegaly", (0, 0, 9, 9)),
        ),
        "annotations",
    ),
    "kermany": Copy(
        kermany,
        {
            f"{_X}train/NORMAL/IM-0115-0001.jpeg": "NORMAL",
            f"{_X}test/NORMAL/NORMAL2-IM-0001-0001.jpeg": "NORMAL",
        }
        | {f"{_X}val/NORMAL/NORMAL2-IM-1427-0001.jpeg": "NORMAL"}
        | {f"{_X}train/PNEUMONIA/person1_bacteria_{n}.jpeg": "PNEUMONIA" for n in (1, 2)}
        | {f"{_X}test/PNEUMONIA/person1_virus_6.jpeg": "PNEUMONIA"},
        (
            tuple(f"{_X}train/PNEUMONIA/person1_bacteria_{n}.jpeg" for n in (1, 2)),
            (f"{_X}test/PNEUMONIA/person1_virus_6.jpeg",),
            (f"{_X}train/NORMAL/IM-0115-0001.jpeg",),
            (f"{_X}test/NORMAL/NORMAL2-IM-0001-0001.jpeg",),
            (f"{_X}val/NORMAL/NORMAL2-IM-1427-0001.jpeg",),
        ),
        {f"{_X}test/PNEUMONIA/person1_virus_6.jpeg": "test"},
        (),
        None,
    ),
    "tbx11k": Copy(
        tbx,
        {"TBX11K/imgs/health/h1.png": "health", "TBX11K/imgs/sick/s1.png": "sick"}
        | {"TBX11K/imgs/tb/tb1.png": "active", "TBX11K/imgs/tb/tb2.png": "active+latent"}
        | {"TBX11K/imgs/tb/tb3.png": "latent"},
        None,
        {"TBX11K/imgs/tb/tb1.png": "train", "TBX11K/imgs/tb/tb3.png": "test"},
        (
            ("TBX11K/imgs/tb/tb1.png", "active", (1, 2, 5, 7)),
            ("TBX11K/imgs/tb/tb2.png", "active", (1, 2, 5, 7)),
            ("TBX11K/imgs/tb/tb2.png", "latent", (1, 2, 5, 7)),
            ("TBX11K/imgs/tb/tb3.png", "latent", (1, 2, 5, 7)),
        ),
        "TBX11K/annotations",
    ),
    "busi": Copy(
        busi,
        {f"{_BUSI}benign/benign ({n}).png": "benign" for n in (1, 2)}
        | {f"{_BUSI}malignant/malignant (1).png": "malignant", f"{_BUSI}normal/normal (1).png": "normal"},
        None,
        {},
        (
            (f"{_BUSI}benign/benign (1).png", "benign", (1, 2, 7, 8)),
            (f"{_BUSI}benign/benign (2).png", "benign", (1, 2, 7, 8)),
            (f"{_BUSI}benign/benign (2).png", "benign", (10, 10, 14, 15)),
            (f"{_BUSI}malignant/malignant (1).png", "malignant", (1, 2, 7, 8)),
        ),
        None,
    ),
    "medmnist": Copy(
        medmnist,
        {
            f"images/{name}.png": "normal"
            for name in ("train_000000", "train_000002", "val_000000", "test_000000")
        }
        | {f"images/{name}.png": "pneumonia" for name in ("train_000001", "test_000001")},
        None,
        {
            "images/train_000002.png": "train",
            "images/val_000000.png": "val",
            "images/test_000001.png": "test",
        },
        (),
        "pneumoniamnist_64.npz",
    ),
}
