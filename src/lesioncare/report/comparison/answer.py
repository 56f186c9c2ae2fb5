"""The head of the page: which arm is best, and whether that is shown."""

from collections.abc import Mapping, Sequence

from lesioncare.evaluation import PairDifference
from lesioncare.evaluation.correction import SIGNIFICANCE
from lesioncare.report import text
from lesioncare.report.comparison.study import ComparisonStudy
from lesioncare.report.views import Arm
from lesioncare.words import noun, several

__all__ = ["answers", "best_sentence", "chance", "facts", "headline", "partial"]

_SHOWN = "the difference is shown"
_SUBJECTS = {"rare_recall": "rare recall", "balanced_accuracy": "balanced accuracy"}


def answers(study: ComparisonStudy) -> tuple[tuple[str, ...], ...]:
    """For rare recall and for balanced accuracy: the headline, what its differences are worth, and others.

    The best arm is told with and without logit adjustment together: a gain that is gone after it was a moved
    threshold, which costs no training.
    """
    groups = []
    for metric, subject in _SUBJECTS.items():
        told = {metric: subject, f"{metric}_adjusted": f"{subject} after logit adjustment"}
        told = {one: name for one, name in told.items() if one in study.metrics}
        if metric not in told:
            continue
        worth = [best_sentence(study, *one) for one in told.items()]
        lead = [headline(study, told)] if len(study.arms) > 1 else []
        groups.append(tuple(filter(None, (*lead, *worth, _others(study, metric)))))
    return tuple(groups)


def headline(study: ComparisonStudy, subjects: Mapping[str, str]) -> str:
    """Which arm is best in each of these metrics, by their names in words, and whether that is shown."""
    said = []
    for metric, subject in subjects.items():
        best, one = _best(study, metric)
        if best is None or one is None:
            continue
        verdict = _SHOWN if one.shown else text.verdict_words(one)
        said.append(f"{_opening(study, best, one, subject)} ({verdict}).")
    return " ".join(said)


def best_sentence(study: ComparisonStudy, metric: str, subject: str) -> str:
    """What the difference of the best arm in a metric from the first arm is worth."""
    first = study.arms[0].name
    best, one = _best(study, metric)
    if best is None or one is None:
        own = study.single(first, metric)
        span = text.in_brackets(text.share_span(own))
        value = "not defined" if own is None else f"{text.percent(own.value)}{span}"
        return f"{first}: {subject} {value}; there is no other arm to compare it with."
    return f"{subject[0].upper()}{subject[1:]}, {best.name} against {first}: {_worth(one)}"


def _best(study: ComparisonStudy, metric: str) -> tuple[Arm | None, PairDifference | None]:
    """The best arm after the first, and how it differs from the first."""
    best = study.best(metric)
    return best, study.against_first(best.name, metric) if best else None


def _opening(study: ComparisonStudy, best: Arm, one: PairDifference, subject: str) -> str:
    """Which arm is best, without a full stop."""
    first, a, b = study.arms[0].name, text.percent(one.a), text.percent(one.b)
    if one.difference > 0:
        return f"Best in {subject}: {best.name} with {b}, against {a} with {first}"
    if one.difference == 0:
        return f"No arm is above {first} in {subject}: {best.name} has {b} too"
    return f"No arm is above {first} in {subject} ({a}); the next is {best.name} with {b}"


def _worth(one: PairDifference) -> str:
    """Whether a difference is shown, after correction for the number of comparisons."""
    change, many = text.change(one), one.n_comparisons > 1
    correction = f"correction for {one.n_comparisons} comparisons ({chance(one.p_corrected)})"
    if not text.is_judged(one):
        return f"it cannot be judged: the smallest class has only {text.lesions(one.n_groups)} to test."
    if one.shown:
        after = f", also after {correction}" if many else f" ({chance(one.p_corrected)})"
        return f"the difference of {change} is shown{after}."
    if one.holds_corrected:
        seeds = f"{text.signed(min(one.spread.by_seed))} to {text.signed(max(one.spread.by_seed))}"
        return f"no difference shown: {change}, but the seeds do not agree ({seeds})."
    if one.excludes_zero:
        return f"no difference shown after {correction}: {change}; its interval alone would leave out 0."
    return f"no difference shown: {change} may be chance."


def chance(p: float | None) -> str:
    """A corrected p value as "p 0.012"; never as 0, and one below 0.05 never as 0.050."""
    if p is None:
        return f"p {text.MISSING}"
    if p < 0.001:
        return "p < 0.001"
    if p < SIGNIFICANCE <= round(p, 3):
        return f"p < {SIGNIFICANCE}"
    return f"p {p:.{3 if p < 0.1 else 2}f}"


def _others(study: ComparisonStudy, metric: str) -> str:
    """The arms besides the best that are shown to be higher or lower than the first."""
    best, words = study.best(metric), []
    for kind in ("higher", "lower"):
        names = [
            arm.name
            for arm in study.arms[1:]
            if arm != best and text.verdict(study.against_first(arm.name, metric)) == kind
        ]
        if names:
            words.append(f"{kind} with {', '.join(names)}")
    return f"Also shown against {study.arms[0].name}: {'; '.join(words)}." if words else ""


def partial(study: ComparisonStudy) -> str:
    """What the numbers rest on where cells are missing; empty where the comparison is complete."""
    missing, total = len(study.comparison.missing), len(study.comparison.plan.cells)
    if not missing:
        return ""
    folds, seeds = (_listed(*one) for one in (("fold", study.found.folds), ("seed", study.found.seeds)))
    lacking = f"{missing} of {several(total, 'cell')} {noun(missing, 'is', 'are')} missing"
    return (
        f"This comparison is not complete: {lacking}. All numbers rest on what every arm has: {folds} with "
        f"{seeds}."
    )


def facts(study: ComparisonStudy) -> tuple[str, ...]:
    """Short statements on what the figures rest on."""
    first = study.arms[0].name
    parts = [study.results[first][fold, study.found.seeds[0]].predictions for fold in study.found.folds]
    known = [part.labelled for part in parts]
    images = sum(map(len, known))
    groups = len({group for part in known for group in part.group.tolist()})
    sizes = {"arm": len(study.arms), "fold": len(parts), "seed": len(study.found.seeds)}
    statements = [
        ", ".join(several(number, what) for what, number in sizes.items()),
        text.tested(images, groups),
        f"rare: {', '.join(study.comparison.rare) or 'no class'}",
    ]
    unknown = sum(map(len, parts)) - images
    if unknown:
        statements.append(f"{text.several(unknown, 'image')} of unknown class left out")
    return tuple(statements)


def _listed(what: str, numbers: Sequence[int]) -> str:
    """The numbers in words: "fold 0", "folds 0, 1 and 2"."""
    *most, last = map(str, numbers)
    return f"{what}s {', '.join(most)} and {last}" if most else f"{what} {last}"
