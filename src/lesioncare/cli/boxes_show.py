"""What `lesioncare boxes` prints."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.check import Finding
from lesioncare.boxes.formats import Losses
from lesioncare.boxes.stats import BoxStats, Spread
from lesioncare.cli.say import show_line
from lesioncare.words import noun, several

MOST_FINDINGS = 50

DISTRUSTED = 0.5
"""Boxes of a lower score are to be looked at."""

__all__ = [
    "show_converted",
    "show_covered",
    "show_findings",
    "show_made",
    "show_sheet",
    "show_skipped",
    "show_stats",
]


def show_converted(boxset: BoxSet, losses: Losses, target: Path) -> None:
    """Print how much was written, and what was lost."""
    show_line(f"{_of(boxset)}: {target.resolve()}")
    if losses:
        show_line(f"Lost: {losses}")
    if losses.format == "yolo":
        show_line(
            f"Put the images into {target.resolve() / 'images'}, in the same folders as before: YOLO looks "
            "for them there (data.yaml)."
        )
    unknown = sum(size is None for size in boxset.images.values())
    if unknown:
        show_line(
            f"The size of {several(unknown, 'image')} is unknown; name the folder (--images) if it matters."
        )


def show_made(made: BoxSet, kept: BoxSet, target: Path, *, method: str, for_dermoscopy_only: bool) -> None:
    """Print how many boxes were made and kept, how far to trust them, and where they do not work."""
    scores = [box.score for box in kept.boxes]
    show_line(f"{_of(kept)}: {target.resolve()}")
    bare = len(made.images) - len({box.image for box in made.boxes})
    if bare and not made.boxes:
        show_line(
            f"Warning: {method} found no box on any image, and the file holds none. Look at the images, or "
            "try another --method."
        )
    elif bare:
        show_line(f"Images on which {method} found no box: {bare}")
    dropped = len(made.boxes) - len(scores)
    if dropped:
        show_line(f"Dropped for their score: {dropped}")
    if scores:
        least = sum(score < DISTRUSTED for score in scores)
        show_line(f"Mean score {sum(scores) / len(scores):.2f}; {least} least trusted (below {DISTRUSTED})")
    if for_dermoscopy_only:
        show_line(
            "Saliency and the shipped segmenter are for dermoscopy only: on chest X-rays and ultrasound they "
            "fail, and their scores mean nothing. Use a segmenter of your own (--method segmentation:PATH) "
            "or people there."
        )


def show_skipped(skipped: Mapping[str, str]) -> None:
    """Print the images that were left out, and why."""
    if skipped:
        show_line(f"Skipped, as they cannot be read: {len(skipped)}")
    for image, reason in list(skipped.items())[:MOST_FINDINGS]:
        show_line(f"{image}: {reason}")
    if len(skipped) > MOST_FINDINGS:
        show_line(f"and {len(skipped) - MOST_FINDINGS} more")


def show_sheet(drawn: int, images: int, output: Path) -> None:
    """Print where the sheet is."""
    show_line(f"{drawn} of {several(images, 'image')}: {output.resolve()}")


def show_stats(stats: BoxStats) -> None:
    """Print counts, sizes and scores as tables."""
    show_line(
        f"{several(stats.boxes, 'box', 'boxes')} on {several(stats.images, 'image')}, of which {stats.bare} "
        f"{noun(stats.bare, 'has', 'have')} none"
    )
    console = Console()
    for title, counts in (("Class", stats.classes), ("Source", stats.sources)):
        table = Table(title, "Boxes")
        for name, count in counts.items():
            table.add_row(Text("no class" if name is None else name), str(count))
        if counts:
            console.print(table)
    spreads = {
        "shorter side, px": stats.side,
        "share of the image": stats.share,
        "score": stats.score,
    }
    table = Table("", "least", "quarter", "median", "three quarters", "most")
    for title, spread in spreads.items():
        if spread is not None:
            table.add_row(title, *_cells(spread))
    if stats.boxes:
        console.print(table)


def show_covered(shares: Sequence[float]) -> None:
    """Print how much of the true boxes those of a control cover."""
    if not shares:
        return
    count = len(shares)
    none, half = sum(share == 0 for share in shares), sum(share > 0.5 for share in shares)
    show_line(
        f"They cover {sum(shares) / count:.0%} of the true boxes on average; {none / count:.0%} touch none, "
        f"{half / count:.0%} cover more than half: the larger the boxes, the weaker the control."
    )


def show_findings(boxset: BoxSet, findings: Sequence[Finding]) -> None:
    """Print the number of findings of each kind, and the first of them."""
    masks = boxset.boxes and all(box.source == "mask" for box in boxset.boxes)
    counted = f"{_of(boxset)}{', around what is bright in masks' if masks else ''}"
    if not findings:
        show_line(f"{counted}: nothing to report")
        return
    kinds = Counter(finding.kind for finding in findings)
    show_line(f"{counted}: {', '.join(f'{count} x {kind}' for kind, count in kinds.most_common())}")
    for finding in findings[:MOST_FINDINGS]:
        show_line(f"{finding.kind}: {finding.image}: {finding.detail}")
    if len(findings) > MOST_FINDINGS:
        show_line(f"and {len(findings) - MOST_FINDINGS} more")


def _of(boxset: BoxSet) -> str:
    return f"{several(len(boxset.boxes), 'box', 'boxes')} on {several(len(boxset.images), 'image')}"


def _cells(spread: Spread) -> list[str]:
    values = (spread.minimum, spread.lower, spread.median, spread.upper, spread.maximum)
    return [f"{value:.3g}" for value in values]
