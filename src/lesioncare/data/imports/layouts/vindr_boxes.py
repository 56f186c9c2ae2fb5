"""VinDr-CXR's boxes, on the DICOM files or on copies of them in another size.

Boxes are in pixels of the DICOM files. On a copy they are scaled by the original size, which its maker keeps
in the table's columns width and height, or in train_meta.csv, where dim0 is the height.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from lesioncare.boxes.box import Box
from lesioncare.boxes.formats.bounds import parse_number
from lesioncare.data.imports.lesions import Scale, box_of_cells
from lesioncare.data.imports.tree import Tree
from lesioncare.dicom import is_dicom
from lesioncare.errors import DataError

CORNERS = ("x_min", "y_min", "x_max", "y_max")
_SIZES = dict.fromkeys(("train_meta.csv", "test_meta.csv"), ("dim1", "dim0"))
_SLACK = 1.01
"""Times its image's side that a box may reach, as some were drawn a pixel or two over the edge."""

__all__ = ["CORNERS", "placed_boxes"]


def placed_boxes(
    tree: Tree, frames: Sequence[pd.DataFrame], paths: Mapping[str, str], findings: Mapping[str, set[str]]
) -> tuple[tuple[Box, ...], list[str]]:
    """Bring the boxes of the findings to the images that are there.

    Args:
        tree: the files.
        frames: tables with a box, or none, in each row.
        paths: of the images.
        findings: of each image whose boxes are wanted.

    Returns:
        The boxes in pixels of the images, and a sentence where these are not the original ones.

    Raises:
        DataError: the original size of an image is needed and not known, or a box does not lie within it.
    """
    sizes, scale, boxes, scaled = _original_sizes(tree, frames), Scale(tree.root), [], 0
    for frame in frames:
        unknown: dict[str, None] = {}
        for row, cells in frame[frame["x_min"] != ""].iterrows():
            image, label = cells["image_id"], cells["class_name"]
            if label not in findings.get(image, ()):
                continue
            where = f"{frame.attrs['path']}, row {row}"
            box = box_of_cells(where, paths[image], [cells[name] for name in CORNERS], label, sized=False)
            if is_dicom(tree.root / paths[image]):
                boxes.append(box)
            elif image in sizes:
                _check_inside(where, box, sizes[image])
                boxes.append(scale(box, sizes[image]))
                scaled += 1
            else:
                unknown[image] = None
        _refuse_unknown(frame, list(unknown))
    told = (
        f"{scaled} boxes were brought from the size of the original DICOM file to that of the image that is "
        "there, which must show all of it, squeezed or not, without a cut or a border."
    )
    return tuple(boxes), [told] if scaled else []


def _refuse_unknown(frame: pd.DataFrame, images: Sequence[str]) -> None:
    if images:
        raise DataError(
            f"{frame.attrs['path']}: boxes are in pixels of the DICOM files, and the original size of "
            f"{len(images)} images that are no DICOM is not known, first {images[0]}. Add train_meta.csv "
            "with the columns image_id, dim0 (the original's height) and dim1 (its width), as Kaggle's "
            "copies have it, or import the DICOM files."
        )


def _check_inside(where: str, box: Box, size: tuple[float, float]) -> None:
    if box.x2 > _SLACK * size[0] or box.y2 > _SLACK * size[1]:
        raise DataError(
            f"{where}: a box up to {box.x2:g}, {box.y2:g} lies outside its original of {size[0]:g} x "
            f"{size[1]:g} pixels. Is that the size of the DICOM file, width before height?"
        )


def _original_sizes(tree: Tree, frames: Sequence[pd.DataFrame]) -> dict[str, tuple[float, float]]:
    """Width and height of the DICOM files, where they are told."""
    told = [(frame, ("width", "height")) for frame in frames if {"width", "height"} <= set(frame.columns)]
    told += [
        (tree.table([name], ["image_id", *columns]), columns)
        for name, columns in _SIZES.items()
        if tree.find(name) is not None
    ]
    sizes: dict[str, tuple[float, float]] = {}
    for frame, (across, down) in told:
        for row, cells in frame.drop_duplicates("image_id").iterrows():
            where = f"{frame.attrs['path']}, row {row}"
            width, height = parse_number(cells[across], where), parse_number(cells[down], where)
            if min(width, height) < 1:
                raise DataError(f"{where}: an original of {width:g} x {height:g} pixels. Correct the row.")
            sizes[cells["image_id"]] = width, height
    return sizes
