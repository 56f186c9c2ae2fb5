"""Training the cells of a comparison: each once, however often it is stopped."""

import dataclasses
import json
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from lesioncare.errors import LesionCareError, RunError
from lesioncare.evaluation.files import write_file
from lesioncare.experiment.comparison import Comparison, ComparisonDirectory, Known
from lesioncare.experiment.plan import Cell, ComparisonConfig
from lesioncare.experiment.protocol import Protocol, split_frame
from lesioncare.experiment.runners import Context, InOrder, Runner
from lesioncare.training import RunDirectory, keep_features
from lesioncare.training.directory import check_run
from lesioncare.training.features import remove_cache
from lesioncare.training.models import check_model
from lesioncare.training.shared import SharedInputs
from lesioncare.words import several

__all__ = ["CellsFailedError", "Progress", "run_comparison"]


class CellsFailedError(RunError):
    """Some cells could not be trained; the others were, and can be told."""


Progress = Callable[[Cell, int, int], None]
"""Called with a cell that has ended, the cells done and the cells in all."""


def run_comparison(
    plan: ComparisonConfig,
    directory: Path,
    *,
    cache_dir: Path | None = None,
    runner: Runner | None = None,
    drop_weights: bool = False,
    command: str = "",
    progress: Progress = lambda *_: None,
) -> Comparison:
    """Train all cells that are not finished, and give the comparison.

    The table is read and its images are checked once, and frozen features are computed once, for all cells.
    The same call again goes on where a stopped one was and ends with the same results, bit for bit on the
    CPU. More arms, folds or seeds may be added by then: finished cells are kept. A cell whose loss is no
    longer a number does not stop the others.

    Args:
        plan: arms, folds and seeds.
        directory: gets comparison.json, splits.csv, cells/ARM/foldF-seedS/ and the tables.
        cache_dir: where frozen features are kept; by default in the directory, and deleted at the end.
        runner: who trains; default this process, one cell after the other.
        drop_weights: delete each cell's weights and checkpoints when it was tested; its results stay.
        command: kept in the protocol.
        progress: told of each cell.

    Raises:
        LesionCareError: as for `train`, before anything is trained where possible; the message names the
            cell.
        CellsFailedError: cells failed; the others are trained by then.
    """
    start, runner, place = time.perf_counter(), runner or InOrder(), ComparisonDirectory(directory)
    cells = plan.trainings
    _check(cells, place)
    todo = [cell for cell in cells if not RunDirectory(directory / cell.path).complete]
    if not todo and place.record.exists() and place.read()[0] == plan:
        return _ended(place, own_cache=cache_dir is None)
    _check_models(plan)
    context = _prepare(plan, todo, place, cache_dir or place.features)
    context = dataclasses.replace(context, drop_weights=drop_weights)
    place.write(plan, Protocol.now(command, repr(runner)))
    place.pairs.unlink(missing_ok=True)  # written last: where it is, the tables are of all cells
    _add_seconds(place, "prepare", time.perf_counter() - start)
    session = _Session(context, progress, len(cells))
    failed = _train(todo, session, runner)
    start = time.perf_counter()
    comparison = Comparison.load(directory, known=session.known)
    comparison.save_tables()
    if failed:
        listed = "\n".join(failed)
        raise CellsFailedError(
            f"{len(failed)} of {several(len(cells), 'cell')} failed; the others are kept.\n{listed}"
        )
    if cache_dir is None:
        remove_cache(place.features)
    _add_seconds(place, "compare", time.perf_counter() - start)
    return dataclasses.replace(comparison, seconds=place.read_seconds())


def _ended(place: ComparisonDirectory, *, own_cache: bool) -> Comparison:
    """Give a comparison whose cells are all there; do what a kill after the last of them has left undone."""
    comparison = Comparison.load(place.path)
    if not place.pairs.exists():
        comparison.save_tables()
    if own_cache:
        remove_cache(place.features)
    return comparison


@dataclass(frozen=True)
class _Session:
    """One call: what the cells share, who is told, how many cells there are, and the results read so far."""

    context: Context
    progress: Progress
    total: int
    known: Known = field(default_factory=dict)


def _check(cells: Sequence[Cell], place: ComparisonDirectory) -> None:
    """Look at all directories before the first cell is trained for hours."""
    if place.path.is_file():
        raise RunError(f"{place.path}: is a file. Give a directory with --output.")
    inside = {entry.name for entry in place.path.iterdir()} if place.path.is_dir() else set()
    begun = {name for name in inside if name in ("features", "splits.csv") or name.endswith(".tmp")}
    if inside - begun and not place.record.exists():
        raise RunError(f"{place.path}: is not empty and holds no comparison. Give another --output.")
    for cell in cells:
        check_run(cell.config, place.path / cell.path)


def _check_models(plan: ComparisonConfig) -> None:
    """Before all images are decoded, not after it."""
    for name, arm in plan.arms.items():
        try:
            check_model(arm.model)
        except LesionCareError as error:
            raise type(error)(f"arm {name!r}: {error}") from error


def _prepare(
    plan: ComparisonConfig, todo: Sequence[Cell], place: ComparisonDirectory, cache_dir: Path
) -> Context:
    """Read tables, deal folds, and keep the frozen features of every image that a cell will see."""
    shared = SharedInputs([cell.config for cell in plan.trainings])
    first = {cell.fold: cell.config for cell in reversed(plan.cells)}
    splits = {fold: shared.split(first[fold]) for fold in plan.folds}
    frame = split_frame(shared.table(first[plan.folds[0]]), splits)
    try:
        place.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{place.path}: cannot be written ({error}). Give another --output.") from error
    write_file(place.splits, frame.to_csv(index=False).encode())
    for cell in _one_of_each(todo):
        try:
            keep_features(cell.config, shared, cache_dir)
        except LesionCareError as error:
            raise type(error)(f"{cell}: {error}") from error
    return Context(place.path, cache_dir, shared)


def _one_of_each(todo: Sequence[Cell]) -> list[Cell]:
    """The first of the cells that keep the same features."""
    first: dict[Hashable, Cell] = {}
    for cell in todo:
        data, config = cell.config.data, cell.config
        key = (data.box_file, data.min_score, data.test_boxes, config.model, config.schedule.augment)
        first.setdefault(key, cell)
    return list(first.values())


def _train(todo: Sequence[Cell], session: _Session, runner: Runner) -> list[str]:
    """Train the cells; give the words on those that diverged."""
    place, failed, start = ComparisonDirectory(session.context.directory), list[str](), time.perf_counter()
    with closing(runner(todo, session.context)) as outcomes:  # an error here ends the other cells
        for ended, outcome in enumerate(outcomes, start=1):
            if outcome.error is not None:
                _raise_unless_diverged(outcome.cell, outcome.error)
                failed.append(f"{outcome.cell}: {outcome.error}")
            Comparison.load(place.path, known=session.known).save_cells()
            _add_seconds(place, "cells", time.perf_counter() - start)
            start = time.perf_counter()
            session.progress(outcome.cell, session.total - len(todo) + ended, session.total)
    return failed


def _raise_unless_diverged(cell: Cell, error: LesionCareError) -> None:
    """Let the other cells go on after a loss that is no number; an option that cannot work stops all."""
    if not isinstance(error, RunError):
        raise type(error)(f"{cell}: {error}") from error


def _add_seconds(place: ComparisonDirectory, part: str, seconds: float) -> None:
    known = place.read_seconds()
    known[part] = known.get(part, 0.0) + seconds
    write_file(place.seconds, json.dumps(known).encode())
