"""What the template of a comparison draws: frozen values that are already text or positions in per cent."""

from dataclasses import dataclass

from lesioncare.report.views import (
    Arm,
    Comparison,
    Confusion,
    Definition,
    Dot,
    Example,
    Strip,
    TableRow,
    Tick,
)

__all__ = [
    "ArmRow",
    "ArmTable",
    "Cell",
    "ClassForest",
    "ComparisonPage",
    "Disagreement",
    "ForestLine",
    "Forests",
    "Lane",
    "Made",
    "Overview",
    "OverviewRow",
    "PairRow",
    "PairTable",
    "Panel",
    "Reliability",
    "ReliabilityLine",
]


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a table: its text, a smaller one below it, and the number that it is sorted by."""

    text: str
    below: str = ""
    key: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm's numbers."""

    arm: Arm
    place: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ArmTable:
    """Arms against numbers."""

    heads: tuple[str, ...]
    rows: tuple[ArmRow, ...]


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair of arms in one metric: b - a."""

    a: Arm
    b: Arm
    strip: Strip | None
    verdict: str
    words: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class PairTable:
    """All pairs in one metric."""

    title: str
    main: bool
    rows: tuple[PairRow, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A column of the picture: one metric and its axis."""

    title: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One arm in one metric: as the network answers, after logit adjustment, and the first arm's value."""

    reference: float | None
    plain: Dot | None
    adjusted: Dot | None


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One arm of the picture, with a lane for each panel."""

    arm: Arm
    lanes: tuple[Lane, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The picture at the head of the page."""

    panels: tuple[Panel, ...]
    rows: tuple[OverviewRow, ...]


@dataclass(frozen=True, slots=True)
class ForestLine:
    """One arm's recall of a class, and its difference from the first arm."""

    arm: Arm
    dot: Dot | None
    comparison: Comparison | None
    label: str


@dataclass(frozen=True, slots=True)
class ClassForest:
    """All arms' recall of one class."""

    name: str
    rare: bool
    n: str
    lines: tuple[ForestLine, ...]


@dataclass(frozen=True, slots=True)
class Forests:
    """Recall of every class that was tested, the ticks of the differences, and the classes without images."""

    classes: tuple[ClassForest, ...]
    ticks: tuple[Tick, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReliabilityLine:
    """A reliability curve: an SVG path in a 100 x 100 box, and each bin's x, y and width in pixels."""

    path: str
    bins: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Reliability:
    """One arm's reliability curves; `scaled` is None without a temperature."""

    arm: Arm
    raw: ReliabilityLine
    scaled: ReliabilityLine | None
    label: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Images that one arm names right and the other wrong."""

    title: str
    told: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """How the comparison was made."""

    facts: tuple[TableRow, ...]
    folds: tuple[TableRow, ...]
    missing: tuple[str, ...]
    seconds: tuple[TableRow, ...]
    versions: tuple[TableRow, ...]
    command: str
    plan: str


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """Everything that the template shows."""

    title: str
    arms: tuple[Arm, ...]
    names: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]
    partial: str
    remarks: tuple[str, ...]
    facts: tuple[str, ...]
    overview: Overview
    table: ArmTable
    pairs: tuple[PairTable, ...]
    forests: Forests
    confusions: tuple[Confusion, ...]
    calibration: ArmTable
    reliability: tuple[Reliability, ...]
    without_temperature: str
    disagreements: tuple[Disagreement, ...]
    rule: str
    made: Made
    definitions: tuple[Definition, ...]
