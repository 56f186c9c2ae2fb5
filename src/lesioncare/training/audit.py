"""Auditing finished runs: what their networks answer to changed copies of the test images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesioncare.data import ImageTable, eval_transform
from lesioncare.data.editing import (
    ARTEFACTS,
    ORIGINAL,
    EditedImages,
    EditSettings,
    EditSource,
    choose_partners,
    covered,
    version_names,
)
from lesioncare.errors import ConfigError, DataError, RunError
from lesioncare.evaluation import Predictions
from lesioncare.evaluation.audit import AuditResult, RunAudit
from lesioncare.evaluation.bootstrap import what_differs
from lesioncare.images import image_size
from lesioncare.training.apply import TrainedRun
from lesioncare.training.config import DataConfig
from lesioncare.training.curves import deletion_and_insertion
from lesioncare.training.inference import image_loader, predict_logits
from lesioncare.training.inputs import read_table
from lesioncare.words import distinct_names

__all__ = ["AuditOptions", "audit_runs", "own_images", "table_images"]

_MOST_COVERED = 0.7
"""Where more of the image is hidden, too little is left to fill it from."""
_NO_LOOKS = ("energy", "pointing", "area_share", "centre_energy")


@dataclass(frozen=True)
class AuditOptions:
    """How an audit is made.

    Args:
        margin: how far each edge of a box is moved outward, as a share of the box's side; at least 0.
        artefacts: those to paste.
        steps: of the deletion and insertion curves; 0 for none.
        limit: audit at most so many images, the classes taking turns.
        seed: of grain, partners, artefacts and the limit.
        workers: processes that load and change images.

    Raises:
        ConfigError: an option has a value that cannot work.
    """

    margin: float = 0.1
    artefacts: tuple[str, ...] = tuple(ARTEFACTS)
    steps: int = 8
    limit: int | None = None
    seed: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 1:
            raise ConfigError(f"--margin must be in [0, 1], but got {self.margin}.")
        if min(self.steps, self.seed, self.workers) < 0:
            raise ConfigError("--steps, --seed and --workers must be 0 or more.")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit must be 1 or more, but got {self.limit}.")
        version_names(self.artefacts)


def own_images(runs: Sequence[TrainedRun], box_file: Path | None = None) -> Predictions:
    """The test part that the runs have in common, with its boxes.

    Args:
        runs: the first says which images; the others must have been tested on the same.
        box_file: boxes that replace those of the run's own table.

    Raises:
        RunError: the runs were not tested on the same images, or their boxes are those of a control.
        DataError: the box file, or with it the run's table, cannot be read.
    """
    first = runs[0].result.predictions
    for run in runs[1:]:
        differing = what_differs(first, run.result.predictions)
        if differing:
            raise RunError(
                f"runs {runs[0].result.name!r} and {run.result.name!r} were not tested on the same images: "
                f"{differing}. Audit them apart, or on one --table."
            )
    if box_file is None:
        boxes = runs[0].result.boxes
        if boxes is not None and boxes.judged.control:
            raise RunError(
                f"run {runs[0].result.name!r} is judged by control boxes ({boxes.judged.file}), which are "
                "not where the lesions are: something else would be hidden. Give the lesions' boxes: --boxes."
            )
        return first
    config = runs[0].config.data.model_copy(
        update={"box_file": box_file, "min_score": 0.0, "check_images": False}
    )
    table = read_table(config, classes=runs[0].result.classes)
    at = {str(Path(path).resolve()): position for position, path in enumerate(table.frame["path"])}
    rows = [at.get(str(Path(path).resolve())) for path in first.path]
    return replace(first, boxes=tuple(_boxes_at(table, row) for row in rows))


def table_images(runs: Sequence[TrainedRun], data: DataConfig) -> Predictions:
    """All images of another labelled table; the answers in it are all 0, for none was asked for yet.

    Raises:
        DataError: the table or its images cannot be used, or it has a class that the runs do not know.
    """
    table = read_table(data, classes=runs[0].result.classes)
    texts = {name: table.frame[name].to_numpy(dtype=str) for name in ("image", "path", "group")}
    boxes = tuple(_boxes_at(table, row) for row in range(len(table)))
    logits = np.zeros((len(table), len(table.classes)))
    nothing = dict.fromkeys(_NO_LOOKS, np.full(len(table), np.nan))
    return Predictions(
        **texts, target=table.labels, logits=logits, classes=table.classes, boxes=boxes, **nothing
    )


def _boxes_at(table: ImageTable, row: int | None) -> NDArray[np.float64]:
    empty = np.empty((0, 4))
    return empty if row is None else np.asarray(table.boxes.get(row, empty), dtype=np.float64)


def audit_runs(
    runs: Sequence[TrainedRun], images: Predictions, options: AuditOptions | None = None
) -> AuditResult:
    """Show the runs' networks every version of the images, one version at a time.

    Args:
        runs: one or more with the same classes; the first is the reference.
        images: labelled images with boxes (`own_images`, `table_images`); the others are left out.
        options: how it is made.

    Returns:
        All answers; the same runs, images and options give the same.

    Raises:
        RunError: the runs do not have the same classes and rare classes.
        DataError: there are too few images with a box, or one cannot be read.
    """
    options = options or AuditOptions()
    _check_alike(runs)
    images, left_out = _usable(images, options)
    # Reduced no further than any network needs, so that its own resizing still finds something to do.
    longest = max(side for run in runs for side in run.model.image_size)
    settings = EditSettings(options.margin, options.seed, max(512, 2 * longest))
    partners = choose_partners(images.target, images.group, options.seed)
    source = EditSource(images.path.tolist(), images.boxes, partners, settings)
    names = distinct_names([run.result.name for run in runs])
    audits = tuple(_audit(run, name, images, source, options) for run, name in zip(runs, names, strict=True))
    return AuditResult(audits, tuple(runs[0].result.rare), partners, settings, left_out)


def _audit(
    run: TrainedRun, name: str, images: Predictions, source: EditSource, options: AuditOptions
) -> RunAudit:
    model = run.model
    transform = eval_transform(model.image_size, model.mean, model.std)
    batch_size = run.config.schedule.batch_size
    answers = {}
    for version in version_names(options.artefacts):
        edited = EditedImages(source, images.target, version, transform)
        loader = image_loader(edited, batch_size=batch_size, workers=options.workers)
        logits = predict_logits(run.network, loader, title=f"{name}: {version}")
        answers[version] = replace(images, logits=logits)
    prior = run.result.prior
    if not options.steps:
        return RunAudit(name, prior, answers)
    originals = EditedImages(source, images.target, ORIGINAL, transform)
    curves = deletion_and_insertion(
        run.network,
        image_loader(originals, batch_size=batch_size, workers=options.workers),
        options.steps,
        target_layer=run.config.model.shown_layer,
        title=f"{name}: deletion",
    )
    return RunAudit(name, prior, answers) if curves is None else RunAudit(name, prior, answers, *curves)


def _check_alike(runs: Sequence[TrainedRun]) -> None:
    first = runs[0].result
    for run in runs[1:]:
        for what in ("classes", "rare"):
            a, b = getattr(first, what), getattr(run.result, what)
            if set(a) != set(b) or (what == "classes" and a != b):
                raise RunError(
                    f"runs {first.name!r} and {run.result.name!r} cannot be audited together: their {what} "
                    f"{'classes ' if what == 'rare' else ''}are {a} and {b}. Audit them apart."
                )


def _usable(images: Predictions, options: AuditOptions) -> tuple[Predictions, dict[str, int]]:
    """The images that can be audited, and how many cannot, by reason."""
    boxed = np.array([len(box) > 0 for box in images.boxes], dtype=bool)
    known = images.target >= 0
    fits = np.array(
        [bool(ok) and _share(images, row, options.margin) <= _MOST_COVERED for row, ok in enumerate(boxed)],
        dtype=bool,
    )
    left_out = {
        "of unknown class": int((~known).sum()),
        "without a box": int((known & ~boxed).sum()),
        f"whose box takes more than {100 * _MOST_COVERED:.0f} % of the image": int(
            (known & boxed & ~fits).sum()
        ),
    }
    rows = np.flatnonzero(known & boxed & fits)
    _refuse_too_few(images, rows, left_out)
    limited = _limited(images, rows, options)
    left_out["beyond the limit"] = len(rows) - len(limited)
    nothing: dict[str, Any] = dict.fromkeys(_NO_LOOKS, np.full(len(limited), np.nan))
    return replace(images.select(np.isin(np.arange(len(images)), limited)), **nothing), {
        why: n for why, n in left_out.items() if n
    }


def _share(images: Predictions, row: int, margin: float) -> float:
    try:
        width, height = image_size(Path(str(images.path[row])))
    except DataError as error:
        raise DataError(
            f"{error} If the images were moved, give their table with --table and their folder with --images."
        ) from error
    return covered(images.boxes[row], (height, width), margin)


def _refuse_too_few(images: Predictions, rows: NDArray[np.int64], left_out: dict[str, int]) -> None:
    if len(np.unique(images.target[rows])) >= 2:
        return
    why = ", ".join(f"{n} {reason}" for reason, n in left_out.items() if n)
    raise DataError(
        f"an audit needs images with a lesion's box, of two classes or more; of {len(images)} images "
        f"{len(rows)} can be used ({why or 'all of one class'}). Give boxes with --boxes; `lesioncare boxes "
        "make` finds some."
    )


def _limited(images: Predictions, rows: NDArray[np.int64], options: AuditOptions) -> NDArray[np.int64]:
    """At most `limit` of the rows: the classes take turns, so that no rare one gets lost."""
    if options.limit is None or options.limit >= len(rows):
        return rows
    drawn = np.random.default_rng(options.seed).permutation(rows)
    labels = images.target[drawn]
    turn = np.zeros(len(drawn), dtype=np.int64)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    kept = np.sort(drawn[np.argsort(turn, kind="stable")[: options.limit]])
    if len(np.unique(images.target[kept])) < 2:
        raise ConfigError(f"--limit {options.limit}: leaves one class only. Give a larger number.")
    return kept
