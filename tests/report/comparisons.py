"""Small comparisons made up for the tests: no network is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lesioncare.evaluation import RunResult
from lesioncare.experiment import Comparison, ComparisonConfig, Protocol

from .helpers import make_run

PROTOCOL = Protocol(
    command="lesioncare compare 'a & b'", commit="abc123", versions={"torch": "2"}, runner="InOrder"
)
GAINS = {"plain": 0.0, "better": 1.5, "worse": -1.5}


def make_plan(folder: Path, **changed) -> ComparisonConfig:
    """Arms plain, better and worse (as remedies), 2 folds, 2 seeds."""
    table = folder / "table.csv"
    pd.DataFrame({"image": ["a.png"], "label": ["common"], "group": ["g"]}).to_csv(table, index=False)
    settings = {
        "table": str(table),
        "folds": "2",
        "seeds": 2,
        "arms": {
            "plain": {},
            "better": {"remedy": {"method": "focal", "gamma": 3.0}, "attention": "energy-all"},
            "worse": {"boxes": {"file": "b.csv", "min_score": 0.5}, "schedule": {"epochs": 3}},
        },
    }
    return ComparisonConfig.build(settings | changed)


def make_cell(folder: Path, arm: str, fold: int, seed: int, gain: float) -> RunResult:
    """A cell; its images and groups bear the fold's name, for folds share none."""
    run = make_run(folder, arm, gain=gain, seed=100 * fold + seed)
    test = replace(
        run.predictions,
        image=np.array([f"fold{fold}-{image}" for image in run.predictions.image]),
        group=np.array([f"fold{fold}-{group}" for group in run.predictions.group]),
    )
    other = np.random.default_rng(seed).permutation(len(test)) < 30
    validation = replace(
        test.select(other),
        image=np.array([f"v-{i}" for i in range(30)]),
        group=np.array([f"v-{i}" for i in range(30)]),
    )
    return replace(run, predictions=test, validation=validation)


def make_comparison(folder: Path, gains=GAINS, *, lacking=(), **changed) -> Comparison:
    """A comparison; `lacking` are its missing cells as (arm, fold, seed)."""
    plan = make_plan(folder, **changed)
    results = {
        arm: {
            (fold, seed): make_cell(folder, arm, fold, seed, gains[arm])
            for fold in plan.folds
            for seed in plan.seeds
            if (arm, fold, seed) not in lacking
        }
        for arm in plan.arms
    }
    missing = tuple(cell for cell in plan.cells if (cell.arm, cell.fold, cell.seed) in lacking)
    return Comparison(folder, plan, PROTOCOL, results, missing, {"cells": 12.5})


def renamed(comparison: Comparison, old: str, new: str) -> Comparison:
    """The comparison with a class called otherwise."""

    def rename(names):
        return tuple(new if name == old else name for name in names)

    def change(run):
        names = rename(run.classes)
        counts = {rename([name])[0]: n for name, n in run.train_counts.items()}
        return replace(
            run,
            classes=names,
            rare=rename(run.rare),
            train_counts=counts,
            predictions=replace(run.predictions, classes=names),
            validation=replace(run.validation, classes=names),
        )

    results = {
        arm: {key: change(run) for key, run in cells.items()} for arm, cells in comparison.results.items()
    }
    return replace(comparison, results=results)
