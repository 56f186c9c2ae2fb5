"""An image folder per class, perhaps below train, val and test: the common ground of many data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lesioncare.boxes.formats.folder import stem_of
from lesioncare.boxes.formats.masks import MASK_NAME
from lesioncare.data.imports.layout import Found, Layout, Record, Settings
from lesioncare.data.imports.tree import Tree
from lesioncare.dicom import DICOM_SUFFIXES, dicom_patient
from lesioncare.errors import DataError
from lesioncare.progress import track
from lesioncare.words import noun, several

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}

__all__ = ["FOLDER", "SPLITS", "split_and_class"]


def split_and_class(path: str) -> tuple[str | None, str | None]:
    """Part and class of an image by its folders; None where no folder tells.

    Example:
        >>> split_and_class("train/NORMAL/a.png"), split_and_class("set/mel/1/a.png")
        (('train', 'NORMAL'), (None, 'set'))
    """
    folders = path.split("/")[:-1]
    split = next((SPLITS[name.lower()] for name in folders if name.lower() in SPLITS), None)
    rest = [name for name in folders if name.lower() not in SPLITS]
    return split, next(iter(rest), None)


def _read(tree: Tree, settings: Settings) -> Found:
    pictures, masks = _without_masks(tree.pictures)
    dicoms = {path for path in pictures if path.lower().endswith(tuple(DICOM_SUFFIXES))} | {*tree.bare_dicoms}
    records, loose = [], 0
    patients: dict[str, str] = {}
    for path in track(sorted({*pictures, *dicoms}), "Reading headers", "images"):
        split, label = split_and_class(path)
        if label is None:
            loose += 1
            continue
        patient = dicom_patient(tree.root / path) if path in dicoms else None
        if patient is not None:
            patients[path] = patient
        records.append(Record(path, label, None, split if settings.official_split else None))
    if not records:
        raise DataError(f"{tree.root}: no image in a folder of a class. It needs CLASS/IMAGE in it.")
    if len({record.label for record in records}) < 2:
        raise DataError(
            f"{tree.root}: all images are in one folder, {records[0].label!r}. It needs a folder per class; "
            "name the folder that holds them."
        )
    notes = []
    if loose:
        notes.append(
            f"{several(loose, 'image')} outside a folder of a class {noun(loose, 'was', 'were')} left out."
        )
    if masks:
        beside = noun(masks, "it, was", "them, were")
        notes.append(f"{several(masks, 'mask')}, named like an image beside {beside} left out.")
    return _grouped(records, patients, notes)


def _grouped(records: Sequence[Record], patients: Mapping[str, str], notes: Sequence[str]) -> Found:
    """With the patients of the DICOM headers, if these tell them apart."""
    different = len(set(patients.values()))
    if different > 1:
        told = (
            f"Groups are the patients of the DICOM headers, hashed: {different} patients in {len(patients)} "
            "images. See whether that can be: some programs give all patients one id when they anonymise."
        )
        # Without an id of its own, an image is alone: its path, which no patient's id is.
        grouped = (replace(one, group=patients.get(one.image, f"image {one.image}")) for one in records)
        return Found(tuple(grouped), notes=(*notes, told), patients=True)
    why = "All DICOM headers have the same patient id, which is none. " if len(patients) > 1 else ""
    told = f"{why}Nothing tells which images show the same patient or lesion: there is no group column."
    return Found(tuple(records), notes=(*notes, told))


def _without_masks(pictures: Sequence[str]) -> tuple[list[str], int]:
    """Leave out a_mask.png where a.png is beside it; a name alone makes no mask here."""
    stems = {stem_of(path) for path in pictures}
    kept = [
        path
        for path in pictures
        if not (MASK_NAME.search(stem_of(path)) and MASK_NAME.sub("", stem_of(path)) in stems)
    ]
    return kept, len(pictures) - len(kept)


FOLDER = Layout(
    title="a folder of images per class",
    expects="CLASS/image, or train|val|test/CLASS/image; PNG, JPEG, TIFF, BMP, WebP or DICOM",
    read=_read,
)
