"""From the check of a table to one self-contained HTML file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesioncare.data.quality import KINDS, DataCheck, Finding, Leak
from lesioncare.errors import DataError
from lesioncare.images import read_image
from lesioncare.imbalance import rare_classes
from lesioncare.report import text
from lesioncare.report.build import render_page, write_page
from lesioncare.report.gallery import data_uri
from lesioncare.report.views import Bar

_SIDE = 200
_MOST_PICTURES = 12
_MOST_LINES = 100
_BINS = 32

__all__ = ["build_check_page", "leak_sentence", "rare_sentence", "summary"]


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a finding; `source` is None where it cannot be shown."""

    row: int
    label: str
    source: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One finding: its rows, what it says, and its pictures."""

    rows: str
    detail: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """All findings of a kind; of the lines that are left out only the number is told."""

    kind: str
    meaning: str
    remedy: str
    count: str
    drawn: tuple[Line, ...]
    lines: tuple[Line, ...]
    more: str


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Images of a class in each part."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How a number is spread: heights in per cent of the tallest bar, and the ends of the axis."""

    title: str
    meaning: str
    heights: tuple[float, ...]
    low: str
    high: str
    label: str


@dataclass(frozen=True, slots=True)
class CheckPage:
    """What the template shows."""

    title: str
    lead: str
    sentences: tuple[str, ...]
    facts: tuple[str, ...]
    parts: tuple[str, ...]
    classes: tuple[ClassCounts, ...]
    sections: tuple[Section, ...]
    histograms: tuple[Histogram, ...]
    sizes: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]


def build_check_page(check: DataCheck, path: Path, *, pictures: bool = True) -> Path:
    """Write what was found as one HTML file that needs no network.

    Names of images, lesions and patients are not in the page; an image is called by its row in the table.

    Args:
        check: what was found.
        path: the HTML file; its folder is made, an old file is replaced as a whole.
        pictures: whether images are shown. What is burned into them would be, too.

    Raises:
        RunError: the file cannot be written.
    """
    page = CheckPage(
        title="What is wrong with these images?",
        lead=summary(check),
        sentences=(
            *filter(None, [rare_sentence(check)]),
            *(leak_sentence(check.groups, "group"),) * (check.groups is not None),
            *_alike(check),
        ),
        facts=_facts(check),
        parts=check.parts,
        classes=_classes(check),
        sections=tuple(_section(check, kind, pictures) for kind in check.counts),
        histograms=_histograms(check),
        sizes=_sizes(check),
        settings=_settings(check),
    )
    return write_page(path, render_page("data_check.html.j2", page, scripts=()))


def summary(check: DataCheck) -> str:
    """The findings in one sentence."""
    found = [f"{text.count(count)} x {kind}" for kind, count in check.counts.items()]
    return f"Found: {', '.join(found)}." if found else "Nothing was found that speaks against this table."


def rare_sentence(check: DataCheck) -> str:
    """Which classes `--rare auto` takes, with their share of the images; empty without classes."""
    counts = {name: sum(parts.values()) for name, parts in check.classes.items()}
    if not counts:
        return ""
    total, rare = sum(counts.values()), rare_classes(counts, "auto")
    rule = (
        "the rule of --rare auto (fewer than half of the average class's images, here "
        f"{text.percent(1 / (2 * len(counts)))} of all)"
    )
    if not rare:
        least = min(counts, key=lambda name: counts[name])
        share = text.percent(counts[least] / total)
        return f"No class is rare by {rule}: the smallest, {least}, has {share}. Name some with --rare."
    named = [f"{name} ({text.percent(counts[name] / total)}, {text.count(counts[name])})" for name in rare]
    return f"Rare by {rule}: {', '.join(named)}. Training counts its training part alone."


def leak_sentence(leak: Leak | None, what: str) -> str:
    """What a random split would tear apart, in words; empty without groups.

    Args:
        leak: the numbers.
        what: "group" for lesions or patients, "twins" for images that look the same.
    """
    if leak is None:
        return ""
    of_group = what == "group"
    if not leak.shared:
        return "No lesion or patient has two images." if of_group else "No two images look the same."
    numbers = f"{text.count(leak.shared)} of {text.count(leak.images)} images"
    images = round(leak.leaked)  # the mean over the folds' dealing
    leaked = f"{text.count(images)} of them ({text.percent(images / leak.images)} of all)"
    split = f"a random {leak.folds}-fold split of single images would test {leaked}"
    if of_group:
        return (
            f"Random splits leak lesions or patients: {numbers} share theirs with another, and {split} while "
            "another image of the same one is trained on. lesioncare keeps each group on one side."
        )
    return (
        f"{numbers} look the same as another, and {split} while a twin is trained on. Give twins one group: "
        "lesioncare data check --groups writes such a table."
    )


def _alike(check: DataCheck) -> tuple[str, ...]:
    told = leak_sentence(check.alike, "twins")
    return (told, *check.notes)


def _facts(check: DataCheck) -> tuple[str, ...]:
    facts = [text.several(len(check.rows), "image")]
    if check.classes:
        facts.append(text.several(len(check.classes), "class", "classes"))
        sizes = [sum(parts.values()) for parts in check.classes.values()]
        facts.append(f"the largest class has {sizes[0] / sizes[-1]:.1f} times the images of the smallest")
    if check.groups is not None and check.groups.shared:
        facts.append(text.lesions(check.groups.groups))
    return tuple(facts)


def _classes(check: DataCheck) -> tuple[ClassCounts, ...]:
    parts = check.parts
    most = max((count for counts in check.classes.values() for count in counts.values()), default=1)
    sums = {part: sum(counts.get(part, 0) for counts in check.classes.values()) for part in parts}
    return tuple(
        ClassCounts(
            name,
            tuple(
                Bar(
                    text.count(counts.get(part, 0)),
                    text.percent(counts.get(part, 0) / max(sums[part], 1)),
                    round(100 * counts.get(part, 0) / most, 2),
                )
                for part in parts
            ),
        )
        for name, counts in check.classes.items()
    )


def _section(check: DataCheck, kind: str, pictures: bool) -> Section:
    found = [finding for finding in check.findings if finding.kind == kind]
    shown = found[: _MOST_PICTURES if pictures else 0]
    drawn = [_line(check, finding, pictures=True) for finding in shown]
    drawn = drawn if any(line.pictures for line in drawn) else []
    lines = [_line(check, finding, pictures=False) for finding in found[len(drawn) : _MOST_LINES]]
    rest = len(found) - len(drawn) - len(lines)
    return Section(
        kind=kind,
        meaning=KINDS[kind].meaning,
        remedy=KINDS[kind].remedy,
        count=text.count(len(found)),
        drawn=tuple(drawn),
        lines=tuple(lines),
        more=f"and {text.count(rest)} more (lesioncare data check --findings lists all)" if rest else "",
    )


def _line(check: DataCheck, finding: Finding, *, pictures: bool) -> Line:
    shown = finding.rows[:4]
    rows = ", ".join(map(str, shown)) + (f" and {len(finding.rows) - 4} more" if finding.rows[4:] else "")
    told = f"row{'s' if len(finding.rows) > 1 else ''} {rows}" if finding.rows else "the table"
    return Line(told, finding.detail, _pictures(check, shown) if pictures else ())


def _pictures(check: DataCheck, rows: Sequence[int]) -> tuple[Picture, ...]:
    made = []
    for row in rows:
        line = check.rows[check.rows["row"] == row]
        if line.empty or not line["path"].iat[0]:
            continue
        label = str(line["label"].iat[0]) if "label" in line.columns else ""
        made.append(Picture(row, label, _drawn(Path(str(line["path"].iat[0])))))
    return tuple(made)


def _drawn(path: Path) -> str | None:
    try:
        image = read_image(path)
    except DataError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    return data_uri(image)


def _histograms(check: DataCheck) -> tuple[Histogram, ...]:
    scan = check.scan
    sides = np.where(scan.sizes.min(axis=1) > 0, scan.sizes.max(axis=1), np.nan).astype(float)
    drawn = (
        ("Brightness", "Mean grey of an image, 0 is black and 255 is white.", scan.brightness, (0.0, 255.0)),
        ("Contrast", "Standard deviation of an image's grey.", scan.contrast, (0.0, 128.0)),
        ("Longer side", "In pixels.", sides, None),
    )
    return tuple(
        made for title, meaning, values, ends in drawn if (made := _histogram(title, meaning, values, ends))
    )


def _histogram(
    title: str, meaning: str, values: npt.NDArray[np.float64], ends: tuple[float, float] | None
) -> Histogram | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low, high = ends or (0.0, float(known.max()))
    counts, _ = np.histogram(known, _BINS, (low, high))
    told = f"Median {np.median(known):.0f}, from {known.min():.0f} to {known.max():.0f}"
    heights = tuple((100 * counts / counts.max()).round(2).tolist())
    return Histogram(title, f"{meaning} {told}.", heights, f"{low:.0f}", f"{high:.0f}", f"{title}: {told}")


def _sizes(check: DataCheck) -> tuple[tuple[str, str], ...]:
    sizes = Counter(f"{width} x {height}" for width, height in check.scan.sizes.tolist() if width)
    rows = [(size, text.count(count)) for size, count in sizes.most_common(8)]
    rest = sum(sizes.values()) - sum(count for _, count in sizes.most_common(8))
    return (*rows, *([(f"{len(sizes) - 8} other sizes", text.count(rest))] if rest else []))


def _settings(check: DataCheck) -> tuple[tuple[str, str], ...]:
    columns = ", ".join(name for name in ("image", "label", "group", "split") if name in check.rows.columns)
    return (
        ("columns found", columns),
        (
            "near-duplicates from",
            f"a correlation of {check.similarity:g} of thumbnails of 16 x 16 grey fields",
        ),
        ("outliers from", "six robust standard deviations"),
    )
