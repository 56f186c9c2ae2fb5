"""MedMNIST (version 3): one .npz file per data set and size; its images are written as files."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.layouts.medmnist_names import CHEST, COUNTS, NAMES
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import ConfigError, DataError

_PARTS = ("train", "val", "test")
_NONE = "no finding"
Arrays = Mapping[str, npt.NDArray[np.uint8]]

__all__ = ["MEDMNIST"]


def _read(tree: Tree, settings: Settings) -> Found:
    path = tree.file or _only_file(tree.root)
    arrays = _load(path)
    name = path.stem.lower().split("_")[0]
    records, counts = [], []
    labels, notes = _labels(name, arrays, settings)
    for part in _PARTS:
        images = arrays[f"{part}_images"]
        counts.append(Count(f"{part} images", len(images), COUNTS.get(name, {}).get(part)))
        split = part if settings.official_split else None
        names = [f"images/{part}_{number:06d}.png" for number in range(len(images))]
        records += [Record(image, labels[image], None, split) for image in names if image in labels]

    def pixels(image: str) -> npt.NDArray[np.uint8]:
        part, number = image.removeprefix("images/").removesuffix(".png").split("_")
        return np.asarray(arrays[f"{part}_images"][int(number)], np.uint8)

    height, width = arrays["train_images"].shape[1:3]
    notes.append(
        f"{name}, {width} x {height} pixels, written as PNG. MedMNIST does not tell patients or lesions: "
        "there is no group column."
    )
    return Found(tuple(records), (), tuple(counts), tuple(notes), pixels=pixels)


def _only_file(root: Path) -> Path:
    files = sorted(root.glob("*.npz"))
    if len(files) != 1:
        raise DataError(f"{root}: {len(files)} .npz files in it. Name the one to be imported.")
    return files[0]


def _load(path: Path) -> Arrays:
    wanted = [f"{part}_{kind}" for part in _PARTS for kind in ("images", "labels")]
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in wanted}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a file of MedMNIST ({error}). Download it again.") from error
    for part in _PARTS:
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
            raise DataError(
                f"{path}: images of shape {images.shape[1:]}; only MedMNIST's 2D sets can be imported, since "
                "lesioncare classifies images, not volumes."
            )
        if labels.ndim != 2 or len(labels) != len(images):
            raise DataError(f"{path}: {len(images)} {part} images and labels {labels.shape}. Download again.")
    if (
        arrays["train_images"].ndim == 3
        and arrays["train_images"].shape[1] != arrays["train_images"].shape[2]
    ):
        raise DataError(f"{path}: images of {arrays['train_images'].shape[1:]}, not square as MedMNIST's.")
    return arrays


def _labels(name: str, arrays: Arrays, settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Label of each image that is kept, by its name, and how it came about."""
    rows = {
        f"images/{part}_{number:06d}.png": row
        for part in _PARTS
        for number, row in enumerate(arrays[f"{part}_labels"].tolist())
    }
    if arrays["train_labels"].shape[1] == 1:
        if settings.rule.finding is not None:
            raise ConfigError(f"--label-rule: in {name} every image has one label already. Leave it out.")
        names = NAMES.get(name)
        notes = (
            [] if names else [f"{name} is no data set of MedMNIST that is known here: labels are numbers."]
        )
        largest = max(row[0] for row in rows.values())
        if names is None or largest >= len(names):
            names = tuple(str(code) for code in range(largest + 1))
        return {image: names[row[0]] for image, row in rows.items()}, notes
    width = arrays["train_labels"].shape[1]
    names = CHEST if width == len(CHEST) else tuple(str(code) for code in range(width))
    findings = {image: [names[code] for code, flag in enumerate(row) if flag] for image, row in rows.items()}
    labels, rule = settings.rule.apply(findings, _NONE, names)
    return labels, [rule]


MEDMNIST = Layout(
    "MedMNIST, 2D sets of all sizes",
    "NAME.npz, NAME_64.npz, NAME_128.npz or NAME_224.npz, as pathmnist_224.npz",
    _read,
    "https://medmnist.com (Zenodo record 10519652)",
    "CC BY 4.0; DermaMNIST CC BY-NC 4.0",
    multi_label=True,
)
