"""What a run leaves behind: written by the training, read by the report and the comparison."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, NonNegativeInt

from lesioncare.errors import RunError
from lesioncare.evaluation.box_use import BoxesOfRun
from lesioncare.evaluation.files import write_file
from lesioncare.evaluation.metrics import Metrics, evaluate
from lesioncare.evaluation.predictions import Predictions
from lesioncare.imbalance import REMEDIES, remaining_prior
from lesioncare.words import several

__all__ = ["Predictions", "RunResult", "runs_inside"]

_T = TypeVar("_T")
_REMEDY = "Run the training again, or resume it, so that the directory is complete."


class _Record(BaseModel):
    """The content of result.json; written last, so that its presence means a complete directory."""

    name: str
    config: dict[str, Any]
    classes: tuple[str, ...]
    rare: tuple[str, ...]
    train_counts: dict[str, NonNegativeInt]
    seconds: dict[str, float]
    versions: dict[str, str]
    n_images: int
    has_maps: bool
    n_validation: int | None = None  # absent in older runs


@dataclass(frozen=True, eq=False)
class RunResult:
    """One trained model's settings, history and predictions on the test part.

    Args:
        name: what tables and plots call the run, for example "CARE" or "no attention".
        config: every option of the run, as json values.
        classes: names in the order of the logits.
        rare: the classes that count as rare.
        train_counts: class -> number of training images.
        seconds: part of the run -> wall seconds.
        versions: library -> version.
        history: one row per epoch; columns epoch, train_loss, validation_loss and what else was logged.
        predictions: the test part.
        maps: float16 [N, h, w], the positive part of each test image's map of its true class, scaled to
            a maximum of 1, in the order of `predictions`; None if no maps were kept.
        validation: the validation part of the training, from the final weights: for what is fitted after
            training, such as a temperature; None if there was none, or the run is older than this.

    Raises:
        RunError: predictions, maps and classes do not fit each other.
    """

    name: str
    config: dict[str, Any]
    classes: tuple[str, ...]
    rare: tuple[str, ...]
    train_counts: dict[str, int]
    seconds: dict[str, float]
    versions: dict[str, str]
    history: pd.DataFrame
    predictions: Predictions
    maps: NDArray[np.float16] | None = None
    validation: Predictions | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "rare", tuple(self.rare))
        for part in (self.predictions, self.validation):
            if part is not None and self.classes != part.classes:
                raise RunError(
                    f"run {self.name!r}: classes {self.classes}, but predictions of {part.classes}."
                )
        if not set(self.rare) <= set(self.classes):
            raise RunError(f"run {self.name!r}: the rare classes {self.rare} are not all in {self.classes}.")
        if self.maps is not None:
            self._check_maps(np.asarray(self.maps, dtype=np.float16))

    def _check_maps(self, maps: NDArray[np.float16]) -> None:
        if maps.ndim != 3 or len(maps) != len(self.predictions):
            n = len(self.predictions)
            raise RunError(f"run {self.name!r}: maps must be [{n}, h, w], but got {maps.shape}.")
        if not np.isfinite(maps).all():
            raise RunError(f"run {self.name!r}: maps must be finite; one without a positive part is all 0.")
        object.__setattr__(self, "maps", maps)

    @cached_property
    def prior(self) -> dict[str, float]:
        """Class -> what training has left of its count in the logits: by this they are adjusted.

        It is the count itself, unless the run's remedy has taken it out (`remaining_prior`); 0 for a class
        without training images.
        """
        options = dict(self.config.get("remedy", {}))
        method = options.pop("method", "none")
        known = ("beta", "adjust_tau", "drw_start")
        shown = {name: count for name, count in self.train_counts.items() if count > 0}
        if method not in REMEDIES or len(shown) < 2:
            return dict.fromkeys(self.classes, 0.0) | shown
        left = remaining_prior(
            method, list(shown.values()), **{name: options[name] for name in known if name in options}
        )
        return dict.fromkeys(self.classes, 0.0) | dict(zip(shown, left.tolist(), strict=True))

    @property
    def boxes(self) -> BoxesOfRun | None:
        """What it learnt from and is judged by; None where the run is older than this."""
        kept = self.config.get("boxes")
        return None if kept is None else BoxesOfRun.model_validate(kept)

    @cached_property
    def metrics(self) -> Metrics:
        """All numbers of the test part, computed once."""
        return evaluate(self.predictions, self.rare, self.prior)

    def save(self, directory: Path) -> None:
        """Write result.json, history.csv, predictions.csv and metrics.json.

        Also maps.npz and validation.csv, if there are maps and a validation part.

        Each file appears whole or not at all; result.json goes first and comes last, so that a directory
        with one is complete.

        Raises:
            RunError: a file cannot be written.
        """
        directory = Path(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for stale in ("result.json", "maps.npz", "validation.csv"):
                (directory / stale).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(
                f"{directory}: cannot be written to ({error}). Choose another directory."
            ) from error
        history = self.history if len(self.history.columns) else pd.DataFrame({"epoch": []})
        write_file(directory / "history.csv", history.to_csv(index=False).encode())
        self.predictions.to_csv(directory / "predictions.csv")
        metrics = json.dumps(self.metrics.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        write_file(directory / "metrics.json", metrics.encode())
        if self.maps is not None:
            write_file(directory / "maps.npz", _npz(self.maps))
        if self.validation is not None:
            self.validation.to_csv(directory / "validation.csv")
        # A setting of a foreign type must not lose a finished run, so it is kept as its text.
        record = self._record().model_dump()
        text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
        write_file(directory / "result.json", text.encode())

    def _record(self) -> _Record:
        return _Record(
            name=self.name,
            config=self.config,
            classes=self.classes,
            rare=self.rare,
            train_counts=self.train_counts,
            seconds=self.seconds,
            versions=self.versions,
            n_images=len(self.predictions),
            has_maps=self.maps is not None,
            n_validation=None if self.validation is None else len(self.validation),
        )

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; the metrics are computed anew from the predictions.

        Raises:
            RunError: the directory or a file in it is missing or damaged; the message names it.
        """
        directory = Path(directory)
        if not (directory / "result.json").exists() and (inside := runs_inside(directory)):
            raise RunError(f"{directory}: is not the directory of one run. {inside}")
        record = _read(directory / "result.json", _load_record)
        history = _read(directory / "history.csv", _load_history)
        predictions = _load_predictions(directory / "predictions.csv", record.n_images)
        validation = None
        if record.n_validation is not None:
            validation = _load_predictions(directory / "validation.csv", record.n_validation)
        maps = _read(directory / "maps.npz", _load_maps) if record.has_maps else None
        values = record.model_dump(exclude={"n_images", "has_maps", "n_validation"})
        try:
            result = cls(**values, history=history, predictions=predictions, maps=maps, validation=validation)
        except RunError as error:
            raise RunError(f"{directory}: {error} {_REMEDY}") from error
        # Made of options, which may be anything.
        _read(directory / "result.json", lambda _: (result.prior, result.boxes))
        return result


def runs_inside(directory: Path) -> str:
    """Which runs to give instead of a directory that holds some; empty where it holds none."""
    runs = [directory / name for name in ("with", "without")]
    runs = [run for run in runs if any((run / name).exists() for name in ("config.json", "result.json"))]
    if not runs:
        return _cells_inside(directory)
    finished = [run for run in runs if (run / "result.json").exists()]
    if not finished:
        return "Its training was stopped before a run was finished. Give the same train command again."
    return f"It holds {'two' if len(finished) > 1 else 'one'}: give {' or '.join(map(str, finished))}."


def _cells_inside(directory: Path) -> str:
    """A run of a comparison, or of one of its arms, to give instead."""
    for what, pattern in (("It is a comparison", "cells/*/*"), ("It holds runs", "*")):
        found = sorted(path.parent for path in directory.glob(f"{pattern}/result.json"))
        if found:
            return f"{what}: give a single run, such as {found[0]}."
    return ""


def _npz(maps: NDArray[np.float16]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, maps=maps)
    return buffer.getvalue()


def _read(path: Path, load: Callable[[Path], _T]) -> _T:
    try:
        return load(path)
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file, so this is no finished run. {_REMEDY}") from error
    except Exception as error:  # a file may hold anything, and its readers say it in as many ways
        raise RunError(f"{path}: the file is damaged ({_in_one_line(error)}). {_REMEDY}") from error


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _load_record(path: Path) -> _Record:
    return _Record.model_validate(json.loads(path.read_text(encoding="utf-8")))


def _load_predictions(path: Path, images: int) -> Predictions:
    predictions = Predictions.from_csv(path)
    if len(predictions) != images:
        raise RunError(
            f"{path}: has {several(len(predictions), 'image')}, but result.json says {images}. {_REMEDY}"
        )
    return predictions


def _load_history(path: Path) -> pd.DataFrame:
    history = pd.read_csv(path)
    if "epoch" not in history.columns:
        raise ValueError("no column 'epoch'")
    history.astype(float)  # which raises where there is a word
    return history


def _load_maps(path: Path) -> NDArray[np.float16]:
    # Opened here, because numpy leaves a damaged archive open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return np.asarray(archive["maps"], dtype=np.float16)
