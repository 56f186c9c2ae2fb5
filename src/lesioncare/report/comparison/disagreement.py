"""Galleries of the test images that one arm names right and the other wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from lesioncare.evaluation.metrics import decide
from lesioncare.report import text
from lesioncare.report.comparison.study import ComparisonStudy
from lesioncare.report.comparison.views import Disagreement
from lesioncare.report.gallery import Pick, draw_example
from lesioncare.report.views import Arm, Example

__all__ = ["disagreements", "rule"]

_MOST = 12
_SEED = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A test image: its fold and its row in the fold's predictions."""

    fold: int
    row: int


def disagreements(study: ComparisonStudy) -> tuple[Disagreement, ...]:
    """For the first arm and the best other one, both directions; none where there is one arm."""
    first, best = study.arms[0], _best(study)
    if best is None:
        return ()
    return tuple(_direction(study, right, wrong) for right, wrong in ((best, first), (first, best)))


def rule(study: ComparisonStudy) -> str:
    """How the images were chosen."""
    seeds = len(study.found.seeds)
    by = f" with every one of the {seeds} seeds" if seeds > 1 else ""
    maps = f" The maps are those of seed {study.found.seeds[0]}." if seeds > 1 else ""
    rare = "Rare classes come first and take turns" if study.comparison.rare else "The classes take turns"
    return (
        f"An image is here if one arm names it right and the other wrong{by}, without logit adjustment. "
        f"{rare}; within a class, images are drawn at random with a fixed seed, at most {_MOST} for each "
        f"direction.{maps} An image is called by its fold and its row in that fold's predictions."
    )


def _best(study: ComparisonStudy) -> Arm | None:
    return study.best("rare_recall") or study.best("balanced_accuracy")


def _direction(study: ComparisonStudy, right: Arm, wrong: Arm) -> Disagreement:
    by_class = _places(study, right, wrong)
    rare = [name for name in study.classes if name in study.comparison.rare]
    common = [name for name in study.classes if name not in rare]
    chosen = islice(chain(_turns(by_class, rare), _turns(by_class, common)), _MOST)
    examples = tuple(_example(study, place, right, wrong) for place in chosen)
    return Disagreement(
        title=f"Right with {right.name}, wrong with {wrong.name}",
        told=_told(by_class, rare, len(examples)),
        examples=examples,
    )


def _places(study: ComparisonStudy, right: Arm, wrong: Arm) -> dict[str, list[_Place]]:
    """Class -> the images that one arm names right with every seed, and the other wrong with every seed."""
    found: dict[str, list[_Place]] = {name: [] for name in study.classes}
    for fold in study.found.folds:
        chosen = _always(study, right, fold) & ~_ever(study, wrong, fold)
        predictions = study.results[right.name][fold, study.found.seeds[0]].predictions
        for row in np.flatnonzero(chosen & (predictions.target >= 0)).tolist():
            found[predictions.classes[predictions.target[row]]].append(_Place(fold, row))
    return found


def _right(study: ComparisonStudy, arm: Arm, fold: int) -> NDArray[np.bool_]:
    """Whether each image is named right, for each seed, [S, N]."""
    parts = [study.results[arm.name][fold, seed].predictions for seed in study.found.seeds]
    return np.stack([decide(part.logits) == part.target for part in parts])


def _always(study: ComparisonStudy, arm: Arm, fold: int) -> NDArray[np.bool_]:
    return np.asarray(_right(study, arm, fold).all(axis=0))


def _ever(study: ComparisonStudy, arm: Arm, fold: int) -> NDArray[np.bool_]:
    return np.asarray(_right(study, arm, fold).any(axis=0))


def _turns(by_class: dict[str, list[_Place]], names: list[str]) -> Iterator[_Place]:
    """One image of each class after the other, each class's in a random order."""
    queues = []
    for name in names:
        order = np.random.default_rng(_SEED).permutation(len(by_class[name])).tolist()
        queues.append([by_class[name][i] for i in order])
    return (place for turn in zip_longest(*queues) for place in turn if place is not None)


def _told(by_class: dict[str, list[_Place]], rare: list[str], shown: int) -> str:
    """How many there are, class by class."""
    total = sum(map(len, by_class.values()))
    if not total:
        return "There is no such image."
    each = ", ".join(f"{name} {text.count(len(places))}" for name, places in by_class.items() if places)
    of_rare = sum(len(by_class[name]) for name in rare)
    which = "shown" if shown == total else f"{shown} of them shown"
    return f"{text.several(total, 'image')}, {text.count(of_rare)} of a rare class ({each}); {which}."


def _example(study: ComparisonStudy, place: _Place, right: Arm, wrong: Arm) -> Example:
    arms = [arm for arm in study.arms if arm in (right, wrong)]
    runs = [study.results[arm.name][place.fold, study.found.seeds[0]] for arm in arms]
    return draw_example(Pick(place.row, f"fold {place.fold}"), runs, arms)
