"""The head of the page: the answer in sentences, and the big figures."""

from dataclasses import dataclass

from lesioncare import evaluation
from lesioncare.report import text
from lesioncare.report.study import Study
from lesioncare.report.views import Card, TableRow, Value

__all__ = ["answers", "cards", "facts", "remarks"]


@dataclass(frozen=True, slots=True)
class _Figure:
    """One big figure: its metric in `compare`, its heading and how to read it."""

    key: str
    title: str
    meaning: str


@dataclass(frozen=True, slots=True)
class _Question:
    """What the first sentence is about: a recall, and the set of images whose maps go with it."""

    key: str
    look: str
    subject: str


_RARE = _Question("rare_recall", "rare", "images of the rare classes")
_ALL = _Question("balanced_accuracy", "all", "images, with every class counting the same,")
_FIGURES = (
    _Figure("rare_recall", "Rare recall", "How many images of a rare class are recognised, on average."),
    _Figure("balanced_accuracy", "Balanced accuracy", "The same, on average over all classes."),
    _Figure("energy:rare", "Looks at the lesion", "How much of the map lies in the box, on rare images."),
    _Figure("rare_recall_adjusted", "Rare recall, adjusted", "Corrected for how common each class was."),
)


def answers(study: Study) -> tuple[tuple[str, ...], ...]:
    """For each arm after the first, its sentences; with one run, what that run reaches."""
    question = _RARE if study.rare else _ALL
    if len(study.runs) == 1:
        return (_alone(study, question),)
    first = study.arms[0].name
    groups = []
    for arm, run, differences in zip(study.arms[1:], study.runs[1:], study.differences, strict=True):
        recall, adjusted = differences.get(question.key), differences.get(f"{question.key}_adjusted")
        look = run.metrics.localisation[question.look]
        # On top stands also what logit adjustment, which costs no training, leaves of the difference.
        answer = text.answer(recall, first, arm.name, question.subject)
        sentences = (
            " ".join(filter(None, (answer, text.threshold_answer(recall, adjusted)))),
            text.energy_answer(
                differences.get(f"energy:{question.look}"),
                look.area_share,
                look.n,
                control=study.of_control,
            ),
        )
        groups.append(tuple(sentence for sentence in sentences if sentence))
    return tuple(groups)


def _alone(study: Study, question: _Question) -> tuple[str, ...]:
    metrics, intervals = study.runs[0].metrics, study.intervals[0]
    recall, adjusted = intervals.get(question.key), intervals.get(f"{question.key}_adjusted")
    if recall is None:
        return (text.unmeasured(question.subject),)
    sentences = [
        f"{text.percent(recall.value)} of the {question.subject} are recognised"
        f"{text.in_brackets(text.share_span(recall))}."
    ]
    if adjusted is not None:
        share = text.percent(adjusted.value)
        sentences[0] += f" After correcting for the class counts (logit adjustment) it would be {share}."
    look = metrics.localisation[question.look]
    if look.energy is not None:
        energy, chance = text.percent(look.energy), text.percent(look.area_share)
        box = "the control box" if study.of_control else "the lesion's box"
        seen = f"{look.n - look.n_undefined} of {look.n} images with a map"
        few = f" (on the {seen})" if look.n_undefined else ""
        sentences.append(f"{energy} of the map lies in {box}{few}; chance would be {chance}.")
    return tuple(sentences)


def remarks(study: Study) -> tuple[str, ...]:
    """What must be known of the runs before their figures are believed."""
    names = [arm.name for arm in study.arms]
    return evaluation.remarks(dict(zip(names, study.runs, strict=True)))


def cards(study: Study) -> tuple[Card, ...]:
    """The big figures; their intervals share one axis."""
    axis = study.axis([figure.key for figure in _FIGURES])
    return tuple(
        Card(
            title=_title(study, figure),
            meaning=figure.meaning,
            values=_values(study, figure.key),
            references=_references(study) if figure.key == "energy:rare" else (),
            comparisons=study.comparisons(figure.key, axis),
            note=_note(study, figure.key),
        )
        for figure in _FIGURES
    )


def _title(study: Study, figure: _Figure) -> str:
    of_control = figure.key == "energy:rare" and study.of_control
    return "Looks at the control boxes" if of_control else figure.title


def _values(study: Study, key: str) -> tuple[Value, ...]:
    values = []
    for arm, run, intervals in zip(study.arms, study.runs, study.intervals, strict=True):
        metrics = run.metrics
        value = metrics.localisation["rare"].energy if key == "energy:rare" else getattr(metrics, key)
        number = "" if value is None else f"{value:.6f}"
        values.append(Value(arm, number, text.percent(value), text.share_span(intervals.get(key))))
    return tuple(values)


def _note(study: Study, key: str) -> str:
    if key == "energy:rare":
        return _look_note(study)
    if key.endswith("_adjusted") and study.runs[0].metrics.rare_recall_adjusted is None:
        return "Not defined here: it needs rare test images, and training images of every class."
    if key == "rare_recall" and not study.rare:
        return "No class counts as rare in these runs."
    absent = [name for name in study.rare if study.runs[0].metrics.per_class[name].n == 0]
    if key.startswith("rare_recall") and absent:
        return f"Not in the test part, so not in this average: {', '.join(absent)}."
    return ""


def _look_note(study: Study) -> str:
    looks = [run.metrics.localisation["rare"] for run in study.runs]
    if all(look.energy is None for look in looks):
        return "Not measured: no rare test image has a box and a map."
    left_out = [f"{look.n_undefined} of {look.n}" for look in looks]
    if not any(look.n_undefined for look in looks):
        return ""
    if len(looks) == 1:
        return f"Images without a positive map are left out: {left_out[0]}."
    each = "; ".join(f"{arm.name} {number}" for arm, number in zip(study.arms, left_out, strict=True))
    return f"Images without a positive map are left out ({each}); the difference needs both arms' maps."


def _references(study: Study) -> tuple[TableRow, ...]:
    """What an energy has to beat: the box's share of the image, and a map that always looks at the centre."""
    look = study.runs[0].metrics.localisation["rare"]
    if look.area_share is None:
        return ()
    chance, centre = text.percent(look.area_share), text.percent(look.centre_energy)
    return (TableRow("chance: the box's share", (chance,)), TableRow("always the centre", (centre,)))


def facts(study: Study) -> tuple[str, ...]:
    """Short statements on what the figures rest on."""
    run = study.runs[0]
    known = run.predictions.labelled
    rare_images = sum(run.metrics.per_class[name].n for name in study.rare)
    groups = len(set(known.group.tolist()))
    rare = text.several(len(study.rare), "rare class", "rare classes")
    statements = [
        text.tested(len(known), groups),
        f"{text.count(rare_images)} of them of the {rare}",
    ]
    unknown = len(run.predictions) - len(known)
    if unknown:
        statements.append(f"{text.several(unknown, 'image')} of unknown class left out")
    return tuple(statements)
