"""The pictures of the report: recall of each class, and the curves of the training."""

from dataclasses import dataclass

from lesioncare.report import text
from lesioncare.report.figures import Axis, Series, curve
from lesioncare.report.study import Study
from lesioncare.report.views import Curve, Dot, Forest, ForestRow, Tick

__all__ = ["curves", "forest"]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the history, its heading and how to read it."""

    name: str
    title: str
    meaning: str
    share: bool = False


_COLUMNS = (
    _Column("train_loss", "Training loss", "What the training lowers, all parts together."),
    _Column("train_classification_loss", "Classification loss", "Its part that asks for the right answer."),
    _Column("train_attention_loss", "Attention loss", "Its part that asks to look at the lesion."),
    _Column("validation_loss", "Validation loss", "The loss on images that are not trained on."),
    _Column("validation_balanced_accuracy", "Validation balanced accuracy", "Higher is better.", share=True),
)


def curves(study: Study) -> tuple[Curve, ...]:
    """The history's known columns against the epoch; those without a number are left out."""
    drawn = []
    for column in _COLUMNS:
        series = [
            Series(arm, run.history["epoch"].tolist(), run.history[column.name].astype(float).tolist())
            for arm, run in zip(study.arms, study.runs, strict=True)
            if {"epoch", column.name} <= set(run.history.columns)
        ]
        figure = curve(column.title, column.meaning, series, column.share)
        if figure is not None:
            drawn.append(figure)
    return tuple(drawn)


def forest(study: Study) -> Forest:
    """Recall of each class that the test part has, with intervals, and the differences beside it."""
    keys = [f"recall:{name}" for name in study.classes]
    axis = study.axis(keys)
    rows = tuple(_forest_row(study, name, axis) for name in study.classes if _tested(study, name))
    absent = tuple(name for name in study.classes if not _tested(study, name))
    return Forest(rows, _difference_ticks(axis), absent)


def _tested(study: Study, name: str) -> bool:
    return study.runs[0].metrics.per_class[name].n > 0


def _forest_row(study: Study, name: str, axis: Axis) -> ForestRow:
    key, whole, dots = f"recall:{name}", Axis(0.0, 1.0), []
    for number, (arm, intervals) in enumerate(zip(study.arms, study.intervals, strict=True), start=1):
        one = intervals[key]
        low, high = (one.low, one.high) if text.is_judged(one) else (one.value, one.value)
        dots.append(
            Dot(
                arm=arm,
                at=whole.at(one.value),
                low=whole.at(low),
                high=whole.at(high),
                y=round(100 * number / (len(study.arms) + 1), 2),
                text=text.percent(one.value) + text.in_brackets(text.share_span(one)),
            )
        )
    comparisons = study.comparisons(key, axis)
    said = [f"{dot.arm.name} {dot.text}" for dot in dots]
    said += [f"{one.arm.name} {one.said}" for one in comparisons]
    return ForestRow(
        name=name,
        rare=name in study.rare,
        n=text.count(study.runs[0].metrics.per_class[name].n),
        dots=tuple(dots),
        comparisons=comparisons,
        label=f"Recall of {name}: " + "; ".join(said),
    )


def _difference_ticks(axis: Axis) -> tuple[Tick, ...]:
    return tuple(Tick(axis.at(value), text.signed(value, 0)) for value in axis.ticks())
