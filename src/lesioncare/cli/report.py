"""`lesioncare report`: the report of one run, or of several on the same test images."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare report runs/first  [dim](both runs, where it was trained with --baseline)[/dim]\n\n"
    "lesioncare report runs/plain runs/care --output comparison.html  [dim](against the first)[/dim]"
)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Directories of runs; the first is compared with.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
) -> None:
    """Write the report of finished runs as one HTML file that needs nothing else."""
    from lesioncare.cli.show import show_path, show_results  # noqa: PLC0415  these load torch
    from lesioncare.evaluation import RunResult  # noqa: PLC0415
    from lesioncare.report import build_report  # noqa: PLC0415

    results = [RunResult.load(run) for given in runs for run in _both(given)]
    written = build_report(results, output, title=title)
    show_results(results)
    show_path("Report", written)


def _both(given: Path) -> list[Path]:
    """The two runs of a directory that `train --baseline` made; otherwise the directory itself."""
    pair = [given / "without", given / "with"]
    return pair if all(run.is_dir() for run in pair) else [given]
