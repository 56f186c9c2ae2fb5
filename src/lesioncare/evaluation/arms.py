"""The predictions of one arm of a study: a model for each fold and seed, pooled over the folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesioncare.errors import RunError
from lesioncare.evaluation.bootstrap import what_differs
from lesioncare.evaluation.metrics import adjusted_logits
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.resampling import Floats

__all__ = ["ArmPredictions", "Cell", "Pooled", "check_arms", "concatenate"]


@dataclass(frozen=True, eq=False)
class Cell:
    """What the model of one fold and seed said.

    Args:
        predictions: of the fold's test part, whose images the model has not seen.
        prior: class -> what its logits carry of the training counts, for the logit adjustment.
        validation: predictions of its validation part, on which a temperature can be fitted.
    """

    predictions: Predictions
    prior: Mapping[str, float]
    validation: Predictions | None = None


@dataclass(frozen=True, eq=False)
class Pooled:
    """The labelled images of all folds, each named by the model that has not seen it.

    Args:
        predictions: N images, fold after fold.
        adjusted: their logits, each adjusted by the training prior of its own fold, [N, C]; None if a class
            has no training images in one of the folds.
        fold: [N], index of the image's fold.
    """

    predictions: Predictions
    adjusted: Floats | None
    fold: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ArmPredictions:
    """One arm: the same training in every fold, with every seed.

    Args:
        name: what tables call the arm, for example "CARE".
        cells: (fold, seed) -> what that model said.

    Raises:
        RunError: there is no cell, or a seed lacks a fold that another one has.
    """

    name: str
    cells: Mapping[tuple[int, int], Cell]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", dict(self.cells))
        missing = [
            (fold, seed) for fold in self.folds for seed in self.seeds if (fold, seed) not in self.cells
        ]
        if missing or not self.cells:
            which = ", ".join(f"fold {fold} with seed {seed}" for fold, seed in missing) or "all folds"
            raise RunError(f"arm {self.name!r}: no predictions of {which}. Run the missing trainings.")

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds in order."""
        return tuple(sorted({fold for fold, _ in self.cells}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in order."""
        return tuple(sorted({seed for _, seed in self.cells}))

    def pooled(self, seed: int) -> Pooled:
        """One set of all folds' labelled images, as the models of this seed saw them."""
        cells = [self.cells[fold, seed] for fold in self.folds]
        parts = [cell.predictions.labelled for cell in cells]
        adjusted = [adjusted_logits(part, cell.prior) for part, cell in zip(parts, cells, strict=True)]
        known = [logits for logits in adjusted if logits is not None]
        fold = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return Pooled(concatenate(parts), np.concatenate(known) if len(known) == len(parts) else None, fold)


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """Several sets of images as one, in the order given; all must have the same classes."""
    names = (
        *("image", "path", "group", "target", "logits"),
        *("energy", "pointing", "area_share", "centre_energy"),
    )
    return Predictions(
        classes=parts[0].classes,
        boxes=tuple(box for part in parts for box in part.boxes),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
    )


def check_arms(arms: Sequence[ArmPredictions]) -> None:
    """Whether the arms can be compared image by image.

    Raises:
        RunError: two arms bear one name, lack each other's folds or seeds, or differ in a fold's images,
            groups, labels or classes; or an image or group is in the test part of two folds. The message
            names arm, fold and seed.
    """
    if not arms:
        raise RunError("there are no arms to compare. Give the predictions of at least one.")
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise RunError(f"the arms need different names, but are called {names}.")
    first = arms[0]
    for arm in arms:
        _check_cells(arm, first)
    _check_folds(first)


def _check_cells(arm: ArmPredictions, first: ArmPredictions) -> None:
    for what, own, expected in (("fold", arm.folds, first.folds), ("seed", arm.seeds, first.seeds)):
        if own != expected:
            raise RunError(
                f"arm {arm.name!r} has the {what}s {own}, but arm {first.name!r} has {expected}. "
                "Run the missing trainings, or leave the others out."
            )
    classes = first.cells[first.folds[0], first.seeds[0]].predictions.classes
    for (fold, seed), cell in arm.cells.items():
        reference = first.cells[fold, first.seeds[0]].predictions
        differing = what_differs(cell.predictions, reference)
        if differing is None and cell.predictions.classes != classes:
            differing = f"the classes are {cell.predictions.classes}, but those of the first fold {classes}"
        if differing:
            raise RunError(
                f"arm {arm.name!r}, fold {fold}, seed {seed} cannot be compared with "
                f"arm {first.name!r}, fold {fold}, seed {first.seeds[0]}: {differing}. Use one split."
            )


def _check_folds(arm: ArmPredictions) -> None:
    for what in ("image", "group"):
        home: dict[str, int] = {}
        for fold in arm.folds:
            for name in np.unique(getattr(arm.cells[fold, arm.seeds[0]].predictions, what)).tolist():
                if home.setdefault(name, fold) != fold:
                    raise RunError(
                        f"{what} {name!r} is in the test part of fold {home[name]} and of fold {fold}, so "
                        "that a model was tested on what it had learnt. Make the folds anew, by group."
                    )
