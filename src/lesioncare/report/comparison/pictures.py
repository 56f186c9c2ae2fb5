"""The pictures of a comparison: all arms at a glance, and the recall of each class."""

import math

from lesioncare.evaluation import ArmInterval
from lesioncare.report import text
from lesioncare.report.comparison.study import METRICS, ComparisonStudy
from lesioncare.report.comparison.views import (
    ClassForest,
    ForestLine,
    Forests,
    Lane,
    Overview,
    OverviewRow,
    Panel,
)
from lesioncare.report.figures import Axis
from lesioncare.report.study import draw_comparison
from lesioncare.report.views import Arm, Dot, Tick

__all__ = ["forests", "overview"]

_PANELS = ("rare_recall", "balanced_accuracy")


def overview(study: ComparisonStudy) -> Overview:
    """Each arm's rare recall and balanced accuracy, as it answers and after logit adjustment."""
    axes = {metric: _share_axis(study, metric) for metric in _PANELS if metric in study.metrics}
    panels = tuple(Panel(METRICS[metric], _share_ticks(axis)) for metric, axis in axes.items())
    rows = []
    for arm in study.arms:
        lanes = tuple(_lane(study, arm, metric, axis) for metric, axis in axes.items())
        said = [
            f"{panel.title} {dot.text}{after}"
            for panel, lane in zip(panels, lanes, strict=True)
            for dot, after in ((lane.plain, ""), (lane.adjusted, " after logit adjustment"))
            if dot is not None
        ]
        rows.append(OverviewRow(arm, lanes, f"{arm.name}: " + "; ".join(said)))
    return Overview(panels, tuple(rows))


def _share_axis(study: ComparisonStudy, metric: str) -> Axis:
    """An axis that holds all intervals of a share, before and after adjustment."""
    ones = [study.single(arm.name, metric + suffix) for arm in study.arms for suffix in ("", "_adjusted")]
    ends = [end for one in ones if one is not None for end in (*_ends(one), one.value)]
    low, high = min(ends), max(ends)
    slack = max(0.05 * (high - low), 0.02)
    return Axis(max(low - slack, 0.0), min(high + slack, 1.0))


def _share_ticks(axis: Axis) -> tuple[Tick, ...]:
    return tuple(Tick(axis.at(value), f"{100 * value:.4g}") for value in axis.ticks(4))


def _lane(study: ComparisonStudy, arm: Arm, metric: str, axis: Axis) -> Lane:
    first = study.single(study.arms[0].name, metric)
    return Lane(
        reference=None if first is None else axis.at(first.value),
        plain=_dot(arm, study.single(arm.name, metric), axis, 34),
        adjusted=_dot(arm, study.single(arm.name, f"{metric}_adjusted"), axis, 68),
    )


def _dot(arm: Arm, one: ArmInterval | None, axis: Axis, y: float) -> Dot | None:
    """A number and its interval; the number alone where it rests on too few groups."""
    if one is None or not math.isfinite(one.value):
        return None
    low, high = _ends(one)
    words = text.in_brackets(text.share_span(one))
    return Dot(arm, axis.at(one.value), axis.at(low), axis.at(high), y, text.percent(one.value) + words)


def _ends(one: ArmInterval) -> tuple[float, float]:
    return (one.low, one.high) if text.is_judged(one) else (one.value, one.value)


def forests(study: ComparisonStudy) -> Forests:
    """Recall of each class for each arm, and its difference from the first arm."""
    axis = study.difference_axis([f"recall:{name}" for name in study.classes])
    first = study.arms[0].name
    tested = [name for name in study.classes if study.single(first, f"recall:{name}") is not None]
    return Forests(
        classes=tuple(_class_forest(study, name, axis) for name in tested),
        ticks=tuple(Tick(axis.at(value), text.signed(value, 0)) for value in axis.ticks(4)),
        absent=tuple(name for name in study.classes if name not in tested),
    )


def _class_forest(study: ComparisonStudy, name: str, axis: Axis) -> ClassForest:
    metric, lines = f"recall:{name}", []
    for arm in study.arms:
        dot = _dot(arm, study.single(arm.name, metric), Axis(0.0, 1.0), 50)
        difference = study.against_first(arm.name, metric)
        comparison = None if arm is study.arms[0] else draw_comparison(arm, difference, axis)
        said = f"Recall of {name}, {arm.name}: {dot.text if dot else text.MISSING}"
        if comparison is not None:
            said += f"; difference {comparison.said}"
        lines.append(ForestLine(arm, dot, comparison, said))
    one = study.single(study.arms[0].name, metric)
    groups = f" of {text.several(one.n_groups, 'group')}" if one and one.n_groups < one.n else ""
    n = f"{text.several(one.n, 'test image')}{groups}" if one else ""
    return ClassForest(name, name in study.comparison.rare, n, tuple(lines))
