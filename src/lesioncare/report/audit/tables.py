"""The pictures and tables of an audit."""

from lesioncare.data.editing import ORIGINAL, SWAPPED
from lesioncare.evaluation import Difference, Interval
from lesioncare.report import text
from lesioncare.report.audit.study import AuditStudy, meaning_of, title_of
from lesioncare.report.audit.views import ClassLine, Field, Panel, PanelRow, RunRow
from lesioncare.report.figures import Axis, difference_axis
from lesioncare.report.study import draw_comparison
from lesioncare.report.views import Arm, Comparison, Dot, Tick

__all__ = ["artefact_lines", "background_rows", "class_lines", "curve_rows", "move_rows", "panels"]

_PANELS = {
    "balanced_accuracy": (
        "Balanced accuracy",
        "How many images are named right, every class counting the same.",
    ),
    "rare_recall": ("Rare recall", "The same, on average over the rare classes."),
}
_MOVES = 5  # the clearest of a run's moves that are listed


def panels(study: AuditStudy) -> tuple[Panel, ...]:
    """Balanced accuracy and rare recall of every version."""
    first = study.found(study.arms[0]).levels[ORIGINAL]
    return tuple(_panel(study, metric) for metric in _PANELS if metric in first)


def _panel(study: AuditStudy, metric: str) -> Panel:
    found = [one for version in study.result.versions for one in _differences(study, version, metric)]
    axis = difference_axis(end for one in found if one is not None for end in (one.low, one.high))
    title, meaning = _PANELS[metric]
    # An answer that does not depend on the image reaches 1 / C on average over all classes only.
    chance = 100 * study.found(study.arms[0]).chance if metric == "balanced_accuracy" else None
    rows = tuple(_panel_row(study, version, metric, axis) for version in study.result.versions)
    ticks = tuple(Tick(axis.at(value), text.signed(value, 0)) for value in axis.ticks(4))
    return Panel(title, meaning, chance, rows, ticks)


def _differences(study: AuditStudy, version: str, metric: str) -> list[Difference | None]:
    """Of one run: from the original; of several: each from the first. The same number for every version."""
    if study.several:
        return [study.against_first(arm, version).get(metric) for arm in study.arms[1:]]
    if version == ORIGINAL:
        return []
    return [study.found(study.arms[0]).effects[version].get(metric)]


def _panel_row(study: AuditStudy, version: str, metric: str, axis: Axis) -> PanelRow:
    dots = [
        _dot(arm, study.found(arm).levels[version][metric], 100 * place / (len(study.arms) + 1))
        for place, arm in enumerate(study.arms, start=1)
    ]
    arms = study.arms[1:] if study.several else study.arms
    comparisons: list[Comparison] = [
        draw_comparison(arm, one, axis)
        for arm, one in zip(arms, _differences(study, version, metric), strict=False)
    ]
    said = [f"{dot.arm.name} {dot.text}" for dot in dots]
    said += [f"{one.arm.name} {one.said}" for one in comparisons]
    label = f"{_PANELS[metric][0]}, {title_of(version)}: {'; '.join(said)}"
    return PanelRow(title_of(version), meaning_of(version), tuple(dots), tuple(comparisons), label)


def _dot(arm: Arm, one: Interval, y: float) -> Dot:
    axis = Axis(0.0, 1.0)
    low, high = (one.low, one.high) if text.is_judged(one) else (one.value, one.value)
    words = text.in_brackets(text.share_span(one))
    return Dot(
        arm, axis.at(one.value), axis.at(low), axis.at(high), round(y, 2), text.percent(one.value) + words
    )


def class_lines(study: AuditStudy) -> tuple[ClassLine, ...]:
    """Recall of each class on every version, and its change from the original."""
    return tuple(
        ClassLine(
            name,
            name in study.result.rare,
            text.count(study.counts[name]),
            tuple(RunRow(arm, _recalls(study, arm, f"recall:{name}")) for arm in study.arms),
        )
        for name in study.classes
    )


def _recalls(study: AuditStudy, arm: Arm, metric: str) -> tuple[Field, ...]:
    found = study.found(arm)
    original = found.levels[ORIGINAL].get(metric)
    fields = [Field(text.MISSING if original is None else f"{100 * original.value:.1f}")]
    return (*fields, *(_change(found.effects[version].get(metric)) for version in study.changed))


def _change(one: Difference | None) -> Field:
    """The number after the change, and by how many points it changed."""
    if one is None:
        return Field(text.MISSING)
    return Field(f"{100 * one.b:.1f}", text.signed(one.difference), one.shown)


def background_rows(study: AuditStudy) -> tuple[RunRow, ...]:
    """How often the answer stays with the lesion, and how often it goes to the background."""
    rows = []
    for arm in study.arms:
        found = study.found(arm)
        kept, one = found.effects[SWAPPED]["balanced_accuracy"], found.background
        if one is None:
            continue
        fields = (
            Field(text.percent(kept.b), f"{text.percent(kept.a)} before"),
            Field(text.percent(one.b)),
            Field(text.percent(one.a)),
            _points(one),
        )
        rows.append(RunRow(arm, fields))
    return tuple(rows)


def artefact_lines(study: AuditStudy) -> tuple[ClassLine, ...]:
    """What each pasted artefact does to the answers."""
    return tuple(
        ClassLine(
            title_of(name), False, "", tuple(RunRow(arm, _artefact(study, arm, name)) for arm in study.arms)
        )
        for name in study.artefacts
    )


def _artefact(study: AuditStudy, arm: Arm, name: str) -> tuple[Field, ...]:
    found = study.found(arm)
    effects, changed = found.effects[name], found.changed[name]
    strongest = next(move for move in found.moves if move.artefact == name)
    one = strongest.difference
    drawn = f"{text.points(one.difference)}, {'shown' if strongest.shown else 'not shown'}"
    span = f"{100 * changed.low:.1f} to {100 * changed.high:.1f}" if text.is_judged(changed) else ""
    return (
        Field(text.percent(changed.value), span),
        _points(effects.get("balanced_accuracy")),
        _points(effects.get("rare_recall")),
        Field(strongest.answer, drawn, strongest.shown) if one.difference > 0 else Field(text.MISSING),
    )


def move_rows(study: AuditStudy) -> tuple[RunRow, ...]:
    """The clearest moves of answers to a class that are shown after correction."""
    rows = []
    for arm in study.arms:
        shown = [one for one in study.found(arm).moves if one.shown and one.difference.difference > 0]
        for move in shown[:_MOVES]:
            one = move.difference
            fields = (
                Field(title_of(move.artefact)),
                Field(move.answer),
                Field(text.percent(one.a)),
                Field(text.percent(one.b)),
                _points(one),
            )
            rows.append(RunRow(arm, fields))
    return tuple(rows)


def curve_rows(study: AuditStudy) -> tuple[RunRow, ...]:
    """Areas under the deletion and insertion curves."""
    rows = []
    for arm in study.arms:
        found = study.found(arm)
        fields = tuple(_area(one) for one in (found.deletion, found.insertion))
        if any(field.text != text.MISSING for field in fields):
            rows.append(RunRow(arm, fields))
    return tuple(rows)


def _area(one: Interval | None) -> Field:
    if one is None:
        return Field(text.MISSING)
    small = f"{text.ratio(one.low)} to {text.ratio(one.high)}" if text.is_judged(one) else ""
    return Field(text.ratio(one.value), small)


def _points(one: Difference | None) -> Field:
    if one is None:
        return Field(text.MISSING)
    small = text.span(one) if text.is_judged(one) else ""
    return Field(text.signed(one.difference), small, one.shown)
