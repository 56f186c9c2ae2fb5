"""Geometry of the figures: numbers to positions in per cent, so that the page draws them at any width."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from lesioncare.report.text import percent, ratio
from lesioncare.report.views import Arm, Curve, CurveLine, Strip, Tick

__all__ = ["Axis", "Series", "curve", "difference_axis", "strip"]


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis: `low` lies at 0 % and `high` at 100 % of its length."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Position of `value` in per cent; values beyond the ends lie on the ends."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def ticks(self, count: int = 5) -> list[float]:
        """About `count` round numbers within the axis."""
        slack = 1e-9 * (self.high - self.low)
        locator = MaxNLocator(nbins=count + 1, steps=[1, 2, 2.5, 5, 10])
        values = locator.tick_values(self.low, self.high)
        return [float(value) for value in values if self.low - slack <= value <= self.high + slack]


def difference_axis(ends: Iterable[float]) -> Axis:
    """An axis with 0 in its middle that holds every finite number of `ends`, and at least -0.05 to 0.05."""
    reach = max([0.05, *(abs(end) for end in ends if math.isfinite(end))])
    return Axis(-1.06 * reach, 1.06 * reach)


def strip(axis: Axis, low: float, point: float, high: float) -> Strip | None:
    """An interval on an axis; None where a number is undefined."""
    if not all(math.isfinite(value) for value in (low, point, high)):
        return None
    return Strip(axis.at(0.0), axis.at(low), axis.at(high), axis.at(point))


@dataclass(frozen=True, slots=True)
class Series:
    """One arm's numbers against the epoch; NaN where there is none."""

    arm: Arm
    epochs: Sequence[float]
    values: Sequence[float]

    @property
    def points(self) -> list[tuple[float, float]]:
        """The defined points."""
        return [(x, y) for x, y in zip(self.epochs, self.values, strict=True) if math.isfinite(y)]


def curve(title: str, meaning: str, series: Sequence[Series], share: bool) -> Curve | None:
    """A figure of some arms' numbers against the epoch; None where no number is defined.

    Args:
        title: its heading.
        meaning: one sentence on how to read it.
        series: the arms' numbers; an arm without a defined number has no line.
        share: whether the numbers are shares in [0, 1], written in per cent.
    """
    drawn = [one for one in series if one.points]
    if not drawn:
        return None
    write = percent if share else ratio
    x_axis = _padded([x for one in drawn for x, _ in one.points], 0.0)
    y_axis = _padded([y for one in drawn for _, y in one.points], 0.06)
    lines = tuple(_line(one, x_axis, y_axis, write(one.points[-1][1])) for one in drawn)
    label = f"{title}, last epoch: " + "; ".join(f"{line.arm.name} {line.last}" for line in lines)
    return Curve(
        title=title,
        meaning=meaning,
        lines=lines,
        x_ticks=tuple(Tick(x_axis.at(x), f"{x:g}") for x in x_axis.ticks(7) if x == int(x)),
        y_ticks=tuple(Tick(100 - y_axis.at(y), _tick_text(y, share)) for y in y_axis.ticks()),
        label=label,
    )


def _tick_text(value: float, share: bool) -> str:
    text = f"{100 * value:.6g}\u202f%" if share else f"{value:.6g}"
    return text.replace("-", "\u2212")


def _padded(values: Sequence[float], share: float) -> Axis:
    low, high = min(values), max(values)
    width = (high - low) or max(abs(high), 1.0) * 0.1
    if low == high:
        low, high = low - width / 2, high + width / 2
    return Axis(low - share * width, high + share * width)


def _line(series: Series, x_axis: Axis, y_axis: Axis, last: str) -> CurveLine:
    parts, pen_down = [], False
    for x, y in zip(series.epochs, series.values, strict=True):
        if math.isfinite(y):
            parts.append(f"{'L' if pen_down else 'M'}{x_axis.at(x):g} {100 - y_axis.at(y):g}")
        pen_down = math.isfinite(y)
    x, y = series.points[-1]
    return CurveLine(series.arm, "".join(parts), last, x_axis.at(x), round(100 - y_axis.at(y), 2))
