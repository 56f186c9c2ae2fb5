"""The application: its commands, its help, and the one place where errors become messages."""

import inspect
import os
import signal
import sys
from typing import Annotated

import typer

from lesioncare.allocator import keep_freed_memory
from lesioncare.cli import (
    audit,
    boxes,
    compare,
    data_check,
    demo,
    evaluate,
    export,
    import_,
    predict,
    report,
    segmenter,
    splits,
    train,
)
from lesioncare.cli.stopping import BEGINS_ANEW, when_stopped, words_when_stopped
from lesioncare.errors import LesionCareError

__all__ = ["app", "main"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 128 + signal.SIGTERM


def _paragraphs(docstring: str | None) -> str:
    """Unwrap a docstring's paragraphs, which rich wraps again to the terminal's width."""
    paragraphs = inspect.cleandoc(docstring or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


app = typer.Typer(
    name="lesioncare",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Train image classifiers on imbalanced medical data, and make them look at the lesion.\n\n"
        "Begin with [bold]lesioncare demo[/bold]: it draws its own images, trains without and with attention "
        "and writes a report. Then give [bold]lesioncare train[/bold] a table of your own images.\n\n"
        "Research software: not a medical device."
    ),
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "lesioncare demo\n\n"
        "lesioncare splits table.csv --group-column patient\n\n"
        "lesioncare train table.csv --output runs/first --freeze auto --baseline\n\n"
        "lesioncare compare table.csv --arms ce,care,energy-all,balanced-softmax --freeze auto\n\n"
        "lesioncare audit runs/first\n\n"
        "lesioncare predict runs/first/with new_images/ --output predictions.csv"
    ),
)
for command, panel in (
    (demo.demo, "Begin here"),
    (train.train, "Train and test"),
    (compare.compare, "Train and test"),
    (evaluate.evaluate, "Train and test"),
    (audit.audit, "Train and test"),
    (predict.predict, "Use"),
    (export.export, "Use"),
    (import_.import_, "Data"),
    (splits.splits, "Data"),
):
    app.command(
        name=command.__name__.rstrip("_"),
        help=_paragraphs(command.__doc__),
        epilog=sys.modules[command.__module__].EXAMPLES,
        rich_help_panel=panel,
    )(command)
for group, panel in (
    (report.report_app, "Train and test"),
    (data_check.data_app, "Data"),
    (boxes.boxes_app, "Data"),
    (segmenter.segmenter_app, "Data"),
):
    for registered in group.registered_commands:
        registered.help = _paragraphs(inspect.getdoc(registered.callback))
    app.add_typer(group, rich_help_panel=panel)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version  # noqa: PLC0415  only when asked

        print(f"lesioncare {version('lesioncare')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def _terminate(*_: object) -> None:
    """End as after Ctrl-C: what a batch system preempts tidies up, and may be queued again."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the tidying
    os.write(2, b"\nlesioncare: stopping ...\n")  # not print, which may have been interrupted itself
    raise SystemExit(EXIT_TERMINATED)


def main() -> None:
    """Run the command line; what a user can mend ends in one message and exit code 2."""
    when_stopped(BEGINS_ANEW)
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _terminate)
    sys.path.append("")  # --model package.module:function may be a file in the current folder
    try:
        app()
    except SystemExit as end:  # typer ends with this code on Ctrl-C
        if end.code in (EXIT_INTERRUPTED, EXIT_TERMINATED):
            print(f"\nlesioncare: stopped. {words_when_stopped()}", file=sys.stderr)
        raise
    except LesionCareError as error:
        print(f"lesioncare: error: {error}", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT) from None
