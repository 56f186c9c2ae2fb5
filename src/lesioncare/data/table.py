"""The table of images: one row per image with its file, class, group and boxes, checked when it is loaded."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lesioncare.boxes.box import Box
from lesioncare.boxes.csv_format import (
    CORNER_NAMES,
    BoxUnit,
    find_columns,
    parse_corners,
    read_box_csv,
    to_pixels,
)
from lesioncare.boxes.formats import detect_format, read_boxes
from lesioncare.data.box_labels import own_boxes
from lesioncare.data.locate import locate_images
from lesioncare.errors import ConfigError, DataError
from lesioncare.images import image_size
from lesioncare.rawtable import first_few, read_raw_table
from lesioncare.words import did_you_mean, several

IMAGE_NAMES = ("image", "image_id", "file", "filename", "path")
LABEL_NAMES = ("label", "class", "dx", "diagnosis", "target")
GROUP_NAMES = ("group", "lesion_id", "patient_id", "lesion", "patient", "lesionid", "patientid", "subject_id")
CORNERS = ["x1", "y1", "x2", "y2"]

_LOG = logging.getLogger(__name__)
_OTHER_BOX_FILES = frozenset({".json", ".xml", ".yaml", ".yml", ".png"})

Ints = npt.NDArray[np.int64]
Floats32 = npt.NDArray[np.float32]

__all__ = ["Columns", "ImageTable", "load_table"]


@dataclass(frozen=True)
class Columns:
    """Which columns of a file mean what.

    Args:
        image: file name, path or id of the image.
        label: class; any text.
        group: lesion or patient, never split over two sides; None makes each image its own group.
        split: train, val or test.
        box: left, top, right and bottom edge.
        box_unit: unit of the edges; "auto" takes fractions of the image if none exceeds 1.01, else pixels.
    """

    image: str = "image"
    label: str = "label"
    group: str | None = None
    split: str | None = None
    box: tuple[str, str, str, str] | None = None
    box_unit: BoxUnit = "auto"

    @classmethod
    def guess(cls, header: Sequence[str]) -> "Columns":
        """Map the usual names, whatever their case; what is not found keeps its default.

        Example:
            >>> Columns.guess(["image_id", "dx", "x0", "y0", "x1", "y1"]).box
            ('x0', 'y0', 'x1', 'y1')
        """
        named = {name.lower(): name for name in header}

        def first(names: Sequence[str]) -> str | None:
            return next((named[name] for name in names if name in named), None)

        box = next((found for names in CORNER_NAMES if (found := find_columns(named, names))), None)
        return cls(
            image=first(IMAGE_NAMES) or cls.image,
            label=first(LABEL_NAMES) or cls.label,
            group=first(GROUP_NAMES),
            split=first(("split",)),
            box=(box[0], box[1], box[2], box[3]) if box else None,
        )

    @classmethod
    def of(cls, header: Sequence[str], **named: Any) -> "Columns":
        """The columns that are named, and for those that are None a guess.

        Example:
            >>> Columns.of(["image_id", "dx", "kind"], label="kind", group=None)
            Columns(image='image_id', label='kind', group=None, split=None, box=None, box_unit='auto')
        """
        given = {field: value for field, value in named.items() if value is not None}
        return dataclasses.replace(cls.guess(header), **given)

    def check(self, header: Sequence[str], source: Path, *, labelled: bool = True) -> None:
        """Look whether the columns are there.

        Args:
            header: the names of the file's columns.
            source: the file, for messages.
            labelled: whether the classes' has to be, too.

        Raises:
            DataError: one is not; the message names it, those that are there, and the option.
        """
        named = {"image": self.image, "label": self.label, "group": self.group, "split": self.split}
        if not labelled:
            del named["label"]
        options = [(name, f"--{field}-column") for field, name in named.items() if name is not None]
        for name, option in [*options, *((name, "--box-columns") for name in self.box or ())]:
            if name not in header:
                raise DataError(
                    f"{source}: no column {name!r}; the columns are {', '.join(header)}. "
                    f"{did_you_mean(name, header)}Name the right one ({option})."
                )

    def sentence(self, header: Sequence[str]) -> str:
        """What is read of a file whose columns have these names, in words.

        Example:
            >>> header = ["image_id", "dx", "x0", "y0", "x1", "y1", "age"]
            >>> Columns.guess(header).sentence(header)
            'Columns read: image_id (image), dx (class), x0, y0, x1, y1 (box).'
        """
        names = (self.image, self.label, self.group, self.split)
        meanings = zip(names, ("image", "class", "lesion or patient", "part"), strict=True)
        told = [f"{name} ({what})" for name, what in meanings if name in header]
        box = [f"{', '.join(self.box)} (box)"] if self.box else []
        return f"Columns read: {', '.join([*told, *box])}."


@dataclass(frozen=True)
class ImageTable:
    """Images with their classes, groups and boxes.

    Args:
        frame: one row per image, RangeIndex. Columns image (id as in the file), path, label (code into
            `classes`, -1 = none), group, split (text or None), row (line in the file, header = 1).
        classes: class names; the code of a class is its index.
        boxes: frame position -> float32 [n, 4] xyxy in pixels of the upright image; absent = no box.
        box_scores: frame position -> float32 [n] in [0, 1].
        source: the file.
        box_sources: source of a box (`Box.source`) -> how many have it; empty for those of the table's
            columns, which do not tell.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    boxes: Mapping[int, Floats32]
    box_scores: Mapping[int, Floats32]
    source: Path
    box_sources: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def labels(self) -> Ints:
        """Class codes [n]; -1 = none."""
        return self.frame["label"].to_numpy(dtype=np.int64)

    @property
    def groups(self) -> npt.NDArray[np.object_]:
        """Group names [n]."""
        return self.frame["group"].to_numpy(dtype=object)

    def class_counts(self, positions: npt.ArrayLike | None = None) -> dict[str, int]:
        """Count the images of each class, of all or of those at `positions`."""
        labels = self.labels if positions is None else self.labels[np.asarray(positions, dtype=np.int64)]
        counts = np.bincount(labels[labels >= 0], minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def size_of(self, image: str) -> tuple[int, int]:
        """Width and height in pixels of an image, by its id, file name or stem.

        Raises:
            DataError: the table does not have the image, or it has two that fit.
        """
        return image_size(Path(self.frame["path"].iloc[self.position_of(image)]))

    def position_of(self, image: str) -> int:
        """Frame position of an image, by its id, file name or stem.

        Raises:
            DataError: the table does not have the image, or it has two that fit.
        """
        position = self._positions.get(image)
        if position is None:
            raise DataError(f"the box's image {image!r} is not in {self.source}. Check its name.")
        if position < 0:
            raise DataError(f"the box's image {image!r} fits two images of {self.source}. Use the id there.")
        return position

    def label_of(self, image: str) -> str | None:
        """The class of an image, by its id, file name or stem; None where it has none.

        Raises:
            DataError: the table does not have the image, or it has two that fit.
        """
        code = int(self.labels[self.position_of(image)])
        return self.classes[code] if code >= 0 else None

    def has(self, image: str) -> bool:
        """Whether an image of this id, file name or stem is there, once or more often."""
        return image in self._positions

    def with_boxes(self, boxes: Sequence[Box]) -> "ImageTable":
        """Replace all boxes; `Box.image` is an image's id, file name or stem.

        Raises:
            DataError: a box lies outside its image, or its image is not in the table.
        """
        at = np.array([self.position_of(box.image) for box in boxes], dtype=np.int64)
        corners = np.array([box.xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
        rows = self.frame["row"].to_numpy()[at]
        corners = to_pixels(corners, _sizes(self.frame, at), "pixel", rows=rows, source=self.source)
        scores = np.array([box.score for box in boxes], dtype=np.float64)
        return dataclasses.replace(
            self,
            boxes=_by_position(at, corners),
            box_scores=_by_position(at, scores),
            box_sources=Counter(box.source for box in boxes),
        )

    @cached_property
    def _positions(self) -> dict[str, int]:
        """Frame position of each stem, file name and id (which counts first); -1 where two share it."""
        known: dict[str, int] = {}
        paths = [Path(path) for path in self.frame["path"]]
        for names in ([path.stem for path in paths], [path.name for path in paths], self.frame["image"]):
            fresh: dict[str, int] = {}
            for position, name in enumerate(names):
                fresh[name] = -1 if name in fresh else position
            known |= fresh
        return known


def load_table(
    path: Path | str,
    columns: Columns | None = None,
    *,
    image_root: Path | str | None = None,
    box_file: Path | str | None = None,
    classes: Sequence[str] | None = None,
    require_labels: bool = True,
    min_score: float = 0.0,
) -> ImageTable:
    """Load and check a CSV or Parquet table of images.

    Lines that repeat an image with the same class and group become one image with several boxes.

    Args:
        path: the table.
        columns: what its columns mean; default `Columns()`.
        image_root: folder of the images; default the table's folder, then its folder `images`.
        box_file: boxes in any format (see `read_boxes`); replaces the boxes of the table's own columns. A box
            that is named after another class than its image's is left out, with a warning.
        classes: class names in the order of their codes; default those in the table, sorted.
        require_labels: whether each image needs a class.
        min_score: boxes of `box_file` with a lower score are left out.

    Raises:
        DataError: something in the files cannot be used; the message names file, row and remedy.
        ConfigError: `classes` names a class twice.
    """
    source, columns = Path(path), columns or Columns()
    rows = _select(source, columns, require_labels=require_labels)
    names = _class_names(rows["label"], classes, source, require_labels=require_labels)
    rows["label"] = _codes(rows["label"], names, source)
    rows["path"] = locate_images(rows["image"], _roots(source, image_root), source)
    _refuse_clashes(rows, columns, source)
    frame = _one_row_per_image(rows, columns)
    table = ImageTable(frame, names, {}, {}, source)
    if box_file is not None:
        boxes_read = _read_boxes(Path(box_file), table, image_root)
        try:
            trusted = [box for box in boxes_read if box.score >= min_score]
            return table.with_boxes(own_boxes(trusted, cache(table.label_of), names, Path(box_file)))
        except DataError as error:
            raise DataError(f"{box_file}: {error}") from error
    if columns.box is not None:
        boxes = _own_boxes(rows, frame, columns, source)
        scores = {position: np.ones(len(of_image), np.float32) for position, of_image in boxes.items()}
        return dataclasses.replace(table, boxes=boxes, box_scores=scores)
    return table


def _read_boxes(path: Path, table: ImageTable, image_root: Path | str | None) -> Sequence[Box]:
    """Boxes of a file of any format, those of the table's images.

    A file may hold those of a whole data set, and the table a part of it; of another set it holds none.
    """
    foreign: list[str] = []
    boxes = [box for box in _all_boxes(path, table, image_root, foreign) if table.has(box.image)]
    if foreign and not boxes:
        raise DataError(
            f"{path}: no box's image is in {table.source}; the first is {foreign[0]!r}, the table's "
            f"{table.frame['image'].iloc[0]!r}. Give the boxes of these images."
        )
    if foreign:
        _LOG.warning(
            "%s: left out the boxes of %s not in %s: %s",
            *(
                path,
                several(len(set(foreign)), "image"),
                table.source,
                first_few([repr(name) for name in dict.fromkeys(foreign)]),
            ),
        )
    return boxes


def _all_boxes(
    path: Path, table: ImageTable, image_root: Path | str | None, foreign: list[str]
) -> Sequence[Box]:
    """Read a file of boxes, and note the images that the table lacks."""

    def size_of(image: str) -> tuple[int, int] | None:
        if table.has(image):
            return table.size_of(image)
        foreign.append(image)
        return None

    if path.is_file() and path.suffix.lower() not in _OTHER_BOX_FILES:
        return read_box_csv(path, size_of)  # fractions as well, by the sizes of the table's images
    # Only YOLO needs the images: its boxes are fractions, and its files do not tell the sizes.
    is_yolo = path.exists() and detect_format(path) == "yolo"
    root = Path(image_root or table.source.parent) if is_yolo else None
    boxes = read_boxes(path, image_root=root).boxes
    foreign += [box.image for box in boxes if not table.has(box.image)]
    return boxes


def _select(source: Path, columns: Columns, *, require_labels: bool) -> pd.DataFrame:
    """The mapped columns as image, label, group, split, x1..y2 (text), indexed by row."""
    raw = read_raw_table(source)
    wanted = {"image": columns.image, "label": columns.label, "group": columns.group, "split": columns.split}
    wanted |= dict(zip(CORNERS, columns.box, strict=True)) if columns.box else {}
    if not require_labels and columns.label not in raw.columns:
        raw[columns.label] = ""
    columns.check(list(raw.columns), source)
    if raw.empty:
        raise DataError(f"{source}: the table has a header and no rows. Add one row per image.")
    rows = pd.DataFrame({meaning: raw[name] for meaning, name in wanted.items() if name is not None})
    if columns.group is not None:
        _refuse(rows["group"] == "", source, "an empty group", "Give each image its lesion or patient.")
    if require_labels:
        _refuse(
            rows["label"] == "", source, "an empty label", "Give each image its class, or remove the row."
        )
    return rows


def _refuse(bad: pd.Series, source: Path, what: str, remedy: str) -> None:
    """Raise with the rows (the index) where `bad` is true, if any."""
    if bad.any():
        lines = [f"row {row}" for row in bad.index[bad]]
        raise DataError(f"{source}: {what}, {several(len(lines), 'time')}: {first_few(lines)}. {remedy}")


def _class_names(
    labels: pd.Series, classes: Sequence[str] | None, source: Path, *, require_labels: bool
) -> tuple[str, ...]:
    """The given names, or those in the table in order; whole numbers in the order of their size."""
    if classes is not None:
        if len(set(classes)) < len(classes):
            raise ConfigError(f"classes: a name is there twice in {', '.join(classes)}. Remove one.")
        return tuple(classes)
    names = set(labels.unique()) - {""}
    if require_labels and len(names) < 2:
        raise DataError(f"{source}: only one class, {names.pop()!r}. A classifier needs at least two.")
    return tuple(sorted(names, key=int if all(name.isdecimal() for name in names) else None))


def _codes(labels: pd.Series, names: Sequence[str], source: Path) -> pd.Series:
    codes = labels.map({name: code for code, name in enumerate(names)} | {"": -1})
    unknown = codes.isna()
    found = ", ".join(map(repr, labels[unknown].unique()[:5]))
    _refuse(unknown, source, f"a label that is no class ({found})", f"The classes are {', '.join(names)}.")
    return codes.astype(np.int64)


def _roots(source: Path, image_root: Path | str | None) -> list[Path]:
    if image_root is None:
        return [source.parent, source.parent / "images"]
    if not Path(image_root).is_dir():
        raise DataError(f"{image_root}: no such folder of images (--images). Check the path.")
    return [Path(image_root)]


def _refuse_clashes(rows: pd.DataFrame, columns: Columns, source: Path) -> None:
    """Refuse an image that has two labels, groups or splits."""
    repeated = rows[rows.duplicated("path", keep=False)]
    by_path = repeated.assign(row=repeated.index).groupby("path")
    first_row = by_path["row"].transform("first")
    for meaning in ("label", "group", "split"):
        if meaning not in rows.columns:
            continue
        clash = repeated[meaning] != by_path[meaning].transform("first")
        lines = [
            f"rows {first} and {row} ({image})"
            for first, row, image in zip(
                first_row[clash], repeated.index[clash], repeated.loc[clash, "image"], strict=True
            )
        ]
        if lines:
            raise DataError(
                f"{source}: the same image with two values of {getattr(columns, meaning)!r}: "
                f"{first_few(lines)}. Keep one of them."
            )


def _one_row_per_image(rows: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    kept = rows.drop_duplicates("path")
    return pd.DataFrame(
        {
            "image": kept["image"],
            "path": kept["path"],
            "label": kept["label"],
            "group": kept["image"] if columns.group is None else kept["group"],
            "split": None if columns.split is None else kept["split"],
            "row": kept.index,
        }
    ).reset_index(drop=True)


def _own_boxes(
    rows: pd.DataFrame, frame: pd.DataFrame, columns: Columns, source: Path
) -> dict[int, Floats32]:
    """The boxes that stand in the table itself, in pixels; the same box twice counts once."""
    corners = parse_corners(rows[CORNERS], source)
    # factorize numbers the paths in the order of their first row, as the frame does
    at = pd.factorize(rows["path"])[0]
    unique = ~pd.DataFrame(corners).assign(at=at).duplicated().to_numpy()
    kept = unique & ~np.isnan(corners[:, 0])
    at, corners = at[kept], corners[kept]
    sizes = _sizes(frame, at)
    pixels = to_pixels(corners, sizes, columns.box_unit, rows=rows.index.to_numpy()[kept], source=source)
    return _by_position(at, pixels)


def _sizes(frame: pd.DataFrame, at: Ints) -> npt.NDArray[np.float64]:
    """Width and height of the images at frame positions [n] -> [n, 2]; reads each header once."""
    unique, back = np.unique(at, return_inverse=True)
    sizes = [image_size(Path(path)) for path in frame["path"].iloc[unique]]
    return np.array(sizes, dtype=np.float64).reshape(-1, 2)[back]


def _by_position(at: Ints, values: npt.NDArray[np.float64]) -> dict[int, Floats32]:
    """Split values [n, ...] by the frame position of each."""
    order = np.argsort(at, kind="stable")
    unique, starts = np.unique(at[order], return_index=True)
    parts = np.split(values[order].astype(np.float32), starts[1:])
    return dict(zip(unique.tolist(), parts, strict=False))
