"""What a comparison has found so far: its cells' results, and what they say about the arms."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd

from lesioncare.errors import RunError
from lesioncare.evaluation import ArmComparison, ArmPredictions, RunResult, compare_arms
from lesioncare.evaluation import Cell as CellPredictions
from lesioncare.evaluation.box_use import box_remarks
from lesioncare.evaluation.files import read_seconds, write_file
from lesioncare.evaluation.remarks import answer_remarks
from lesioncare.experiment.plan import Cell, ComparisonConfig
from lesioncare.experiment.protocol import Protocol
from lesioncare.training import RunDirectory

__all__ = ["Comparison", "ComparisonDirectory"]

_JUDGE = (
    "For that, give the comparison the lesions' boxes (--boxes), and the control to its arm alone (`boxes` "
    "of an arm in the plan)."
)

FoldSeed = tuple[int, int]
Known = dict[tuple[str, Path], RunResult]
"""Results that were read, by arm and directory."""


@dataclass(frozen=True)
class ComparisonDirectory:
    """Where a comparison keeps what it makes: its cells, and the files named here."""

    path: Path

    @property
    def record(self) -> Path:
        """The plan and the protocol, as json."""
        return self.path / "comparison.json"

    @property
    def seconds(self) -> Path:
        """Wall seconds of each part of the comparison, those of all sessions added."""
        return self.path / "seconds.json"

    @property
    def splits(self) -> Path:
        """Each image's side in each fold."""
        return self.path / "splits.csv"

    @property
    def pairs(self) -> Path:
        """The differences between the arms, the last of the tables."""
        return self.path / "pairs.csv"

    @property
    def features(self) -> Path:
        """The frozen features, until the comparison is complete."""
        return self.path / "features"

    def write(self, plan: ComparisonConfig, protocol: Protocol) -> None:
        """Write the plan and the protocol.

        Raises:
            RunError: the directory cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error}). Give another --output.") from error
        record = {"plan": plan.to_json(), "protocol": protocol.model_dump(mode="json")}
        write_file(self.record, json.dumps(record, indent=2, ensure_ascii=False).encode())

    def read(self) -> tuple[ComparisonConfig, Protocol]:
        """Read the plan and the protocol back.

        Raises:
            RunError: the directory holds no comparison.
        """
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            return ComparisonConfig.from_json(record["plan"]), Protocol.model_validate(record["protocol"])
        except FileNotFoundError as error:
            raise RunError(f"{self.path}: holds no comparison. Give the --output of `compare`.") from error
        except Exception as error:  # a file of json may hold anything
            raise RunError(f"{self.record}: is damaged ({error}). Run the comparison again.") from error

    def read_seconds(self) -> dict[str, float]:
        """Read the seconds; none where nothing was measured."""
        return read_seconds(self.seconds)


@dataclass(frozen=True, eq=False)
class Comparison:
    """The results of arms x folds x seeds, of all cells or of those that are finished.

    Attributes:
        directory: where the cells are.
        plan: arms, folds and seeds; the first arm is what the others are compared with.
        protocol: how it was made.
        results: arm -> (fold, seed) -> what that model said on the fold's test part, under the arm's name.
        missing: the cells that are not finished, in the order of training.
        seconds: part of the comparison -> wall seconds; the cells' own are in their results.
    """

    directory: Path
    plan: ComparisonConfig
    protocol: Protocol
    results: Mapping[str, Mapping[FoldSeed, RunResult]]
    missing: tuple[Cell, ...]
    seconds: Mapping[str, float]

    @classmethod
    def load(cls, directory: Path, *, known: Known | None = None) -> Self:
        """Read a comparison, complete or not.

        Args:
            directory: of the comparison.
            known: results that were read before; those that are read now are added.

        Raises:
            RunError: the directory holds no comparison, or a finished cell is damaged.
        """
        place = ComparisonDirectory(directory)
        plan, protocol = place.read()
        known = {} if known is None else known
        results: dict[str, dict[FoldSeed, RunResult]] = {name: {} for name in plan.arms}
        missing = []
        for cell in plan.cells:
            if not RunDirectory(directory / cell.path).complete:
                missing.append(cell)
                continue
            if (cell.arm, cell.path) not in known:  # arms that train the same share a directory
                known[cell.arm, cell.path] = replace(RunResult.load(directory / cell.path), name=cell.arm)
            results[cell.arm][cell.fold, cell.seed] = known[cell.arm, cell.path]
        return cls(directory, plan, protocol, results, tuple(missing), place.read_seconds())

    @property
    def complete(self) -> bool:
        """Whether every cell is there."""
        return not self.missing

    @property
    def rare(self) -> tuple[str, ...]:
        """The classes that count as rare in every cell: folds may differ by a class near the border."""
        sets = [result.rare for cells in self.results.values() for result in cells.values()]
        return tuple(name for name in sets[0] if all(name in rare for rare in sets)) if sets else ()

    @cached_property
    def comparable(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The folds and seeds that every arm has: the seeds with all folds, else the folds of one seed."""
        folds, seeds = self.plan.folds, self.plan.seeds
        common = {
            (fold, seed)
            for fold in folds
            for seed in seeds
            if all((fold, seed) in cells for cells in self.results.values())
        }
        whole = tuple(seed for seed in seeds if all((fold, seed) in common for fold in folds))
        if whole:
            return folds, whole
        by_seed = {seed: tuple(fold for fold in folds if (fold, seed) in common) for seed in seeds}
        best = max(by_seed, key=lambda seed: len(by_seed[seed]))
        return (by_seed[best], (best,)) if by_seed[best] else ((), ())

    @cached_property
    def arms(self) -> tuple[ArmPredictions, ...]:
        """Each arm's predictions of `comparable`; none where that is empty."""
        folds, seeds = self.comparable
        if not folds:
            return ()
        return tuple(
            ArmPredictions(
                name, {(fold, seed): _predictions(cells[fold, seed]) for fold in folds for seed in seeds}
            )
            for name, cells in self.results.items()
        )

    @cached_property
    def statistics(self) -> ArmComparison | None:
        """Each arm's numbers and each pair's differences, on `comparable`; None where that is empty."""
        return compare_arms(self.arms, self.rare) if self.arms else None

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What a reader must know: classes that an arm never names, and boxes that are a control."""
        cells = {name: list(found.values()) for name, found in self.results.items() if found}
        answers = answer_remarks({name: [one.metrics for one in each] for name, each in cells.items()})
        return (*answers, *box_remarks({name: each[0].boxes for name, each in cells.items()}, _JUDGE))

    def cells_frame(self) -> pd.DataFrame:
        """One row per finished cell: arm, fold, seed, its main numbers and each class's recall."""
        rows = [
            {"arm": name, "fold": fold, "seed": seed} | _numbers(result)
            for name, cells in self.results.items()
            for (fold, seed), result in cells.items()
        ]
        return pd.DataFrame(rows)

    def save_tables(self) -> None:
        """Write cells.csv and, from the first seed and fold that every arm has, arms.csv and pairs.csv.

        Raises:
            RunError: a file cannot be written.
        """
        self.save_cells()
        if self.statistics is not None:
            _write_csv(self.directory / "arms.csv", self.statistics.singles_frame())
            _write_csv(self.directory / "pairs.csv", self.statistics.pairs_frame())

    def save_cells(self) -> None:
        """Write cells.csv.

        Raises:
            RunError: the file cannot be written.
        """
        _write_csv(self.directory / "cells.csv", self.cells_frame())


def _predictions(result: RunResult) -> CellPredictions:
    return CellPredictions(result.predictions, result.prior, result.validation)


def _numbers(result: RunResult) -> dict[str, Any]:
    metrics = result.metrics
    return {
        "n": metrics.n,
        "balanced_accuracy": metrics.balanced_accuracy,
        "balanced_accuracy_adjusted": metrics.balanced_accuracy_adjusted,
        "rare_recall": metrics.rare_recall,
        "rare_recall_adjusted": metrics.rare_recall_adjusted,
        "rare_average_precision": metrics.rare_average_precision,
        "macro_auroc": metrics.macro_auroc,
        "energy:rare": metrics.localisation["rare"].energy,
        "energy:common": metrics.localisation["common"].energy,
        **{f"recall:{name}": one.recall for name, one in metrics.per_class.items()},
        **{f"recall_adjusted:{name}": one.recall_adjusted for name, one in metrics.per_class.items()},
    }


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    write_file(path, frame.to_csv(index=False).encode())
