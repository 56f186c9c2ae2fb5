"""The gallery: which test images are shown, and their pictures with boxes and maps."""

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesioncare.errors import DataError
from lesioncare.evaluation import RunResult
from lesioncare.evaluation.metrics import decide
from lesioncare.images import read_image
from lesioncare.overlay import COLOURMAP, overlay
from lesioncare.report.text import percent
from lesioncare.report.views import Arm, BoxMark, Example, Gallery, Tile
from lesioncare.words import noun, several

__all__ = [
    "COLOURMAP",
    "Pick",
    "alternate",
    "box_marks",
    "build_gallery",
    "choose",
    "data_uri",
    "draw_example",
    "overlay",
]

_SIDE = 256
_QUALITY = 80
_MOST_EXAMPLES = 24
_MOST_PICTURES = 96
_SEED = 0
_AT_RANDOM = "drawn at random"


@dataclass(frozen=True, slots=True)
class Pick:
    """A chosen test image: its row in the predictions, and why it was chosen."""

    row: int
    reason: str


def build_gallery(runs: Sequence[RunResult], arms: Sequence[Arm]) -> Gallery:
    """Pictures of rare test images with every arm's map, chosen by the rule that is printed with them."""
    if all(run.maps is None for run in runs):
        return Gallery((), "", "No maps were kept with these results, so there is nothing to show.")
    picks = choose(runs)
    if not picks:
        return Gallery((), "", "The test part holds no image to show.")
    return Gallery(tuple(draw_example(pick, runs, arms) for pick in picks), _rule(runs, picks), "")


def choose(runs: Sequence[RunResult]) -> list[Pick]:
    """The rule of the gallery.

    The rare classes (all classes where none is rare) take turns. Each gives, alternately, the boxed
    image whose energy differs most between the arms (with one arm: is lowest), and an image drawn at
    random with a fixed seed. At most 24 images, fewer with more than three arms.
    """
    limit = min(_MOST_EXAMPLES, _MOST_PICTURES // (len(runs) + 1))
    first = runs[0].predictions
    queues = [_queue(runs, first.classes.index(name)) for name in (runs[0].rare or first.classes)]
    turns = (pick for turn in zip_longest(*queues) for pick in turn if pick is not None)
    return [pick for pick, _ in zip(turns, range(limit), strict=False)]


def _queue(runs: Sequence[RunResult], label: int) -> Iterator[Pick]:
    """All images of a class, each once: alternately the next by energy and the next at random."""
    first = runs[0].predictions
    rows = np.flatnonzero(first.target == label)
    boxed = np.array([row for row in rows if len(first.boxes[row])], dtype=int)
    drawn = np.random.default_rng(_SEED).permutation(boxed if len(boxed) else rows)
    energies = np.stack([np.asarray(run.predictions.energy, dtype=float)[rows] for run in runs])
    key = np.ptp(energies, axis=0) if len(runs) > 1 else -energies[0]
    order = [int(i) for i in np.argsort(-key, kind="stable") if math.isfinite(key[i])]
    reason = "the arms differ" if len(runs) > 1 else "low energy"
    by_energy = [Pick(int(rows[i]), reason) for i in order]
    at_random = [Pick(int(row), _AT_RANDOM) for row in drawn]
    return alternate(by_energy, at_random)


def alternate(first: Sequence[Pick], second: Sequence[Pick]) -> Iterator[Pick]:
    """Alternately the next of each that was not given yet; when one is used up, the rest of the other."""
    sources, given = [iter(first), iter(second)], set[int]()
    while sources:
        source = sources.pop(0)
        pick = next((pick for pick in source if pick.row not in given), None)
        if pick is not None:
            given.add(pick.row)
            sources.append(source)
            yield pick


def _rule(runs: Sequence[RunResult], picks: Sequence[Pick]) -> str:
    who = "The rare classes" if runs[0].rare else "The classes"
    n = len(picks)
    shown = f"{several(n, 'image')} {noun(n, 'is', 'are')} shown; nobody picked them by eye."
    if all(pick.reason == _AT_RANDOM for pick in picks):
        return f"{who} take turns. Each gives a test image drawn at random (fixed seed). {shown}"
    energy = "whose energy differs most between the arms" if len(runs) > 1 else "with the lowest energy"
    return (
        f"{who} take turns. Each gives alternately the test image {energy} and one drawn at random "
        f"(fixed seed), among its images with a box where it has any. {shown} The first kind is extreme on "
        "purpose; the second is typical."
    )


def draw_example(pick: Pick, runs: Sequence[RunResult], arms: Sequence[Arm]) -> Example:
    """A chosen image, alone and under each arm's map; without pictures where its file is gone."""
    first = runs[0].predictions
    name = first.classes[int(first.target[pick.row])]
    image: Image.Image | None = None
    boxes: tuple[BoxMark, ...] = ()
    missing = ""
    try:
        image = read_image(Path(str(first.path[pick.row])))
    except DataError:
        missing = "image file not found or not readable"
    else:
        boxes = box_marks(first.boxes[pick.row], image.size)
        image.thumbnail((_SIDE, _SIDE))
    number = pick.row + 1
    plain = Tile(None, data_uri(image), f"Test image {number}, {name}", missing, "", "", None, "")
    tiles = [plain, *(_tile(pick.row, run, arm, image) for run, arm in zip(runs, arms, strict=True))]
    width, height = image.size if image else (4, 3)
    return Example(number, name, pick.reason, boxes, tuple(tiles), width, height)


def _tile(row: int, run: RunResult, arm: Arm, image: Image.Image | None) -> Tile:
    predictions = run.predictions
    guess = int(predictions.prediction[row])
    cam = None if run.maps is None else run.maps[row]
    missing = "no map kept" if cam is None else "image file not found or not readable"
    name = predictions.classes[guess]
    energy = float(predictions.energy[row])
    return Tile(
        arm=arm,
        picture=data_uri(overlay(image, cam)) if image and cam is not None else None,
        alt=f"Test image {row + 1} under the map of {arm.name}, which answers {name}",
        missing=missing,
        prediction=name,
        probability=percent(float(predictions.probabilities[row, guess])),
        right=bool(decide(predictions.logits[[row]])[0] == predictions.target[row]),
        energy=percent(energy),
    )


def box_marks(boxes: NDArray[np.floating], size: tuple[int, int]) -> tuple[BoxMark, ...]:
    """Boxes [n, 4] in pixels of an image of this width and height, in per cent."""
    scale = 100 / np.array([*size, *size], dtype=float)
    corners = np.clip(np.asarray(boxes, dtype=float).reshape(-1, 4) * scale, 0, 100).round(2)
    return tuple(BoxMark(x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)) for x1, y1, x2, y2 in corners.tolist())


def data_uri(image: Image.Image | None) -> str | None:
    """An image as the source of an <img>; None where there is none."""
    if image is None:
        return None
    buffer = io.BytesIO()
    # The comment is emptied: by default the original file's, which may name a patient, would be copied.
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True, comment="")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
