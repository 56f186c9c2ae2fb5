"""What a model said about each image and where it looked: one row per image, as arrays and as CSV."""

import csv
import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesioncare.errors import RunError
from lesioncare.evaluation.files import write_file
from lesioncare.words import several

__all__ = ["Predictions"]

_TEXTS = ("image", "path", "group")
_NUMBERS = {
    "energy": "energy_in_box",
    "pointing": "pointing",
    "area_share": "box_area_share",
    "centre_energy": "centre_energy",
}
"""Field -> CSV column of the numbers that say where the model looks."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The evaluated images of one model, one row each; N images, C classes.

    Args:
        image: [N], the image's id.
        path: [N], the image file.
        group: [N], lesion or patient; images of one group are not independent.
        target: [N], index into `classes`, or -1 where the truth is unknown.
        logits: [N, C], finite.
        classes: C different names.
        boxes: per image [n, 4] xyxy in pixels of the upright image; [0, 4] without a box.
        energy: [N], share of the map's positive part in the box; NaN without a box or a positive part.
        pointing: [N], 1 where the map's peak lies in the box, else 0; NaN as above.
        area_share: [N], share of the image that the box covers; NaN without a box.
        centre_energy: [N], the energy of a map that always looks at the centre; NaN without a box.

    Raises:
        RunError: the lengths disagree, a target is no class, a logit is not finite, or a class name
            is empty or occurs twice.
    """

    image: NDArray[np.str_]
    path: NDArray[np.str_]
    group: NDArray[np.str_]
    target: NDArray[np.int64]
    logits: NDArray[np.float64]
    classes: tuple[str, ...]
    boxes: tuple[NDArray[np.float64], ...]
    energy: NDArray[np.float64]
    pointing: NDArray[np.float64]
    area_share: NDArray[np.float64]
    centre_energy: NDArray[np.float64]

    def __post_init__(self) -> None:
        types: dict[str, Any] = dict.fromkeys(_TEXTS, np.str_) | dict.fromkeys(_NUMBERS, np.float64)
        types |= {"target": np.int64, "logits": np.float64}
        for name, dtype in types.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        object.__setattr__(self, "classes", tuple(self.classes))
        boxes = tuple(np.asarray(box, dtype=np.float64).reshape(-1, 4) for box in self.boxes)
        object.__setattr__(self, "boxes", boxes)
        self._check_lengths()
        self._check_values()

    def _check_lengths(self) -> None:
        n = len(self.image)
        expected: dict[str, tuple[int, ...]] = dict.fromkeys((*_TEXTS, "target", *_NUMBERS), (n,))
        expected["logits"] = (n, len(self.classes))
        for name, shape in expected.items():
            got = getattr(self, name).shape
            if got != shape:
                raise RunError(f"predictions: {name} must have shape {shape}, but got {got}.")
        if len(self.boxes) != n:
            raise RunError(
                f"predictions: needs one array of boxes for each of {n} images, got {len(self.boxes)}."
            )

    def _check_values(self) -> None:
        if len(set(self.classes)) != len(self.classes) or "" in self.classes or len(self.classes) < 2:
            raise RunError(f"predictions: needs two or more different class names, but got {self.classes}.")
        if ((self.target < -1) | (self.target >= len(self.classes))).any():
            raise RunError(
                f"predictions: targets must lie in -1..{len(self.classes) - 1}, but got {self.target}."
            )
        broken = np.flatnonzero(~np.isfinite(self.logits).all(axis=1))
        if len(broken):
            raise RunError(
                f"predictions: the logits of {several(len(broken), 'image')} are not finite "
                f"({self.image[broken[0]]}). "
                "The training diverged: lower the learning rate or train in full precision."
            )

    def __len__(self) -> int:
        return len(self.image)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the logits, [N, C]; each row sums to 1."""
        exponentials = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    @property
    def prediction(self) -> NDArray[np.int64]:
        """Index of the largest logit, [N]; the first of several equal ones."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def labelled(self) -> Self:
        """The rows whose truth is known."""
        return self.select(self.target >= 0)

    def select(self, keep: NDArray[np.bool_]) -> Self:
        """The rows where `keep` [N] is true, in the same order."""
        names = (*_TEXTS, "target", "logits", *_NUMBERS)
        boxes = tuple(box for box, kept in zip(self.boxes, keep, strict=True) if kept)
        return replace(self, boxes=boxes, **{name: getattr(self, name)[keep] for name in names})

    def to_frame(self) -> pd.DataFrame:
        """The rows as a table with the columns of the CSV file."""
        names = np.array([*self.classes, ""], dtype=object)  # index -1 is the empty label
        columns: dict[str, Any] = {name: getattr(self, name).tolist() for name in _TEXTS}
        columns |= {"label": names[self.target], "prediction": names[self.prediction]}
        for prefix, values in (("logit", self.logits), ("probability", self.probabilities)):
            columns |= {f"{prefix}:{name}": values[:, index] for index, name in enumerate(self.classes)}
        columns |= {column: getattr(self, name) for name, column in _NUMBERS.items()}
        columns["boxes"] = [json.dumps(box.tolist()) for box in self.boxes]
        return pd.DataFrame(columns)

    def to_csv(self, path: Path) -> None:
        """Write one line per image; `from_csv` gives back the same logits bit for bit.

        Columns: image, path, group, label (empty if unknown), prediction, logit:CLASS ...,
        probability:CLASS ..., energy_in_box, pointing, box_area_share, centre_energy, boxes (json).

        Raises:
            RunError: the file cannot be written.
        """
        # All texts are quoted: Python 3.11 would otherwise leave a lone carriage return in a name bare.
        text = self.to_frame().to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        write_file(Path(path), text.encode())

    @classmethod
    def from_csv(cls, path: Path) -> Self:
        """Read what `to_csv` wrote; the predictions and probabilities follow from the logits.

        Raises:
            RunError: the file is missing, is no such table, or has an unreadable value; the message
                names the file, and the row and column where there is one.
        """
        frame = _read_table(Path(path))
        classes = tuple(name.removeprefix("logit:") for name in frame.columns if name.startswith("logit:"))
        logits = [_numbers(frame, f"logit:{name}", path) for name in classes]
        columns: dict[str, Any] = {name: frame[name].to_numpy(dtype=np.str_) for name in _TEXTS}
        columns |= {name: _numbers(frame, column, path) for name, column in _NUMBERS.items()}
        columns["logits"] = np.stack(logits, axis=1) if logits else np.empty((len(frame), 0))
        columns["target"] = _targets(frame, classes, path)
        columns["boxes"] = _boxes(frame, path)
        try:
            return cls(classes=classes, **columns)
        except RunError as error:
            raise RunError(f"{path}: {error}") from error


def _read_table(path: Path) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that has cells too many
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", index_col=False)
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file. Run the training or the prediction again.") from error
    # ValueError: pandas' parser errors and undecodable bytes
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise RunError(f"{path}: not a readable table of predictions ({error}). Write it again.") from error
    missing = [name for name in (*_TEXTS, "label", *_NUMBERS.values(), "boxes") if name not in frame.columns]
    if missing:
        raise RunError(f"{path}: the columns {missing} are missing. Write the predictions again.")
    short = np.flatnonzero(frame.isna().any(axis=1).to_numpy())
    if len(short):
        raise RunError(f"{path}, row {short[0] + 1}: the row is cut off. Write the predictions again.")
    return frame


def _numbers(frame: pd.DataFrame, column: str, path: Path) -> NDArray[np.float64]:
    values = np.full(len(frame), np.nan)
    for row, text in enumerate(frame[column].tolist()):
        try:
            values[row] = float(text) if text else np.nan
        except ValueError as error:
            raise RunError(f"{path}, row {row + 1}, column {column!r}: {text!r} is not a number.") from error
    return values


def _targets(frame: pd.DataFrame, classes: tuple[str, ...], path: Path) -> NDArray[np.int64]:
    index = {"": -1} | {name: number for number, name in enumerate(classes)}
    labels = frame["label"].tolist()
    for row, label in enumerate(labels):
        if label not in index:
            raise RunError(f"{path}, row {row + 1}, column 'label': {label!r} is not one of {classes}.")
    return np.array([index[label] for label in labels], dtype=np.int64)


def _boxes(frame: pd.DataFrame, path: Path) -> tuple[NDArray[np.float64], ...]:
    boxes = []
    for row, text in enumerate(frame["boxes"].tolist()):
        try:
            boxes.append(np.asarray(json.loads(text), dtype=np.float64).reshape(-1, 4))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise RunError(f"{path}, row {row + 1}, column 'boxes': {text!r} is no list of boxes.") from error
    return tuple(boxes)
