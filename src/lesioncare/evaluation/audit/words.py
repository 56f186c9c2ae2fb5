"""An audit in words: one verdict, and a sentence for each of its parts."""

from collections.abc import Mapping
from dataclasses import dataclass

from lesioncare.data.editing import HIDDEN, LESION, ORIGINAL, SWAPPED
from lesioncare.evaluation.audit.statistics import AuditStatistics, Move
from lesioncare.evaluation.intervals import MIN_GROUPS, Difference, Interval, few_groups

__all__ = ["Verdict", "comparison_sentences", "judge", "sentences"]

_CI = "95\u202f% interval"
_SLACK = 1e-9  # a mean of shares is 1 / C up to rounding


@dataclass(frozen=True)
class Verdict:
    """What the hidden lesion says.

    Args:
        kind: "knows": the interval of the balanced accuracy with the lesion hidden lies above chance.
            "unshown": it does not. "unable": nor does that of the original images. "few": there are too
            few groups to tell.
        sentence: the same in words, with the numbers.
    """

    kind: str
    sentence: str


def judge(found: AuditStatistics) -> Verdict:
    """Whether a network knows the disease without the lesion.

    The rule: it does if the lower end of the 95 % interval of its balanced accuracy with the lesion hidden is
    above chance, 1 / the number of classes that occur; the smallest class must have `MIN_GROUPS` groups.
    """
    with_it, hidden = (found.levels[name]["balanced_accuracy"] for name in (ORIGINAL, HIDDEN))
    if hidden.n_groups < MIN_GROUPS:
        numbers = f"{_percent(hidden.value)}, {_percent(with_it.value)} with it"
        return Verdict(
            "few",
            "Whether the network needs the lesion cannot be judged (balanced accuracy with the lesion "
            f"hidden {numbers}): {few_groups(hidden.n_groups)}.",
        )
    numbers = f"{_percent(with_it.value)} with it; chance {_percent(found.chance)}; {_CI} {_span(hidden)}"
    says = f"names {_percent(hidden.value)} of the images right, every class counting the same ({numbers})"
    if hidden.low > found.chance + _SLACK:
        return Verdict(
            "knows",
            f"With the lesion hidden the network still {says}: it knows the disease without the lesion, so "
            "it uses something beside it.",
        )
    if with_it.low <= found.chance + _SLACK:
        return Verdict(
            "unable",
            f"With the lesion hidden the network {says}: it does not know the diseases with it either.",
        )
    return Verdict("unshown", f"With the lesion hidden the network {says}: no shortcut shown.")


def sentences(found: AuditStatistics) -> tuple[str, ...]:
    """One sentence for each part of the audit of a run, after the verdict."""
    told = [
        _recall(found, HIDDEN, "With the lesion hidden"),
        _recall(found, LESION, "With only the lesion shown"),
        _recall(found, SWAPPED, "Before the background of another class"),
        _background(found.background),
        _artefacts(found),
    ]
    told.append(_curves(found.deletion, found.insertion))
    return tuple(one for one in told if one)


def comparison_sentences(
    first: str, other: str, differences: Mapping[str, Mapping[str, Difference]]
) -> tuple[str, ...]:
    """How another run differs from the first, where it matters most: the lesion hidden, and it alone."""
    told = []
    for version, opening in ((HIDDEN, "the lesion hidden"), (LESION, "only the lesion shown")):
        for metric, subject in (("balanced_accuracy", "balanced accuracy"), ("rare_recall", "rare recall")):
            one = differences.get(version, {}).get(metric)
            if one is not None:
                told.append(_compared(first, other, f"the {subject} with {opening}", one))
    return tuple(told)


def _compared(first: str, other: str, subject: str, one: Difference) -> str:
    values = f"{_percent(one.b)} against {_percent(one.a)} ({first})"
    if one.n_groups < MIN_GROUPS:
        return f"{other}: {subject} is {values}; {few_groups(one.n_groups)}."
    values = f"{values}, {_points(one)}"
    if not one.shown:
        return f"{other}: no difference shown in {subject}: {values}."
    return f"{other}: {subject} is {'higher' if one.difference > 0 else 'lower'}: {values}."


def _recall(found: AuditStatistics, version: str, opening: str) -> str:
    """Rare recall where there are rare classes, else balanced accuracy: from the original to a version."""
    effects = found.effects[version]
    one, subject = effects.get("rare_recall"), "rare recall"
    if one is None:
        one, subject = effects["balanced_accuracy"], "balanced accuracy"
    if one.n_groups < MIN_GROUPS:
        return f"{opening} {subject} is {_percent(one.b)}, {_percent(one.a)} on the original images."
    change = f"from {_percent(one.a)} to {_percent(one.b)}, {_points(one)}"
    if not one.shown:
        return f"{opening} no change is shown in {subject}: {change}."
    return f"{opening} {subject} {'rises' if one.difference > 0 else 'falls'} {change}."


def _background(one: Difference | None) -> str:
    if one is None:
        return ""
    says = (
        f"{_percent(one.b)} of the answers then go to the background's class; {_percent(one.a)} of the "
        "original images were called so already"
    )
    if one.n_groups < MIN_GROUPS:
        return f"{says}."
    worth = "the answer follows the background" if one.shown and one.difference > 0 else "no pull is shown"
    return f"{says}, {_points(one)}: {worth}."


def _artefacts(found: AuditStatistics) -> str:
    """Which artefact changes most answers, and which class one is taken for."""
    if not found.moves:
        return ""
    names = {move.artefact for move in found.moves}
    most = max(sorted(names), key=lambda name: found.changed[name].value)
    if not found.changed[most].value:
        return "No pasted artefact changes an answer."
    says = f"Of the pasted artefacts, {most} changes most answers ({_percent(found.changed[most].value)})"
    best = found.moves[0]
    if not best.shown or best.difference.difference <= 0:
        return f"{says}; that any of them draws answers to a class is not shown."
    return f"{says}; {told_move(best)}."


def told_move(move: Move) -> str:
    """A move in words, without a full stop."""
    one = move.difference
    return (
        f"{move.artefact} draws answers to {move.answer}: {_percent(one.a)} of the images are called so "
        f"without it and {_percent(one.b)} with it, {_points(one)}, shown after correction for "
        f"{move.n_comparisons} comparisons"
    )


def _curves(deletion: Interval | None, insertion: Interval | None) -> str:
    if deletion is None or insertion is None:
        return ""
    return (
        f"Area under the deletion curve {_area(deletion)}, under the insertion curve {_area(insertion)}: "
        "where the first is smaller and the second larger, maps show better what a network uses."
    )


def _area(one: Interval) -> str:
    span = f" ({_CI} {one.low:.3f} to {one.high:.3f})" if one.n_groups >= MIN_GROUPS else ""
    return f"{one.value:.3f}{span}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}\u202f%"


def _span(one: Interval) -> str:
    return f"{100 * one.low:.1f} to {100 * one.high:.1f}"


def _points(one: Difference) -> str:
    """A difference in points with its interval; an end that excludes 0 is never written as 0."""
    nearest = min(abs(one.low), abs(one.high))
    digits = 2 if one.excludes_zero and nearest < 0.0005 else 1
    ends = f"{100 * one.low:+.{digits}f} to {100 * one.high:+.{digits}f}".replace("-", "\u2212")
    return f"{100 * one.difference:+.1f}".replace("-", "\u2212") + f" points ({_CI} {ends})"
