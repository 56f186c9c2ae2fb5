"""The runs that a command was given, by their directories."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lesioncare.errors import ConfigError
from lesioncare.words import distinct_names

if TYPE_CHECKING:
    from lesioncare.evaluation import RunResult
    from lesioncare.training.apply import TrainedRun

__all__ = ["load_results", "load_trained", "run_directories"]


def run_directories(given: Sequence[Path]) -> list[Path]:
    """The directories; in place of one that `train --baseline` made, those of its two runs.

    Raises:
        ConfigError: a run is there twice.
    """
    found = []
    for one in given:
        pair = [one / "without", one / "with"]
        found += pair if all(run.is_dir() for run in pair) else [one]
    for number, run in enumerate(found):
        if run.resolve() in [earlier.resolve() for earlier in found[:number]]:
            raise ConfigError(f"{run}: is given twice. Give each run once.")
    return found


def load_results(given: Sequence[Path]) -> "list[RunResult]":
    """The results of the runs; where two have one name, their directories tell them apart."""
    from lesioncare.evaluation import RunResult  # noqa: PLC0415  loads torch

    directories = run_directories(given)
    return _told_apart([RunResult.load(run) for run in directories], directories)


def load_trained(directories: Sequence[Path]) -> "list[TrainedRun]":
    """The runs with their networks, named as by `load_results`."""
    from lesioncare.training.apply import load_run  # noqa: PLC0415  loads torch

    runs = [load_run(run) for run in directories]
    results = _told_apart([run.result for run in runs], directories)
    return [replace(run, result=result) for run, result in zip(runs, results, strict=True)]


def _told_apart(results: "Sequence[RunResult]", directories: Sequence[Path]) -> "list[RunResult]":
    names = distinct_names([result.name for result in results], directories)
    return [replace(result, name=name) for result, name in zip(results, names, strict=True)]
