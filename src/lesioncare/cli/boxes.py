"""`lesioncare boxes`: make, convert, look at, count, check and misplace lesion boxes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lesioncare.cli import boxes_make, boxes_review
from lesioncare.errors import ConfigError

__all__ = ["boxes_app"]

FORMATS = "coco, voc, yolo, csv, rsna, parquet, labelstudio"
EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare boxes make photos/ --output boxes.json\n\n"
    "lesioncare boxes review boxes.json --images photos/\n\n"
    "lesioncare boxes convert labels.json boxes.csv\n\n"
    "lesioncare boxes convert voc/ yolo/ --to yolo --images photos/\n\n"
    "lesioncare boxes convert marks.csv coco.json --columns image=name,x1=l,y1=t,x2=r,y2=b\n\n"
    "lesioncare boxes show boxes.csv --images photos/ --order score\n\n"
    "lesioncare boxes control boxes.csv anywhere.csv --images photos/\n\n"
    "lesioncare boxes stats boxes.csv\n\n"
    "lesioncare boxes check boxes.csv --images photos/ --classes mel,bcc,df"
)
CONTROL_EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare boxes control boxes.csv anywhere.csv --images photos/\n\n"
    "and in the plan of a comparison (`lesioncare compare --config plan.yaml`), beside an arm of the true "
    "boxes:\n\n"
    "  care-all, boxes anywhere: {attention: care-all, boxes: anywhere.csv}"
)
EXIT_FINDINGS = 1

BoxesIn = Annotated[Path, typer.Argument(metavar="IN", help="File or folder with boxes.", show_default=False)]
From = Annotated[
    str | None,
    typer.Option("--from", help=f"Its format: {FORMATS} or masks. \\[default: guessed from the contents]"),
]
Images = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the images; YOLO needs it, for their sizes."),
]
Columns = Annotated[
    str | None,
    typer.Option(help="Columns of a table, as in image=name,x1=left,y1=top,x2=right,y2=bottom,label=dx."),
]
Components = Annotated[
    bool, typer.Option("--components", help="Masks: a box for each connected part, not for each mask.")
]

boxes_app = typer.Typer(
    name="boxes",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Make, review, convert, look at, count and check lesion boxes.",
    epilog=EXAMPLES,
)
boxes_app.command(epilog=boxes_make.EXAMPLES)(boxes_make.make)
boxes_app.command(epilog=boxes_review.EXAMPLES)(boxes_review.review)


@boxes_app.command(epilog=EXAMPLES)
def convert(
    source: BoxesIn,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File or new folder.", show_default=False)],
    from_format: From = None,
    to_format: Annotated[
        str | None,
        typer.Option("--to", help=f"Format to write: {FORMATS}. \\[default: by the name's end]"),
    ] = None,
    images: Images = None,
    columns: Columns = None,
    to_columns: Annotated[
        str | None, typer.Option(help="Columns of a table to write; only these are written.")
    ] = None,
    components: Components = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file or a folder of boxes that is there.")
    ] = False,
) -> None:
    """Convert boxes to another format, and say what that format cannot hold."""
    from lesioncare.boxes.formats import (  # noqa: PLC0415  pandas and pyarrow
        check_target,
        read_boxes,
        write_boxes,
    )
    from lesioncare.cli.boxes_show import show_converted  # noqa: PLC0415

    check_target(target, to_format, overwrite=overwrite)
    boxset = read_boxes(
        source, from_format, image_root=images, columns=_columns(columns), components=components
    )
    losses = write_boxes(
        boxset, target, to_format, image_root=images, columns=_columns(to_columns), overwrite=overwrite
    )
    show_converted(boxset, losses, target)


@boxes_app.command(epilog=CONTROL_EXAMPLES)
def control(
    source: BoxesIn,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File or new folder.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder of the images, where IN does not tell their sizes."),
    ] = None,
    place: Annotated[
        Literal["anywhere", "centre"],
        typer.Option(help="Anywhere in the image, at random; or in its middle."),
    ] = "anywhere",
    seed: Annotated[int, typer.Option(help="For --place anywhere.", min=0)] = 0,
    from_format: From = None,
    columns: Columns = None,
    components: Components = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file or a folder of boxes that is there.")
    ] = False,
) -> None:
    """Put every box anywhere in its image, wherever the lesion is: the control for what attention gains.

    An arm of `lesioncare compare` that learns from these boxes has all that the attention loss does, but
    knows no lesion. Only what the true boxes gain above it is gained by looking at the lesion. Large boxes
    cannot move far: how much of the true boxes the new ones cover is said.
    """
    from lesioncare.boxes.control import control_boxes, covered_shares  # noqa: PLC0415  as below
    from lesioncare.boxes.formats import check_target, read_boxes, write_boxes  # noqa: PLC0415
    from lesioncare.cli.boxes_show import show_converted, show_covered  # noqa: PLC0415

    if target.resolve() == source.resolve():
        raise ConfigError(f"{target}: the true boxes would be lost. Name another file.")
    check_target(target, None, overwrite=overwrite)
    boxset = read_boxes(
        source, from_format, image_root=images, columns=_columns(columns), components=components
    )
    moved = control_boxes(boxset, place, seed=seed)
    losses = write_boxes(moved, target, None, image_root=images, overwrite=overwrite)
    show_converted(moved, losses, target)
    show_covered(covered_shares(boxset, moved))


@boxes_app.command(epilog=EXAMPLES)
def show(
    source: BoxesIn,
    images: Annotated[Path, typer.Option("--images", help="Folder of the images.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Picture to write, .png or .jpg; replaces only an older one."),
    ] = Path("boxes.png"),
    from_format: From = None,
    columns: Columns = None,
    components: Components = False,
    limit: Annotated[int, typer.Option(help="Most images to draw.", min=1)] = 40,
    order: Annotated[
        Literal["file", "random", "score"],
        typer.Option(help="Draw the first, some at random, or the least trusted."),
    ] = "file",
    seed: Annotated[int, typer.Option(help="For --order random.")] = 0,
) -> None:
    """Draw boxes on their images, many on one sheet."""
    from lesioncare.boxes.formats import read_boxes  # noqa: PLC0415  as above
    from lesioncare.boxes.sheet import check_sheet, contact_sheet, write_sheet  # noqa: PLC0415
    from lesioncare.cli.boxes_show import show_sheet  # noqa: PLC0415

    check_sheet(output)
    boxset = read_boxes(
        source, from_format, image_root=images, columns=_columns(columns), components=components
    )
    write_sheet(contact_sheet(boxset, images, limit=limit, order=order, seed=seed), output)
    show_sheet(min(limit, len(boxset.images)), len(boxset.images), output)


@boxes_app.command(epilog=EXAMPLES)
def stats(
    source: BoxesIn,
    from_format: From = None,
    images: Images = None,
    columns: Columns = None,
    components: Components = False,
) -> None:
    """Count boxes by class and source, and show their sizes and scores."""
    from lesioncare.boxes.formats import read_boxes  # noqa: PLC0415  as above
    from lesioncare.boxes.stats import stats_of  # noqa: PLC0415
    from lesioncare.cli.boxes_show import show_stats  # noqa: PLC0415

    boxset = read_boxes(
        source, from_format, image_root=images, columns=_columns(columns), components=components
    )
    show_stats(stats_of(boxset))


@boxes_app.command(epilog=EXAMPLES)
def check(
    source: BoxesIn,
    from_format: From = None,
    images: Images = None,
    columns: Columns = None,
    components: Components = False,
    classes: Annotated[str | None, typer.Option(help="Known classes, as in mel,bcc,df.")] = None,
    min_side: Annotated[float, typer.Option(help="Shorter sides, in pixels, are reported as tiny.")] = 4.0,
) -> None:
    """List boxes outside their image, tiny, doubled, of a missing image or an unknown class.

    Ends with exit code 1 if there is anything to look at.
    """
    from lesioncare.boxes.check import check_boxes  # noqa: PLC0415  as above
    from lesioncare.boxes.formats import read_boxes  # noqa: PLC0415
    from lesioncare.cli.boxes_show import show_findings  # noqa: PLC0415

    boxset = read_boxes(
        source, from_format, image_root=images, columns=_columns(columns), components=components
    )
    known = None if classes is None else {name.strip() for name in classes.split(",")}
    findings = check_boxes(boxset, image_root=images, classes=known, min_side=min_side)
    show_findings(boxset, findings)
    if findings:
        raise typer.Exit(EXIT_FINDINGS)


def _columns(text: str | None) -> dict[str, str] | None:
    """Parse `field=column,...`."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    wrong = next((field for field, _, column in pairs if not field.strip() or not column.strip()), None)
    if wrong is not None:
        raise ConfigError(f"columns are named as in image=name,x1=left, but got {text!r}.")
    return {field.strip(): column.strip() for field, _, column in pairs}
