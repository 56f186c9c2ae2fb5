"""`lesioncare report`: the report of runs or of a comparison, as a file or as a page to look around in."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lesioncare.cli.boxes_review import announce
from lesioncare.cli.runs import load_results
from lesioncare.cli.stopping import when_stopped
from lesioncare.errors import RunError

__all__ = ["report_app"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare report runs/first  [dim](both runs, where it was trained with --baseline)[/dim]\n\n"
    "lesioncare report runs/plain runs/care --output both.html  [dim](against the first)[/dim]\n\n"
    "lesioncare report comparison  [dim](of `compare`; also where cells are missing)[/dim]\n\n"
    "lesioncare report serve runs/first  [dim](test images and maps, in the browser)[/dim]"
)


class _WriteUnlessNamed(TyperGroup):
    """`lesioncare report RUNS` writes the report; a folder called serve is ./serve."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `write` before anything that is neither a command nor a call for help."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["write", *args]
        return super().parse_args(ctx, args)


report_app = typer.Typer(
    name="report",
    cls=_WriteUnlessNamed,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Write the report of runs, or show their test images. `report RUNS` means `report write RUNS`.",
    epilog=EXAMPLES,
)


@report_app.command(epilog=EXAMPLES)
def write(
    runs: Annotated[
        list[Path], typer.Argument(help="Directories of runs, the first is compared with; or one comparison.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="HTML file to write. \\[default: report.html in the directory; of several, in this folder]",
            show_default=False,
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
) -> None:
    """Write the report of finished runs, or of a comparison, as one HTML file that needs nothing else."""
    from lesioncare.evaluation.files import HTML, refuse_foreign  # noqa: PLC0415  these load torch

    if output is None:
        output = Path("report.html") if len(runs) > 1 else runs[0] / "report.html"
    refuse_foreign(output, HTML)
    if any((given / "comparison.json").exists() for given in runs):
        _report_comparison(runs, output, title)
        return
    from lesioncare.cli.show import show_path, show_results  # noqa: PLC0415  these load torch
    from lesioncare.report import build_report  # noqa: PLC0415

    results = load_results(runs)
    written = build_report(results, output, title=title)
    show_results(results)
    show_path("Report", written)


@report_app.command(epilog=EXAMPLES)
def serve(
    runs: Annotated[
        list[Path], typer.Argument(help="Directories of runs, the first is compared with; or one comparison.")
    ],
    port: Annotated[
        int | None, typer.Option(min=1024, max=65535, help="Port. \\[default: 8017 or the next free one]")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Show the test images of runs in the browser, under each arm's map, by what changed between the arms."""
    import secrets  # noqa: PLC0415  only here

    from lesioncare.experiment import Comparison  # noqa: PLC0415  these load torch and the web server
    from lesioncare.review.results import Results  # noqa: PLC0415
    from lesioncare.review.results_app import results_app  # noqa: PLC0415
    from lesioncare.review.serve import serve as serve_app  # noqa: PLC0415

    if any((given / "comparison.json").exists() for given in runs):
        if len(runs) > 1:
            raise RunError("A comparison is shown alone. Give its directory alone.")
        results = Results.of_comparison(Comparison.load(runs[0]))
    else:
        results = Results.of(load_results(runs))
    when_stopped("The same command shows the page again, at another address.")
    token = secrets.token_urlsafe(24)
    serve_app(results_app(results), token, port, lambda address: announce(address, open_browser, kept=False))


def _report_comparison(given: list[Path], output: Path, title: str | None) -> None:
    from lesioncare.cli.show_comparison import save_report  # noqa: PLC0415  these load torch
    from lesioncare.experiment import Comparison  # noqa: PLC0415

    if len(given) > 1:
        raise RunError("A comparison has a report of its own. Give its directory alone.")
    save_report(Comparison.load(given[0]), output, title=title)
