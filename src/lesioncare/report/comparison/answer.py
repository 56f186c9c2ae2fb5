"""The head of the page: which arm is best, and whether that is shown."""

from collections.abc import Sequence

from lesioncare.evaluation import PairDifference
from lesioncare.evaluation.correction import SIGNIFICANCE
from lesioncare.evaluation.intervals import MIN_GROUPS
from lesioncare.report import text
from lesioncare.report.comparison.study import ComparisonStudy
from lesioncare.words import noun, several

__all__ = ["answers", "best_sentence", "chance", "facts", "partial"]

_SUBJECTS = {"rare_recall": "rare recall", "balanced_accuracy": "balanced accuracy"}


def answers(study: ComparisonStudy) -> tuple[tuple[str, ...], ...]:
    """For rare recall and for balanced accuracy: the best arm, also after logit adjustment, and others."""
    groups = []
    for metric, subject in _SUBJECTS.items():
        if metric not in study.metrics:
            continue
        adjusted = f"{metric}_adjusted"
        sentences = [best_sentence(study, metric, subject)]
        if adjusted in study.metrics:
            sentences.append(best_sentence(study, adjusted, f"{subject} after logit adjustment"))
        sentences.append(_others(study, metric))
        groups.append(tuple(sentence for sentence in sentences if sentence))
    return tuple(groups)


def best_sentence(study: ComparisonStudy, metric: str, subject: str) -> str:
    """Which arm is best in a metric, and what its difference from the first arm is worth."""
    first, best = study.arms[0].name, study.best(metric)
    own = study.single(first, metric)
    one = study.against_first(best.name, metric) if best else None
    if best is None or one is None:
        value = "not defined" if own is None else f"{text.percent(own.value)} ({text.share_span(own)})"
        return f"{first}: {subject} {value}; there is no other arm to compare it with."
    if one.difference > 0:
        a, b = text.percent(one.a), text.percent(one.b)
        opening = f"Best in {subject}: {best.name} with {b}, against {a} with {first}."
    elif one.difference == 0:
        opening = f"No arm is above {first} in {subject}: {best.name} has {text.percent(one.b)} too."
    else:
        a, b = text.percent(one.a), text.percent(one.b)
        opening = f"No arm is above {first} in {subject} ({a}); the next is {best.name} with {b}."
    return f"{opening} {_worth(one)}"


def _worth(one: PairDifference) -> str:
    """Whether a difference is shown, after correction for the number of comparisons."""
    change, many = f"{text.points(one.difference)} ({text.interval(one)})", one.n_comparisons > 1
    correction = f"correction for {one.n_comparisons} comparisons ({chance(one.p_corrected)})"
    if one.n_groups < MIN_GROUPS:
        return f"This cannot be judged: the smallest class has only {text.lesions(one.n_groups)} to test."
    if one.shown:
        after = f", also after {correction}" if many else f" ({chance(one.p_corrected)})"
        return f"The difference of {change} is shown{after}."
    if one.holds_corrected:
        seeds = f"{text.signed(min(one.spread.by_seed))} to {text.signed(max(one.spread.by_seed))}"
        return f"No difference shown: {change}, but the seeds do not agree ({seeds})."
    if one.excludes_zero:
        return f"No difference shown after {correction}: {change}; its interval alone would leave out 0."
    return f"No difference shown: {change} may be chance."


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
