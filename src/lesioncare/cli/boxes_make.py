"""`lesioncare boxes make`: boxes from a segmenter or saliency, where there are no annotators."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial as with_options
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesioncare.cli import options
from lesioncare.cli.stopping import GOES_ON, when_stopped
from lesioncare.errors import ConfigError, DataError

if TYPE_CHECKING:
    from lesioncare.data import ImageTable

__all__ = ["make"]

METHODS = "border, colour, consensus, ft, gmr, mbd, otsu, rbd, rc, saliency-consensus, segmenter, spectral"
_LESIONLESS = {
    *("normal", "healthy", "control", "controls", "no disease"),
    *("no finding", "no findings", "no lesion", "no lesions"),
}
"""Names of classes whose images show nothing to put a box on."""
_WORDS = re.compile(r"[\s_-]+")
EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare boxes make photos/ --output boxes.json --workers 4 --show 40\n\n"
    "lesioncare boxes make photos/ --table table.csv --classes rare --output boxes.csv\n\n"
    "lesioncare boxes make photos/ --table table.csv --skip-classes normal --output boxes.csv\n\n"
    "lesioncare boxes make scans/ --method segmentation:mine.safetensors --output boxes.json\n\n"
    "lesioncare train table.csv --images photos/ --boxes boxes.csv --min-score 0.5\n\n"
    "The same command again goes on where it was stopped."
)


def make(
    images: Annotated[
        Path,
        typer.Argument(help="Folder of images, or a table that lies beside its images.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File: .json (COCO), .csv, .parquet.")
    ] = Path("boxes.json"),
    method: Annotated[
        str,
        typer.Option(help=f"{METHODS}; or segmentation:PATH, a segmenter of your own for any kind of image."),
    ] = "segmenter",
    table: Annotated[
        Path | None,
        typer.Option(
            help="Table of the images of the folder; the others are left out. Boxes get its classes."
        ),
    ] = None,
    classes: Annotated[
        str, typer.Option(help="all; rare, as counted over the whole table; or names: DF,VASC.")
    ] = "all",
    skip_classes: Annotated[
        str | None,
        typer.Option(help="Classes to leave out, those without a lesion above all: normal,scar."),
    ] = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    workers: Annotated[int, typer.Option(help="Processes; the boxes are the same for any.", min=1)] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Run the workers on Ray: local starts it here, auto takes the cluster of RAY_ADDRESS, or "
            "name an address.",
            metavar="local|auto|ADDRESS",
        ),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable images.")] = False,
    min_score: Annotated[float, typer.Option(help="Drop less trusted boxes.", min=0, max=1)] = 0,
    show: Annotated[int, typer.Option(help="Draw so many of the least trusted, as OUTPUT.png.", min=0)] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Make a box on each image's lesion, without annotators, with a score in 0 to 1 of how far to trust it.

    Saliency and the shipped segmenter are for dermoscopy only. On chest X-rays and ultrasound they fail, and
    their scores mean nothing: use a segmenter of your own (lesioncare segmenter train) or people there.
    """
    when_stopped(GOES_ON)
    from lesioncare.boxes.formats import write_boxes  # noqa: PLC0415  these load OpenCV and pandas
    from lesioncare.boxes.generation import (  # noqa: PLC0415
        for_dermoscopy_only,
        make_boxes,
        method_named,
        run_in_processes,
        run_on_ray,
    )
    from lesioncare.boxes.sheet import check_sheet, contact_sheet, write_sheet  # noqa: PLC0415
    from lesioncare.cli.boxes_show import show_made, show_sheet, show_skipped  # noqa: PLC0415

    _check_output(output, overwrite=overwrite)
    sheet = output.with_suffix(".png")
    if show:
        check_sheet(sheet)
    maker, dermoscopy = method_named(method), for_dermoscopy_only(method)
    runner = run_in_processes if ray is None else with_options(run_on_ray, address=ray)
    chosen = _choose(images, table, _Classes(classes, skip_classes), image=image_column, label=label_column)
    _warn_of_lesionless(chosen)
    partial = output.with_name(f"{output.name}.partial")
    with _bar(len(chosen.paths)) as progress:
        made = make_boxes(
            chosen.paths, maker, workers=workers, progress=progress, resume=partial, skip_bad=skip_bad,
            runner=runner,
        )  # fmt: skip
    boxes = made.boxes.with_labels(chosen.labels, chosen.classes).at_least(min_score)
    write_boxes(boxes, output)
    partial.unlink(missing_ok=True)
    show_skipped(made.skipped)
    show_made(made.boxes, boxes, output, method=method, for_dermoscopy_only=dermoscopy)
    if show:
        root = images if images.is_dir() else images.parent
        write_sheet(contact_sheet(boxes, root, limit=show, order="score"), sheet)
        show_sheet(min(show, len(boxes.images)), len(boxes.images), sheet)


def _check_output(output: Path, *, overwrite: bool) -> None:
    """Before the work, not after it."""
    from lesioncare.boxes.formats import FORMATS, check_target  # noqa: PLC0415  as above
    from lesioncare.boxes.formats.catalogue import BY_SUFFIX  # noqa: PLC0415

    name = BY_SUFFIX.get(output.suffix.lower())
    if name is None or FORMATS[name].folder or "score" not in FORMATS[name].holds:
        raise ConfigError(
            f"{output}: name a .json (COCO), .csv or .parquet file; lesioncare boxes convert makes other "
            "formats of it."
        )
    check_target(output, overwrite=overwrite)


@dataclass(frozen=True)
class _Classes:
    """What --classes and --skip-classes say."""

    names: str
    skipped: str | None

    @property
    def all(self) -> bool:
        """Whether the classes do not matter."""
        return self.names == "all" and self.skipped is None


@dataclass(frozen=True)
class _Chosen:
    """Path of each image and its class, if a table tells it, both by id; the classes in their order."""

    paths: dict[str, Path]
    labels: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


def _choose(
    images: Path, table: Path | None, classes: _Classes, *, image: str | None, label: str | None
) -> _Chosen:
    if not images.is_dir() or table is not None:
        return _of_table(images, table, classes, image=image, label=label)
    if not classes.all:
        option = f"--classes {classes.names}" if classes.skipped is None else "--skip-classes"
        raise ConfigError(f"{option} needs a table of the images (--table).")
    return _Chosen(_of_folder(images))


def _of_folder(folder: Path) -> dict[str, Path]:
    """The images below a folder, by their path in it."""
    from lesioncare.boxes.boxset import check_name  # noqa: PLC0415  as above
    from lesioncare.boxes.formats.folder import files_below  # noqa: PLC0415
    from lesioncare.images import IMAGE_SUFFIXES  # noqa: PLC0415

    found = {
        check_name(name, "an image's path"): folder / name for name in files_below(folder, IMAGE_SUFFIXES)
    }
    if not found:
        raise DataError(f"{folder}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return found


def _of_table(
    images: Path, table: Path | None, classes: _Classes, *, image: str | None, label: str | None
) -> _Chosen:
    """The images of a table that are of the classes."""
    from lesioncare.boxes.boxset import check_name  # noqa: PLC0415  as above
    from lesioncare.data import Columns, load_table  # noqa: PLC0415  loads torch
    from lesioncare.data.locate import NAME_FOLDER  # noqa: PLC0415
    from lesioncare.rawtable import read_header  # noqa: PLC0415

    if table is not None and not images.is_dir():
        raise DataError(f"{images}: no such folder of images. Beside --table, give their folder.")
    source = images if table is None else table
    header = read_header(source)
    if label is not None and label not in header:
        raise DataError(
            f"{source}: no column {label!r}; the columns are {', '.join(header)}. Name the right one "
            "(--label-column)."
        )
    columns = Columns.guess(header)
    columns = replace(
        columns, image=image or columns.image, label=label or columns.label, group=None, split=None, box=None
    )
    root = None if table is None else images
    try:
        loaded = load_table(source, columns, image_root=root, require_labels=not classes.all)
    except DataError as error:
        folder = "remove these rows" if table else f"give their folder before --table {source}"
        raise DataError(str(error).replace(NAME_FOLDER, folder)) from error
    for name in loaded.classes:
        check_name(name, f"{source}: a class")
    wanted = _wanted(loaded, classes)
    rows = list(zip(loaded.frame["image"], loaded.frame["path"], loaded.labels.tolist(), strict=True))
    return _Chosen(
        {name: Path(path) for name, path, code in rows if wanted is None or code in wanted},
        {name: loaded.classes[code] for name, _, code in rows if code >= 0},
        loaded.classes,
    )


def _wanted(table: "ImageTable", classes: _Classes) -> set[int] | None:
    """Codes of the classes that the options name; None for all."""
    from lesioncare.imbalance import rare_classes  # noqa: PLC0415  as above

    if classes.all:
        return None
    chosen = set(range(len(table.classes)))
    if classes.names.strip() == "rare":
        rare = rare_classes(table.class_counts(), "auto")
        if not rare:
            raise ConfigError(f"--classes rare: {table.source} has no rare class. Name the classes, or all.")
        chosen = {table.classes.index(name) for name in rare}
    elif classes.names != "all":
        chosen = _codes(table, "--classes", classes.names, "; all and rare can be named alone")
    if classes.skipped is not None:
        chosen -= _codes(table, "--skip-classes", classes.skipped)
    if not chosen:
        raise ConfigError("--skip-classes: no class is left. Name fewer.")
    return chosen


def _codes(table: "ImageTable", option: str, text: str, more: str = "") -> set[int]:
    """Codes of the classes between the commas."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in table.classes]
    if unknown:
        raise ConfigError(
            f"{option}: {table.source} has no class {', '.join(map(repr, unknown))}. It has "
            f"{', '.join(map(repr, table.classes))}{more}."
        )
    return {table.classes.index(name) for name in names}


def _warn_of_lesionless(chosen: _Chosen) -> None:
    """Say, before the work, that boxes will be made where by the class's name there is no lesion."""
    counts = Counter(chosen.labels.get(name, "") for name in chosen.paths)
    names = [
        name for name in chosen.classes if counts[name] and _WORDS.sub(" ", name).casefold() in _LESIONLESS
    ]
    if names:
        images = sum(counts[name] for name in names)
        print(
            f"Warning: by its name, {', '.join(map(repr, names))} has no lesion, and boxes will be made on "
            f"its images ({images}). Leave them out: --skip-classes {shlex.quote(','.join(names))}.",
            flush=True,
        )


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int, int], None]]:
    """Shows how many images are done; those of an earlier, stopped command count."""
    from lesioncare.progress import counting  # noqa: PLC0415

    known = 0
    with counting("Boxes", total, "images") as advance:

        def update(done: int, _: int) -> None:
            nonlocal known
            advance(done - known)
            known = done

        yield update
