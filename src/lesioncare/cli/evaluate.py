"""`lesioncare evaluate`: a trained run on another labelled table."""

from pathlib import Path
from typing import Annotated

import typer

from lesioncare.cli import options
from lesioncare.errors import RunError

__all__ = ["evaluate"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare evaluate runs/first/with   [dim](its own test part, from the saved predictions)[/dim]\n\n"
    "lesioncare evaluate runs/first/with other_hospital.csv --output runs/first-elsewhere"
)


def evaluate(
    run: Annotated[Path, typer.Argument(help="Directory of a run.", show_default=False)],
    table: Annotated[
        Path | None,
        typer.Argument(
            help="Labelled table of other images. \\[default: the run's own test part]", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="New directory for predictions, metrics and report. \\[default: nothing is written]",
        ),
    ] = None,
    images: options.ImageRoot = None,
    boxes: options.BoxFile = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
    box_columns: options.BoxColumns = None,
    box_unit: options.BoxUnit = "auto",
) -> None:
    """Say how good a run is: recall by class, balanced accuracy, and where it looks, with intervals.

    Every image of the table is tested, whatever its split column says.
    """
    from lesioncare.boxes.formats.atomic import writing_folder  # noqa: PLC0415  loads nothing large
    from lesioncare.cli.show import show_path, show_results  # noqa: PLC0415  these load torch
    from lesioncare.evaluation import RunResult  # noqa: PLC0415
    from lesioncare.report import build_report  # noqa: PLC0415
    from lesioncare.training.apply import count_learnt, evaluate_run, load_run  # noqa: PLC0415

    columns = options.column_options(
        image=image_column, label=label_column, group=group_column, split=None, box=box_columns, unit=box_unit
    )
    data = options.other_table(table, columns, images=images, boxes=boxes)
    if output is not None:
        _refuse_used(output)
    if data is None:
        result = RunResult.load(run)
    else:
        trained = load_run(run)
        result = evaluate_run(trained, data)
        learnt = count_learnt(trained, result.predictions)
        options.warn_of_learnt(learnt, len(result.predictions))
    show_results((result,))
    if output is not None:
        with writing_folder(output) as folder:
            result.save(folder)
            build_report((result,), folder / "report.html")
        show_path("Report", output / "report.html")


def _refuse_used(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise RunError(f"{output}: is already there and not empty. Give a new directory with --output.")
