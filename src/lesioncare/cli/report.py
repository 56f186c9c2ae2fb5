"""`lesioncare report`: the report of one run, of several on the same test images, or of a comparison."""

from pathlib import Path
from typing import Annotated

import typer

from lesioncare.cli import options
from lesioncare.errors import RunError

__all__ = ["report"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare report runs/first  [dim](both runs, where it was trained with --baseline)[/dim]\n\n"
    "lesioncare report runs/plain runs/care --output both.html  [dim](against the first)[/dim]\n\n"
    "lesioncare report comparison  [dim](what `lesioncare compare` made; also where cells are missing)[/dim]"
)


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Directories of runs, the first is compared with; or one comparison.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="HTML file to write. \\[default: report.html; of a comparison, in its directory]",
            show_default=False,
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
) -> None:
    """Write the report of finished runs, or of a comparison, as one HTML file that needs nothing else."""
    if any((given / "comparison.json").exists() for given in runs):
        _report_comparison(runs, output, title)
        return
    from lesioncare.cli.show import show_path, show_results  # noqa: PLC0415  these load torch
    from lesioncare.evaluation import RunResult  # noqa: PLC0415
    from lesioncare.report import build_report  # noqa: PLC0415

    results = [RunResult.load(run) for given in runs for run in options.both_runs(given)]
    written = build_report(results, output or Path("report.html"), title=title)
    show_results(results)
    show_path("Report", written)


def _report_comparison(given: list[Path], output: Path | None, title: str | None) -> None:
    from lesioncare.cli.show_comparison import save_report  # noqa: PLC0415  these load torch
    from lesioncare.experiment import Comparison  # noqa: PLC0415

    if len(given) > 1:
        raise RunError("A comparison has a report of its own. Give its directory alone.")
    save_report(Comparison.load(given[0]), output, title=title)
