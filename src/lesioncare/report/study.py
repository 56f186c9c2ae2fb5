"""The runs of one report, checked to belong together, with every later arm compared against the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lesioncare.errors import RunError
from lesioncare.evaluation import Difference, Interval, RunResult, compare, interval
from lesioncare.report import text
from lesioncare.report.figures import Axis, difference_axis, strip
from lesioncare.report.views import Arm, Comparison
from lesioncare.words import distinct_names

__all__ = ["Study", "draw_comparison"]

_COLOURS = 6


@dataclass(frozen=True)
class Study:
    """One run, or several that were made on the same data and tested on the same images.

    Raises:
        RunError: there is no run, or the runs differ in their classes, rare classes or test images.
    """

    runs: tuple[RunResult, ...]

    def __post_init__(self) -> None:
        if not self.runs:
            raise RunError("a report needs at least one run, but got none.")
        first = self.runs[0]
        for run in self.runs[1:]:
            if set(run.rare) != set(first.rare):
                raise RunError(
                    f"runs {first.name!r} and {run.name!r} do not call the same classes rare: "
                    f"{first.rare} and {run.rare}. Repeat one of them with the other's setting."
                )

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Names and colours."""
        first = 0 if len(self.runs) > 1 else 1  # the grey of colour 0 says "the arm to compare with"
        names = distinct_names([run.name for run in self.runs])
        return tuple(Arm(name, (first + number) % _COLOURS) for number, name in enumerate(names))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes in the order of the page: rare before common, each from few to many training images."""
        first = self.runs[0]
        counts = first.train_counts
        return tuple(sorted(first.classes, key=lambda name: (name not in first.rare, counts.get(name, 0))))

    @property
    def rare(self) -> tuple[str, ...]:
        """The rare classes, in the order of the page."""
        return tuple(name for name in self.classes if name in self.runs[0].rare)

    @property
    def of_control(self) -> bool:
        """Whether some run is judged by boxes of a control, which are not where the lesions are."""
        return any(run.boxes is not None and run.boxes.judged.control for run in self.runs)

    @cached_property
    def differences(self) -> tuple[Mapping[str, Difference], ...]:
        """For each arm after the first: its differences from the first, by metric."""
        first = self.runs[0]
        return tuple(
            compare(first.predictions, run.predictions, first.rare, first.prior, prior_b=run.prior)
            for run in self.runs[1:]
        )

    @cached_property
    def intervals(self) -> tuple[Mapping[str, Interval], ...]:
        """For each arm: its own numbers with their intervals, by metric."""
        return tuple(interval(run.predictions, run.rare, run.prior) for run in self.runs)

    def axis(self, keys: Sequence[str]) -> Axis:
        """One axis that holds the intervals of all these metrics, so that their strips can be compared."""
        found = [each[key] for each in self.differences for key in keys if key in each]
        return difference_axis(end for one in found for end in (one.low, one.high))

    def comparisons(self, key: str, axis: Axis) -> tuple[Comparison, ...]:
        """How each arm after the first differs from it in one metric."""
        return tuple(
            draw_comparison(arm, each.get(key), axis)
            for arm, each in zip(self.arms[1:], self.differences, strict=True)
        )


def draw_comparison(arm: Arm, difference: Difference | None, axis: Axis) -> Comparison:
    """A difference in words and, where it rests on enough groups, as an interval on an axis."""
    kind, words = text.verdict(difference), text.verdict_words(difference)
    if difference is None:
        return Comparison(arm, text.MISSING, text.MISSING, kind, words, None)
    judged = text.is_judged(difference)
    return Comparison(
        arm=arm,
        difference=text.points(difference.difference),
        span=text.span(difference) if judged else "",
        verdict=kind,
        words=words,
        strip=strip(axis, difference.low, difference.difference, difference.high) if judged else None,
    )
