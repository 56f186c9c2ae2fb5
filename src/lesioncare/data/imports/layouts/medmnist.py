"""MedMNIST (version 3): one .npz file per data set and size; its images are written as files.

At 224 pixels the images of one file take up to 16 GB, so they are read one after the other, and never held
together.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.layouts.medmnist_names import CHEST, COUNTS, NAMES
from lesioncare.data.imports.npz import Shape, npz_array, npz_rows, npz_shape
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import ConfigError, DataError

_PARTS = ("train", "val", "test")
_NONE = "no finding"
Labels = Mapping[str, npt.NDArray[np.generic]]

__all__ = ["MEDMNIST"]


def _read(tree: Tree, settings: Settings) -> Found:
    path = tree.file or _only_file(tree.root)
    shapes = {part: _image_shape(path, part) for part in _PARTS}
    codes = {part: _codes(path, part, shapes[part][0]) for part in _PARTS}
    name = path.stem.lower().split("_")[0]
    labels, notes = _labels(name, codes, settings)
    records, counts = [], []
    for part, (count, *_) in shapes.items():
        counts.append(Count(f"{part} images", count, COUNTS.get(name, {}).get(part)))
        split = part if settings.official_split else None
        images = (_name(part, number) for number in range(count))
        records += [Record(image, labels[image], None, split) for image in images if image in labels]

    def pixels() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
        for part in _PARTS:
            for number, image in enumerate(npz_rows(path, f"{part}_images")):
                yield _name(part, number), image

    height, width = shapes["train"][1:3]
    notes.append(
        f"{name}, {width} x {height} pixels, written as PNG. MedMNIST does not tell patients or lesions: "
        "there is no group column."
    )
    return Found(tuple(records), (), tuple(counts), tuple(notes), pixels=pixels)


def _name(part: str, number: int) -> str:
    return f"images/{part}_{number:06d}.png"


def _only_file(root: Path) -> Path:
    files = sorted(root.glob("*.npz"))
    if len(files) != 1:
        raise DataError(f"{root}: {len(files)} .npz files in it. Name the one to be imported.")
    return files[0]


def _image_shape(path: Path, part: str) -> Shape:
    kind, shape = npz_shape(path, f"{part}_images")
    if kind != np.uint8 or not all(shape) or not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)):
        raise DataError(
            f"{path}: images of shape {shape[1:]}; only MedMNIST's 2D sets can be imported, since lesioncare "
            "classifies images, not volumes."
        )
    if len(shape) == 3 and shape[1] != shape[2]:
        raise DataError(f"{path}: images of {shape[1:]}, not square as MedMNIST's.")
    return shape


def _codes(path: Path, part: str, count: int) -> npt.NDArray[np.generic]:
    codes = npz_array(path, f"{part}_labels")
    if codes.ndim != 2 or len(codes) != count:
        raise DataError(f"{path}: {count} {part} images and labels {codes.shape}. Download again.")
    return codes


def _labels(name: str, codes: Labels, settings: Settings) -> tuple[dict[str, str], list[str]]:
    """Label of each image that is kept, by its name, and how it came about."""
    rows = {_name(part, number): row for part in _PARTS for number, row in enumerate(codes[part].tolist())}
    if codes["train"].shape[1] == 1:
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
    width = codes["train"].shape[1]
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
