"""`lesioncare data check`: what is wrong with a table of images, before anything is trained on it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lesioncare.cli import options
from lesioncare.cli.say import say, show_path
from lesioncare.errors import DataError

__all__ = ["data_app"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare data check table.csv --images photos/ --output check.html\n\n"
    "lesioncare data check table.csv --findings findings.csv --no-pictures\n\n"
    "lesioncare data check table.csv --groups grouped.csv  [dim](then train on grouped.csv)[/dim]"
)

data_app = typer.Typer(
    name="data",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Look at data before training on it.",
    epilog=EXAMPLES,
)


@data_app.callback()
def _data() -> None:
    pass  # so that `check` stays a word of its own while it is the only one


@data_app.command(epilog=EXAMPLES)
def check(
    table: options.Table,
    images: options.ImageRoot = None,
    boxes: options.BoxFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML page to write, one file.")
    ] = None,
    findings: Annotated[
        Path | None,
        typer.Option(help="CSV file to write, one finding a line, with the images' names."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV file to write: the table with a column of groups, in which images that look the same "
            "share one, so that no split tears them apart."
        ),
    ] = None,
    similarity: Annotated[
        float, typer.Option(help="Correlation of thumbnails from which two images are near-duplicates.")
    ] = 0.995,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="No images in the page: names may be burned into them.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Threads that decode images.", min=1)] = 2,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
    split_column: options.SplitColumn = None,
    box_columns: options.BoxColumns = None,
) -> None:
    """Find unreadable and doubled images, contradictory labels, leaks, boxes off their image, and outliers.

    Ends with 0 whatever is found; with 2 if the table cannot be read. Images are called by their row, and no
    patient or lesion is named.
    """
    from lesioncare.cli.data_show import show_check  # noqa: PLC0415  these load torch
    from lesioncare.data import Columns  # noqa: PLC0415
    from lesioncare.data.quality import FINDING_COLUMNS, check_table, grouped_table  # noqa: PLC0415
    from lesioncare.evaluation.files import HTML, refuse_foreign, write_file  # noqa: PLC0415
    from lesioncare.rawtable import read_header  # noqa: PLC0415
    from lesioncare.report.data_check import build_check_page  # noqa: PLC0415

    if output is not None:
        refuse_foreign(output, HTML)
    if findings is not None:
        refuse_foreign(findings, ",".join(FINDING_COLUMNS).encode())
    if groups is not None and groups.exists():
        raise DataError(f"{groups}: is there already. Name another file.")
    header = read_header(table)
    columns = Columns.of(
        header,
        image=image_column,
        label=label_column,
        group=group_column,
        split=split_column,
        box=options.four_columns(box_columns) if box_columns else None,
    )
    columns.check(header, table, labelled=label_column is not None)
    say(replace(columns, box=columns.box if boxes is None else None).sentence(header))
    found = check_table(
        table,
        columns,
        image_root=images,
        box_file=boxes,
        similarity=similarity,
        workers=workers,
    )
    if found.counts.get("missing image", 0) >= len(found.rows):
        raise DataError(f"{table}: none of its images was found. Name their folder with --images.")
    show_check(found)
    if findings is not None:
        write_file(findings, found.records().to_csv(index=False).encode())
        show_path("Findings", findings)
    if groups is not None:
        write_file(groups, grouped_table(found, columns).to_csv(index=False).encode())
        show_path(f"Table with groups (--group-column {columns.group or 'group'})", groups)
    if output is not None:
        show_path("Page", build_check_page(found, output, pictures=not no_pictures))
