"""What the template of an audit draws: frozen values that are already text or positions in per cent."""

from dataclasses import dataclass

from lesioncare.report.views import Arm, BoxMark, Comparison, Definition, Dot, TableRow, Tick

__all__ = [
    "Answer",
    "AuditPage",
    "ClassLine",
    "Field",
    "Panel",
    "PanelRow",
    "Picture",
    "RunRow",
    "Shown",
    "ShownGallery",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One run's sentences; `kind` selects the colour of the first."""

    arm: Arm
    kind: str
    sentence: str
    compared: tuple[str, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One version: a dot for each run; beside it the change from the original, or from the first run."""

    name: str
    meaning: str
    dots: tuple[Dot, ...]
    comparisons: tuple[Comparison, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A metric of all versions; `chance` is a position in per cent, None where it has no meaning."""

    title: str
    meaning: str
    chance: float | None
    rows: tuple[PanelRow, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A number and what is written small beneath it; strong where a change is shown."""

    text: str
    small: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run's fields in a table."""

    arm: Arm
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class ClassLine:
    """The runs' rows of one class, or of one artefact."""

    name: str
    rare: bool
    n: str
    rows: tuple[RunRow, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run calls a picture."""

    arm: Arm
    name: str
    probability: str
    right: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One version of an image with every run's answer."""

    title: str
    picture: str | None
    alt: str
    missing: str
    boxes: tuple[BoxMark, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One image of the gallery in all versions, called by its row in audit.csv."""

    number: int
    name: str
    reason: str
    pictures: tuple[Picture, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ShownGallery:
    """The gallery and the rule that chose it."""

    images: tuple[Shown, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Everything that the template shows."""

    title: str
    arms: tuple[Arm, ...]
    remarks: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    facts: tuple[str, ...]
    panels: tuple[Panel, ...]
    heads: tuple[str, ...]
    classes: tuple[ClassLine, ...]
    backgrounds: tuple[RunRow, ...]
    artefacts: tuple[ClassLine, ...]
    moves: tuple[RunRow, ...]
    curves: tuple[RunRow, ...]
    gallery: ShownGallery
    settings: tuple[TableRow, ...]
    definitions: tuple[Definition, ...]
