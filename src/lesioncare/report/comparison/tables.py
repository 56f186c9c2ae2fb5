"""The tables of a comparison: arms against numbers, pairs of arms, and confusion."""

import numpy as np

from lesioncare.evaluation import ArmInterval, PairDifference
from lesioncare.evaluation.intervals import MIN_GROUPS
from lesioncare.evaluation.metrics import Confusion as Counts
from lesioncare.report import text
from lesioncare.report.comparison.answer import chance
from lesioncare.report.comparison.study import METRICS, ComparisonStudy
from lesioncare.report.comparison.views import ArmRow, ArmTable, Cell, PairRow, PairTable
from lesioncare.report.figures import Axis, strip
from lesioncare.report.tables import confusion_cell
from lesioncare.report.views import Arm, Confusion, ConfusionRow

__all__ = ["arm_table", "confusions", "number_key", "pair_tables"]

_MAIN = ("rare_recall", "balanced_accuracy")


def arm_table(study: ComparisonStudy) -> ArmTable:
    """Every arm's numbers with their intervals; the highest of a column is marked."""
    columns = {metric: [study.single(arm.name, metric) for arm in study.arms] for metric in study.metrics}
    rows = tuple(
        ArmRow(arm, place, tuple(_arm_cell(column[place], column) for column in columns.values()))
        for place, arm in enumerate(study.arms)
    )
    return ArmTable(tuple(METRICS[metric] for metric in columns), rows)


def _arm_cell(one: ArmInterval | None, column: list[ArmInterval | None]) -> Cell:
    if one is None:
        return Cell(text.MISSING)
    best = len(column) > 1 and one.value == max(other.value for other in column if other is not None)
    return Cell(f"{100 * one.value:.1f}", _span(one), number_key(one.value), best)


def _span(one: ArmInterval) -> str:
    if one.n_groups < MIN_GROUPS:
        return f"too few groups ({one.n_groups})"
    return f"{100 * one.low:.1f} to {100 * one.high:.1f}"


def number_key(value: float | None) -> str:
    """What a field is sorted by; empty, so that it comes last, where it is undefined."""
    return "" if value is None else f"{value:.6f}"


def pair_tables(study: ComparisonStudy) -> tuple[PairTable, ...]:
    """One table for each metric of all classes together; a strip is on the axis of its table."""
    tables = []
    for metric in study.metrics:
        axis, by_name = study.difference_axis([metric]), {arm.name: arm for arm in study.arms}
        rows = tuple(
            _pair_row(by_name[a], by_name[b], found[metric], axis)
            for (a, b), found in study.found.pairs.items()
            if metric in found
        )
        if rows:
            tables.append(PairTable(METRICS[metric], metric in _MAIN, rows))
    return tuple(tables)


def _pair_row(a: Arm, b: Arm, one: PairDifference, axis: Axis) -> PairRow:
    judged = one.n_groups >= MIN_GROUPS
    p = one.p_corrected
    cells = (
        Cell(f"{100 * one.b:.1f}", "", number_key(one.b)),
        Cell(f"{100 * one.a:.1f}", "", number_key(one.a)),
        Cell(text.signed(one.difference), text.span(one) if judged else "", number_key(one.difference)),
        Cell(text.MISSING if p is None else chance(p).removeprefix("p "), "", number_key(p)),
        _deviation(one.spread.fold_sd),
        _deviation(one.spread.seed_sd),
    )
    drawn = strip(axis, one.low, one.difference, one.high) if judged else None
    return PairRow(a, b, drawn, text.verdict(one), text.verdict_words(one), cells)


def _deviation(value: float | None) -> Cell:
    return Cell(text.MISSING if value is None else f"{100 * value:.1f}", "", number_key(value))


def confusions(study: ComparisonStudy) -> tuple[Confusion, ...]:
    """Each arm's confusion, all folds together, averaged over the seeds."""
    return tuple(
        Confusion(
            arm,
            _confusion_rows(study, arm, adjusted=False),
            _confusion_rows(study, arm, adjusted=True),
        )
        for arm in study.arms
    )


def _confusion_rows(study: ComparisonStudy, arm: Arm, *, adjusted: bool) -> tuple[ConfusionRow, ...]:
    results = study.results[arm.name].values()
    found: list[Counts | None] = [
        one.metrics.confusion_adjusted if adjusted else one.metrics.confusion for one in results
    ]
    matrices = [np.array(counts) for counts in found if counts is not None]
    if len(matrices) < len(found):
        return ()
    mean = np.sum(matrices, axis=0) / len(study.found.seeds)
    names = study.any_result.classes
    rows = []
    for name in study.classes:
        n = sum(one.metrics.per_class[name].n for one in results) // len(study.found.seeds)
        counts = mean[names.index(name)]
        cells = tuple(
            confusion_cell(name, answer, float(counts[names.index(answer)]), n) for answer in study.classes
        )
        rows.append(ConfusionRow(name, name in study.comparison.rare, text.count(n), cells))
    return tuple(rows)
