"""The tables: counts, classes, confusion, where the network looks, and how the runs were made."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from lesioncare.evaluation import Localisation, RunResult
from lesioncare.evaluation.metrics import Confusion as Counts
from lesioncare.report import text
from lesioncare.report.command import command_line
from lesioncare.report.study import Study
from lesioncare.report.views import (
    Arm,
    Bar,
    ClassRow,
    ClassValues,
    Comparison,
    ConfigRow,
    Confusion,
    ConfusionCell,
    ConfusionRow,
    CountRow,
    LookRow,
    LookSet,
    TableRow,
)

_STRONG = 0.74
"""Above this share a field of the confusion matrix is dark enough for the opposite text colour."""

__all__ = [
    "class_rows",
    "commands",
    "config_rows",
    "confusion_cell",
    "confusions",
    "count_rows",
    "look_sets",
    "second_rows",
    "version_rows",
]


def count_rows(study: Study) -> tuple[CountRow, ...]:
    """How many images each class has; the bars of one part share one scale."""
    run = study.runs[0]
    train = {name: run.train_counts.get(name, 0) for name in study.classes}
    test = {name: run.metrics.per_class[name].n for name in study.classes}
    return tuple(
        CountRow(name, name in study.rare, _bar(name, train), _bar(name, test)) for name in study.classes
    )


def _bar(name: str, counts: Mapping[str, int]) -> Bar:
    total, longest = max(sum(counts.values()), 1), max([1, *counts.values()])
    one = counts[name]
    return Bar(text.count(one), text.percent(one / total), round(100 * one / longest, 2))


def class_rows(study: Study) -> tuple[ClassRow, ...]:
    """Every class: each arm's figures, and the differences of recall from the first arm."""
    axis = study.axis([f"recall:{name}" for name in study.classes])
    rows = []
    for name in study.classes:
        comparisons = (None, *study.comparisons(f"recall:{name}", axis))
        values = tuple(
            _class_values(arm, run, name, comparison)
            for arm, run, comparison in zip(study.arms, study.runs, comparisons, strict=True)
        )
        metrics = study.runs[0].metrics
        share = text.percent(metrics.localisation_per_class[name].area_share)
        rows.append(ClassRow(name, name in study.rare, text.count(metrics.per_class[name].n), share, values))
    return tuple(rows)


def _class_values(arm: Arm, run: RunResult, name: str, comparison: Comparison | None) -> ClassValues:
    one, look = run.metrics.per_class[name], run.metrics.localisation_per_class[name]
    cells = (
        text.percent(one.recall_adjusted),
        text.percent(one.precision),
        text.percent(one.f1),
        text.ratio(one.auroc),
        text.ratio(one.average_precision),
        text.percent(look.energy),
        text.percent(look.pointing),
    )
    return ClassValues(arm, text.percent(one.recall), comparison, cells)


def confusions(study: Study) -> tuple[Confusion, ...]:
    """Each arm's confusion matrices, in the page's order of the classes."""
    return tuple(
        Confusion(
            arm=arm,
            plain=_confusion_rows(study, run, run.metrics.confusion),
            adjusted=_confusion_rows(study, run, run.metrics.confusion_adjusted),
        )
        for arm, run in zip(study.arms, study.runs, strict=True)
    )


def _confusion_rows(study: Study, run: RunResult, counts: Counts | None) -> tuple[ConfusionRow, ...]:
    if counts is None:
        return ()
    order = [run.classes.index(name) for name in study.classes]
    rows = []
    for name, truth in zip(study.classes, order, strict=True):
        n = run.metrics.per_class[name].n
        cells = tuple(
            confusion_cell(name, answer, counts[truth][column], n)
            for answer, column in zip(study.classes, order, strict=True)
        )
        rows.append(ConfusionRow(name, name in study.rare, text.count(n), cells))
    return tuple(rows)


def confusion_cell(truth: str, answer: str, count: float, n: int) -> ConfusionCell:
    """One field; its count is a mean where there are several seeds."""
    share = count / n if n else 0.0
    written = text.count(int(count)) if count == int(count) else f"{count:.1f}"
    were = f"{written} of {text.several(n, 'image')} of {truth} {'was' if count == 1 else 'were'}"
    label = f"{were} called {answer} ({text.percent(share)})"
    return ConfusionCell(written, round(share, 3), share > _STRONG, truth == answer, label)


def look_sets(study: Study) -> tuple[LookSet, ...]:
    """Where the arms look on the rare, the common and all classes; empty if no image has a box."""
    if all(run.metrics.localisation["all"].n == 0 for run in study.runs):
        return ()
    titles = {"rare": "rare classes", "common": "common classes", "all": "all classes"}
    return tuple(
        LookSet(title, tuple(_look(arm, run, key) for arm, run in zip(study.arms, study.runs, strict=True)))
        for key, title in titles.items()
        if study.runs[0].metrics.localisation[key].n
    )


def _look(arm: Arm, run: RunResult, key: str) -> LookRow:
    look: Localisation = run.metrics.localisation[key]
    return LookRow(
        arm=arm,
        energy=text.percent(look.energy),
        chance=text.percent(look.area_share),
        centre=text.percent(look.centre_energy),
        pointing=text.percent(look.pointing),
        n=text.count(look.n),
        undefined=text.count(look.n_undefined),
    )


def config_rows(study: Study) -> tuple[ConfigRow, ...]:
    """Every option; those in which the arms differ come first."""
    flat = [_flatten(_options(run)) for run in study.runs]
    names = dict.fromkeys(name for one in flat for name in one)
    rows = []
    for name in names:
        cells = tuple(_setting(one[name]) if name in one else text.MISSING for one in flat)
        rows.append(ConfigRow(name, cells, len(set(cells)) > 1))
    return tuple(sorted(rows, key=lambda row: not row.differs))


def _options(run: RunResult) -> dict[str, Any]:
    """A run's options; its boxes in one line each."""
    if run.boxes is None:
        return run.config
    learnt = "none" if run.boxes.learnt is None else str(run.boxes.learnt)
    return {**run.config, "boxes": {"learnt": learnt, "judged": str(run.boxes.judged)}}


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def second_rows(study: Study) -> tuple[TableRow, ...]:
    """Wall seconds of each part of the runs."""
    return _rows(study, lambda run: {name: f"{value:,.1f} s" for name, value in run.seconds.items()})


def version_rows(study: Study) -> tuple[TableRow, ...]:
    """Versions of the libraries."""
    return _rows(study, lambda run: run.versions)


def _rows(study: Study, read: Callable[[RunResult], Mapping[str, str]]) -> tuple[TableRow, ...]:
    columns = [read(run) for run in study.runs]
    names = dict.fromkeys(name for column in columns for name in column)
    return tuple(TableRow(name, tuple(one.get(name, text.MISSING) for one in columns)) for name in names)


def commands(study: Study) -> tuple[TableRow, ...]:
    """The command that repeats each run, where its settings tell it."""
    rows = [
        TableRow(arm.name, (command_line(run.config),))
        for arm, run in zip(study.arms, study.runs, strict=True)
    ]
    return tuple(row for row in rows if row.cells[0])
