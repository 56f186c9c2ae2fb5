"""The gallery of an audit: which images are shown, in all their versions, with the answers."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import Image

from lesioncare.data.editing import HIDDEN, ORIGINAL, EditSource
from lesioncare.errors import DataError
from lesioncare.evaluation.metrics import decide
from lesioncare.images import image_size
from lesioncare.report import text
from lesioncare.report.audit.study import AuditStudy, title_of
from lesioncare.report.audit.views import Answer, Picture, Shown, ShownGallery
from lesioncare.report.gallery import Pick, alternate, box_marks, data_uri
from lesioncare.report.views import BoxMark
from lesioncare.words import noun, several

__all__ = ["build_gallery", "choose"]

_SIDE = 256
_MOST_IMAGES = 8
_SEED = 0
_MISSING = "image file not found or not readable"


def build_gallery(study: AuditStudy) -> ShownGallery:
    """A few images in all versions, chosen by the rule that is printed with them."""
    result = study.result
    images = result.images
    source = EditSource(images.path.tolist(), images.boxes, result.partners, result.settings)
    shown = tuple(_show(study, source, pick) for pick in choose(study))
    who = "The rare classes" if set(result.rare) & set(study.classes) else "The classes"
    first = f" by “{study.arms[0].name}”" if study.several else ""
    told = f"{several(len(shown), 'image')} {noun(len(shown), 'is', 'are')}"
    rule = (
        f"{who} take turns. Each gives alternately the image that is called by its class most surely while "
        f"its lesion is hidden{first}, and one drawn at random (fixed seed). {told} shown; "
        "nobody picked them by eye. The first kind is extreme on purpose; the second is typical."
    )
    return ShownGallery(shown, rule)


def choose(study: AuditStudy) -> list[Pick]:
    """The rule of the gallery; at most 8 images."""
    names = [name for name in study.classes if name in study.result.rare] or list(study.classes)
    queues = [_queue(study, study.result.images.classes.index(name)) for name in names]
    turns = (pick for turn in zip_longest(*queues) for pick in turn if pick is not None)
    return [pick for pick, _ in zip(turns, range(_MOST_IMAGES), strict=False)]


def _queue(study: AuditStudy, label: int) -> Iterator[Pick]:
    rows = np.flatnonzero(study.result.images.target == label)
    sure = study.result.runs[0].answers[HIDDEN].probabilities[rows, label]
    by_answer = [
        Pick(int(rows[i]), "surest with the lesion hidden") for i in np.argsort(-sure, kind="stable")
    ]
    at_random = [Pick(int(row), "drawn at random") for row in np.random.default_rng(_SEED).permutation(rows)]
    return alternate(by_answer, at_random)


def _show(study: AuditStudy, source: EditSource, pick: Pick) -> Shown:
    images = study.result.images
    name = images.classes[int(images.target[pick.row])]
    pictures, size = [], (4, 3)
    for version in study.result.versions:
        image = _version(source, pick.row, version)
        size = image.size if image is not None else size
        pictures.append(_picture(study, pick.row, version, image))
    return Shown(pick.row + 1, name, pick.reason, tuple(pictures), *size)


def _version(source: EditSource, row: int, version: str) -> Image.Image | None:
    try:
        image = Image.fromarray(source.version(row, version))
    except DataError:
        return None
    image.thumbnail((_SIDE, _SIDE))
    return image


def _picture(study: AuditStudy, row: int, version: str, image: Image.Image | None) -> Picture:
    answers = []
    for arm, run in zip(study.arms, study.result.runs, strict=True):
        one = run.answers[version]
        guess = int(one.prediction[row])
        right = bool(decide(one.logits[[row]])[0] == one.target[row])
        probability = text.percent(float(one.probabilities[row, guess]))
        answers.append(Answer(arm, one.classes[guess], probability, right))
    said = "; ".join(f"{one.arm.name} answers {one.name}" for one in answers)
    marks: tuple[BoxMark, ...] = ()
    if version == ORIGINAL and image is not None:
        images = study.result.images
        marks = box_marks(images.boxes[row], image_size(Path(str(images.path[row]))))
    return Picture(
        title=title_of(version),
        picture=data_uri(image),
        alt=f"Image {row + 1}, {title_of(version)}: {said}",
        missing="" if image is not None else _MISSING,
        boxes=marks,
        answers=tuple(answers),
    )
