"""`lesioncare audit`: does a network know the disease by the lesion, or by something beside it?"""

import os
from pathlib import Path
from typing import Annotated

import typer

from lesioncare.cli import options
from lesioncare.cli.runs import load_trained, run_directories
from lesioncare.errors import RunError

__all__ = ["audit"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare audit runs/first/with   [dim](its own test part; writes runs/first/with/audit)[/dim]\n\n"
    "lesioncare audit runs/first --output audit   [dim](both runs of --baseline, against the first)[/dim]\n\n"
    "lesioncare audit runs/plain runs/care --artefacts ruler,hair --limit 500 --output audit\n\n"
    "lesioncare audit runs/first/with --boxes boxes.csv\n\n"
    "lesioncare audit runs/first/with --table other_hospital.csv --images scans/"
)
_HOW = "How the audit is made"


def audit(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Directories of runs; the first is compared with.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Directory to write; an audit that is there is replaced. \\[default: audit/ in the run's "
            "directory; of several runs, audit/]",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Audit on all images of this labelled table. \\[default: the runs' test part]"),
    ] = None,
    images: options.ImageRoot = None,
    boxes: options.BoxFile = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Audit at most so many images; the classes take turns. \\[default: all]", min=1),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            help="Each edge of a box is moved outward by this share of its side.", rich_help_panel=_HOW
        ),
    ] = 0.1,
    artefacts: Annotated[
        str | None,
        typer.Option(
            help="What to paste beside the lesion, as in ruler,hair; or none. \\[default: all kinds]",
            rich_help_panel=_HOW,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(help="Steps of deletion and insertion; 0 for none.", min=0, rich_help_panel=_HOW)
    ] = 8,
    seed: Annotated[
        int, typer.Option(help="Seed of all that is drawn at random.", min=0, rich_help_panel=_HOW)
    ] = 0,
    workers: Annotated[
        int, typer.Option(help="Processes that load and change images.", min=0, rich_help_panel=_HOW)
    ] = 0,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
    box_columns: options.BoxColumns = None,
    box_unit: options.BoxUnit = "auto",
) -> None:
    """Hide the lesion and ask again: a network that still knows the disease uses something beside it.

    The test images that have a box are shown to the network in changed copies: with the lesion filled in from
    what surrounds it, with nothing but the lesion, with the lesion before the background of another class,
    and with rulers, hairs, dark corners, stickers and pen marks beside it. Says in sentences with intervals
    what becomes of the recall, and writes them with pictures to audit.html.

    The pasted artefacts are those of dermoscopy and mean little on X-rays and ultrasound: leave them out
    there with --artefacts none.
    """
    from lesioncare.cli.show import show_path  # noqa: PLC0415  these load torch
    from lesioncare.cli.show_audit import show_audit  # noqa: PLC0415
    from lesioncare.report import build_audit_report  # noqa: PLC0415
    from lesioncare.training.apply import count_learnt  # noqa: PLC0415
    from lesioncare.training.audit import AuditOptions, audit_runs, own_images, table_images  # noqa: PLC0415

    columns = options.column_options(
        image=image_column, label=label_column, group=group_column, split=None, box=box_columns, unit=box_unit
    )
    pasted = {} if artefacts is None else {"artefacts": _names(artefacts)}
    how = AuditOptions(margin=margin, steps=steps, limit=limit, seed=seed, workers=workers, **pasted)
    data = options.other_table(table, columns, images=images, boxes=boxes if table else None)
    directories = run_directories(runs)
    target = output or (directories[0] / "audit" if len(directories) == 1 else Path("audit"))
    _refuse_used(target)
    trained = load_trained(directories)
    if data is None:
        chosen = own_images(trained, boxes)
    else:
        chosen = table_images(trained, data)
        options.warn_of_learnt(max(count_learnt(run, chosen) for run in trained), len(chosen))
    found = audit_runs(trained, chosen, how)
    found.save(target)
    build_audit_report(found, target / "audit.html")
    show_audit(found)
    show_path("Audit", target / "audit.html")


def _names(artefacts: str) -> tuple[str, ...]:
    """The names between the commas; none for "none"."""
    return () if artefacts == "none" else tuple(name.strip() for name in artefacts.split(","))


_BEGUN = {"audit.csv", "audit.html"}
"""What an audit that was killed may have left."""


def _refuse_used(target: Path) -> None:
    """Only an audit may be replaced; what cannot be written is said before the work begins."""
    if target.exists() and not target.is_dir():
        raise RunError(f"{target}: is a file. Give a directory with --output.")
    names = {entry.name for entry in target.iterdir()} if target.exists() else set()
    if names - _BEGUN and "audit.json" not in names:
        raise RunError(f"{target}: is not empty and holds no audit. Give another directory with --output.")
    home = next(one for one in (target, *target.absolute().parents) if one.exists())
    if not home.is_dir() or not os.access(home, os.W_OK):
        raise RunError(f"{target}: cannot be written. Give another directory with --output.")
