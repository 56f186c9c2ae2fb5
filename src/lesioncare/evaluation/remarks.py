"""What a reader must know before believing a run's figures: classes it never names, boxes of a control."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lesioncare.evaluation.bootstrap import judged_alike, what_differs
from lesioncare.evaluation.box_use import box_remarks
from lesioncare.evaluation.metrics import Metrics
from lesioncare.evaluation.result import RunResult
from lesioncare.words import noun, several

__all__ = ["answer_remarks", "never_predicted", "remarks", "takes_all"]


def remarks(runs: Mapping[str, RunResult]) -> tuple[str, ...]:
    """All remarks on one run, or on several by their names; usually none."""
    answers = answer_remarks({name: [run.metrics] for name, run in runs.items()})
    return (*answers, *box_remarks({name: run.boxes for name, run in runs.items()}), *_judged_unlike(runs))


def _judged_unlike(runs: Mapping[str, RunResult]) -> Iterator[str]:
    """Runs on the first one's images that are judged by other boxes."""
    (first, reference), *others = runs.items()
    for name, run in others:
        a, b = reference.predictions, run.predictions
        if what_differs(a, b) is None and not judged_alike(a, b).all():
            yield (
                f"{name} is judged by other boxes than {first}: where the two look is compared only on "
                "images whose boxes are the same, if there are any. Judge both by the lesions' boxes: "
                "--test-boxes FILE."
            )


def never_predicted(metrics: Metrics) -> tuple[str, ...]:
    """The classes that have images and were the answer to none, of these or others."""
    answers = np.sum(metrics.confusion, axis=0)
    return tuple(
        name for (name, one), n in zip(metrics.per_class.items(), answers, strict=True) if one.n and not n
    )


def takes_all(metrics: Metrics) -> str | None:
    """The class that is the answer to every image, where there are images of others; None if there is none.

    A recall of 100 % of that class, and of 0 % of the others, says nothing of what the network knows.
    """
    answers = np.sum(metrics.confusion, axis=0)
    others = np.count_nonzero([one.n for one in metrics.per_class.values()]) > 1
    alone = np.count_nonzero(answers) == 1 and not metrics.n_tied
    return list(metrics.per_class)[int(answers.argmax())] if others and alone else None


def answer_remarks(networks: Mapping[str, Sequence[Metrics]]) -> tuple[str, ...]:
    """Say which networks give one answer to every image, and which classes are never an answer.

    Args:
        networks: name -> the numbers of its network, or of several: those of an arm's folds and seeds.
    """
    alone = len(networks) == 1
    told = []
    for name, each in networks.items():
        if len(each) == 1:
            told.append(_of_one("The network" if alone else name, each[0]))
        else:
            told.append(_of_several(name, each))
    return tuple(filter(None, told))


def _of_one(who: str, metrics: Metrics) -> str:
    everything, never = takes_all(metrics), never_predicted(metrics)
    if everything is not None:
        return (
            f"{who} calls every image {everything}: its recall of that class says nothing, and no other "
            "class is ever predicted."
        )
    return f"{who} never predicts {', '.join(never)}." if never else ""


def _of_several(who: str, each: Sequence[Metrics]) -> str:
    all_taken = Counter(filter(None, map(takes_all, each)))
    never = Counter(name for metrics in each if not takes_all(metrics) for name in never_predicted(metrics))
    said = [f"{count} {noun(count, 'calls', 'call')} every image {name}" for name, count in all_taken.items()]
    said += [f"{count} never {noun(count, 'predicts', 'predict')} {name}" for name, count in never.items()]
    return f"{who}: of its {several(len(each), 'network')} {', '.join(said)}." if said else ""
