"""What the template draws: frozen values that are already text or positions in per cent."""

from dataclasses import dataclass

__all__ = [
    "Arm",
    "Bar",
    "BoxMark",
    "Card",
    "ClassRow",
    "ClassValues",
    "Comparison",
    "ConfigRow",
    "Confusion",
    "ConfusionCell",
    "ConfusionRow",
    "CountRow",
    "Curve",
    "CurveLine",
    "Definition",
    "Dot",
    "Example",
    "Forest",
    "ForestRow",
    "Gallery",
    "LookRow",
    "LookSet",
    "Page",
    "Strip",
    "TableRow",
    "Tick",
    "Tile",
    "Value",
]


@dataclass(frozen=True, slots=True)
class Arm:
    """One run: its name, and the number that selects its colour."""

    name: str
    colour: int


@dataclass(frozen=True, slots=True)
class Value:
    """One figure of one arm: the number for machines, the text for readers, and its own interval."""

    arm: Arm
    number: str
    text: str
    span: str


@dataclass(frozen=True, slots=True)
class Strip:
    """An interval on an axis, all in per cent of its width; `zero` is where no difference lies."""

    zero: float
    low: float
    high: float
    point: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm against the first: the difference, its interval and whether it is shown."""

    arm: Arm
    difference: str
    span: str
    verdict: str
    words: str
    strip: Strip | None

    @property
    def said(self) -> str:
        """The difference, its interval where it has one, and the verdict."""
        return ", ".join(filter(None, (self.difference, self.span, self.words)))


@dataclass(frozen=True, slots=True)
class Card:
    """One of the big figures at the head of the page."""

    title: str
    meaning: str
    values: tuple[Value, ...]
    references: tuple["TableRow", ...]
    comparisons: tuple[Comparison, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, at a position in per cent."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A count and the width of its bar in per cent."""

    count: str
    share: str
    width: float


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many images of one class there are for training and for the test."""

    name: str
    rare: bool
    train: Bar
    test: Bar


@dataclass(frozen=True, slots=True)
class ClassValues:
    """One arm's figures of one class, in the order of the table's columns."""

    arm: Arm
    recall: str
    comparison: Comparison | None
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of the class table: a line for each arm."""

    name: str
    rare: bool
    n: str
    share: str
    values: tuple[ClassValues, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """One arm's recall and its interval on the axis, and its height in the row, all in per cent."""

    arm: Arm
    at: float
    low: float
    high: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One class of the recall picture: a dot for each arm, and the differences from the first arm."""

    name: str
    rare: bool
    n: str
    dots: tuple[Dot, ...]
    comparisons: tuple[Comparison, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Forest:
    """The recall picture, the ticks of its difference axis, and the classes that the test part lacks."""

    rows: tuple[ForestRow, ...]
    ticks: tuple[Tick, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One arm's line: an SVG path in a 100 x 100 box, and its last value."""

    arm: Arm
    path: str
    last: str
    last_x: float
    last_y: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure of one column of the history against the epoch."""

    title: str
    meaning: str
    lines: tuple[CurveLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    label: str


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """How many images of the row's class were called the column's class; `share` of the row in [0, 1]."""

    count: str
    share: float
    strong: bool
    diagonal: bool
    label: str


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """The images of one true class."""

    name: str
    rare: bool
    total: str
    cells: tuple[ConfusionCell, ...]


@dataclass(frozen=True, slots=True)
class Confusion:
    """One arm's confusion matrix, as the network answers and after logit adjustment."""

    arm: Arm
    plain: tuple[ConfusionRow, ...]
    adjusted: tuple[ConfusionRow, ...]


@dataclass(frozen=True, slots=True)
class LookRow:
    """Where one arm looks on one set of the test images."""

    arm: Arm
    energy: str
    chance: str
    centre: str
    pointing: str
    n: str
    undefined: str


@dataclass(frozen=True, slots=True)
class LookSet:
    """Where the arms look on some of the classes."""

    title: str
    rows: tuple[LookRow, ...]


@dataclass(frozen=True, slots=True)
class BoxMark:
    """A box on a picture, all in per cent of the picture."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the gallery: the image, or the image under one arm's map."""

    arm: Arm | None
    picture: str | None
    alt: str
    missing: str
    prediction: str
    probability: str
    right: bool | None
    energy: str


@dataclass(frozen=True, slots=True)
class Example:
    """One test image of the gallery, called by its row in the table of predictions."""

    number: int
    name: str
    reason: str
    boxes: tuple[BoxMark, ...]
    tiles: tuple[Tile, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Gallery:
    """The gallery and the rule that chose it, or the sentence that says why it is empty."""

    examples: tuple[Example, ...]
    rule: str
    why_empty: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """A name and one text for each arm."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One option: its value in each arm, and whether the arms differ in it."""

    name: str
    cells: tuple[str, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """A word of the page and what it means."""

    term: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the template shows."""

    title: str
    arms: tuple[Arm, ...]
    answers: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...]
    facts: tuple[str, ...]
    cards: tuple[Card, ...]
    counts: tuple[CountRow, ...]
    classes: tuple[ClassRow, ...]
    forest: Forest
    curves: tuple[Curve, ...]
    confusions: tuple[Confusion, ...]
    looks: tuple[LookSet, ...]
    gallery: Gallery
    config: tuple[ConfigRow, ...]
    seconds: tuple[TableRow, ...]
    versions: tuple[TableRow, ...]
    commands: tuple[TableRow, ...]
    definitions: tuple[Definition, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The classes in the order of the page."""
        return tuple(row.name for row in self.classes)
