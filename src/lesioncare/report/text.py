"""The report's words: how numbers are written, and the sentences that state a result."""

import math

from lesioncare.evaluation import Difference, Interval, PairDifference
from lesioncare.evaluation.bootstrap import MIN_GROUPS
from lesioncare.words import noun

__all__ = [
    "MISSING",
    "answer",
    "change",
    "count",
    "energy_answer",
    "in_brackets",
    "interval",
    "is_judged",
    "percent",
    "points",
    "ratio",
    "share_span",
    "signed",
    "span",
    "threshold_answer",
    "unmeasured",
    "verdict",
    "verdict_words",
]

MISSING = "\u2013"
_SPACE = "\u202f"  # narrow, and no line breaks there
_CI = f"95{_SPACE}% interval"
_VERDICT_WORDS = {
    "higher": "higher",
    "lower": "lower",
    "unshown": "no difference shown",
    "unknown": "not measured",
}


def percent(value: float | None) -> str:
    """A share in [0, 1] as "54.0 %"; `MISSING` where it is undefined."""
    return f"{100 * value:.1f}{_SPACE}%" if value is not None and math.isfinite(value) else MISSING


def ratio(value: float | None) -> str:
    """A number with three decimals; `MISSING` where it is undefined."""
    return f"{value:.3f}".replace("-", "\u2212") if value is not None and math.isfinite(value) else MISSING


def count(value: int) -> str:
    """A whole number with narrow spaces between thousands."""
    return f"{value:,}".replace(",", _SPACE)


def several(number: int, one: str, many: str | None = None) -> str:
    """A whole number, written as `count` does, and its noun."""
    return f"{count(number)} {noun(number, one, many)}"


def lesions(number: int) -> str:
    """How many groups: they are lesions or patients."""
    return several(number, "lesion or patient", "lesions or patients")


def tested(images: int, groups: int) -> str:
    """What the figures rest on."""
    return " ".join(filter(None, (several(images, "test image"), of_groups(images, groups))))


def of_groups(images: int, groups: int) -> str:
    """Which groups the images are of; empty where each has one of its own, as where no group column is."""
    return "" if groups == images else f"of {several(groups, 'group')} (lesions or patients)"


def signed(value: float, digits: int = 1) -> str:
    """A difference of shares, times 100, with its sign; the minus is a real one."""
    text = f"{100 * value:+.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "\u2212")


def points(value: float) -> str:
    """A difference of two shares as "+8.0 points"."""
    return f"{signed(value)} points"


def span(difference: Difference) -> str:
    """The interval's two ends as "+3.1 to +12.9"; an end that excludes 0 is never written as 0."""
    nearest = min(abs(difference.low), abs(difference.high))
    digits = 2 if difference.excludes_zero and nearest < 0.0005 else 1
    return f"{signed(difference.low, digits)} to {signed(difference.high, digits)}"


def interval(difference: Difference) -> str:
    """The interval in words."""
    return f"{_CI} {span(difference)}"


def change(difference: Difference) -> str:
    """A difference in points, with its interval where it rests on enough groups."""
    return points(difference.difference) + in_brackets(interval(difference) if is_judged(difference) else "")


def is_judged(one: Difference | Interval) -> bool:
    """Whether a number rests on enough groups for an interval."""
    return one.n_groups >= MIN_GROUPS


def in_brackets(words: str) -> str:
    """The words in brackets behind a blank; nothing where there are none."""
    return f" ({words})" if words else ""


def share_span(one: Interval | None) -> str:
    """The interval of one arm's number in words; empty where it is undefined, or of too few groups."""
    if one is None or not is_judged(one):
        return ""
    return f"{_CI} {100 * one.low:.1f} to {100 * one.high:.1f}"


def verdict(difference: Difference | None) -> str:
    """One of "higher", "lower", "unshown" and "unknown"; the first two only where the difference is shown."""
    if difference is None:
        return "unknown"
    if not difference.shown:
        return "unshown"
    return "higher" if difference.difference > 0 else "lower"


def verdict_words(difference: Difference | None) -> str:
    """The verdict as a reader sees it."""
    if difference is not None and not is_judged(difference):
        return f"too few groups ({difference.n_groups})"
    if difference is not None and difference.excludes_zero and not difference.shown:
        corrected = isinstance(difference, PairDifference) and difference.holds_corrected
        return "the seeds do not agree" if corrected else "not after correction"
    return _VERDICT_WORDS[verdict(difference)]


def unmeasured(subject: str) -> str:
    """The first sentence where there is nothing to measure."""
    return f"How many {subject} are recognised is unknown: the test part holds none."


def answer(difference: Difference | None, a: str, b: str, subject: str) -> str:
    """The report's first sentence: are more of them recognised with arm `b` than with arm `a`?

    Args:
        difference: of a recall, b - a; None where it is undefined.
        a: name of the first arm.
        b: name of the second arm.
        subject: what is recognised, for example "images of the rare classes".
    """
    if difference is None:
        return unmeasured(subject)
    kind = verdict(difference)
    values = f"{percent(difference.b)} ({b}) against {percent(difference.a)} ({a})"
    by = change(difference)
    if kind == "unshown":
        why = (
            f"cannot be judged: the smallest class has only {lesions(difference.n_groups)} to test"
            if not is_judged(difference)
            else "may be chance"
        )
        return (
            f"No difference shown in how many {subject} are recognised: {values}; "
            f"the difference of {by} {why}."
        )
    opening = "More" if kind == "higher" else "Fewer"
    return f"{opening} {subject} are recognised: {values}, a difference of {by}."


def threshold_answer(raw: Difference | None, adjusted: Difference | None) -> str | None:
    """Whether the answer holds once both arms are corrected for the class counts (logit adjustment).

    Returns:
        One sentence, or None where either difference is undefined.
    """
    if raw is None or adjusted is None:
        return None
    before, after = verdict(raw), verdict(adjusted)
    values = f"{percent(adjusted.b)} against {percent(adjusted.a)}"
    if is_judged(adjusted):
        values += f", {interval(adjusted)}"
    opening = "After correcting both for the class counts (logit adjustment)"
    if after == "unshown" and before == "unshown":
        return f"{opening} no difference is shown either ({values})."
    if after == "unshown":
        return f"{opening} no difference is shown ({values}): the change may be a moved threshold only."
    if before == "unshown":
        return f"{opening} the recall is {after} ({values})."
    if before == after:
        return f"{opening} the recall is still {after} ({values}): not a moved threshold only."
    return f"{opening} the sign turns: the recall is {after} ({values})."


def energy_answer(
    difference: Difference | None, chance: float | None, boxed: int, *, control: bool = False
) -> str | None:
    """Where the network looks on boxed test images, beside the chance level; None without boxes.

    Args:
        difference: of the energy in the box.
        chance: the energy of a map that is the same everywhere.
        boxed: images with a box; the difference may rest on fewer, for each needs both arms' maps.
        control: whether the boxes are those of a control, wherever the lesions are.
    """
    if difference is None:
        return None
    at, box = ("the control boxes", "the control box") if control else ("the lesion", "the lesion's box")
    opening = {
        "higher": f"The network looks more at {at}",
        "lower": f"The network looks less at {at}",
        "unshown": "No difference shown in where the network looks",
    }[verdict(difference)]
    judged = interval(difference) if is_judged(difference) else ""
    both = f"{count(difference.n)} of {count(boxed)} images where both have a map"
    few = "" if difference.n == boxed else f" on the {both}"
    return (
        f"{opening}{few}: {percent(difference.b)} of the map lies in {box}, "
        f"against {percent(difference.a)}{in_brackets(judged)}; "
        f"chance would be {percent(chance)}."
    )
