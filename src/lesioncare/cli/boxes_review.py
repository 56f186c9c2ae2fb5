"""`lesioncare boxes review`: check and fix boxes on a page in the browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesioncare.cli.stopping import when_stopped
from lesioncare.errors import ConfigError
from lesioncare.words import several

if TYPE_CHECKING:
    from lesioncare.review.reviewing import Review

__all__ = ["review"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare boxes review boxes.json --images photos/  [dim](Ctrl-C ends)[/dim]\n\n"
    "lesioncare boxes review boxes.json --images photos/ --run runs/first/with\n\n"
    "lesioncare boxes review boxes.json --export reviewed.json  [dim](any format, as boxes convert)[/dim]\n\n"
    "lesioncare boxes review boxes.json --agreement  [dim](between reviewers)[/dim]"
)


def review(
    source: Annotated[
        Path, typer.Argument(metavar="BOXES", help="File or folder with boxes.", show_default=False)
    ],
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the images.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--review", help="File that keeps the decisions. \\[default: BOXES.review]"),
    ] = None,
    from_format: Annotated[
        str | None, typer.Option("--from", help="Format of the boxes. \\[default: guessed]")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="A finished run, to show where its network looks.")
    ] = None,
    independent: Annotated[
        bool,
        typer.Option(
            "--independent",
            help="Every reviewer judges every image, blind to the others; to measure how far they agree.",
        ),
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1024, max=65535, help="Port. \\[default: 8017 or the next free one]")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the reviewed boxes there, and open no page.")
    ] = None,
    to_format: Annotated[
        str | None, typer.Option("--to", help="Format to export. \\[default: by the name's end]")
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Export only what this reviewer decided, also where others disagree.")
    ] = None,
    only_decided: Annotated[
        bool, typer.Option("--only-accepted", help="Export only images that somebody accepted.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the export if it is there.")
    ] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Show how far the reviewers agree, and open no page.")
    ] = False,
) -> None:
    """Check and fix boxes in the browser: accept, move, draw or reject, the least trusted first.

    Every decision is kept at once, in a file beside the boxes; the same command goes on from there. The page
    is for this computer only, and its address is secret. With --export the reviewed boxes are written, in any
    format, to be trained with.
    """
    from lesioncare.review.opening import open_review, review_file  # noqa: PLC0415  loads pandas

    if (export is not None or agreement) and not (file or review_file(source)).exists():
        raise ConfigError(
            f"{source}: there is no review of it yet. Begin one: name the --images, and leave out "
            "--export and --agreement."
        )
    if export is None and not agreement and images is None:
        raise ConfigError("--images: name the folder of the images that the page is to show.")
    opened = open_review(source, path=file, format=from_format, image_root=images, independent=independent)
    try:
        if agreement:
            _show_agreement(opened)
        if export is not None:
            _export(opened, export, to_format, images, reviewer, only_decided, overwrite)
        if images is not None and export is None and not agreement:
            _serve(opened, images, run, port, open_browser)
    finally:
        opened.close()


def _serve(opened: "Review", images: Path, run: Path | None, port: int | None, open_browser: bool) -> None:
    from lesioncare.review.app import review_app  # noqa: PLC0415  these load the web server
    from lesioncare.review.maps import saliency_maps  # noqa: PLC0415
    from lesioncare.review.pictures import Pictures  # noqa: PLC0415
    from lesioncare.review.serve import serve  # noqa: PLC0415

    maps = saliency_maps()
    if run is not None:
        from lesioncare.review.attention import open_attention  # noqa: PLC0415  loads torch

        maps["attention"] = open_attention(run)
    app = review_app(opened, Pictures(images, maps))
    when_stopped("Every decision is kept; the same command goes on from here.")
    serve(app, opened.store.token, port, lambda address: announce(address, open_browser))


def announce(address: str, open_browser: bool, *, kept: bool = True) -> None:
    """Print where the page is, and open it; `kept` says whether anything is decided on it."""
    print(f"The page: {address}\nCtrl-C ends{'; every decision is kept' if kept else ''}.", flush=True)
    if open_browser:
        import webbrowser  # noqa: PLC0415  only when asked

        webbrowser.open(address)


def _export(
    opened: "Review",
    target: Path,
    to_format: str | None,
    images: Path | None,
    reviewer: str | None,
    only_decided: bool,
    overwrite: bool,
) -> None:
    from lesioncare.boxes.formats import check_target, write_boxes  # noqa: PLC0415  as above
    from lesioncare.cli.boxes_show import show_converted  # noqa: PLC0415
    from lesioncare.review.export import reviewed_boxes  # noqa: PLC0415

    check_target(target, to_format, overwrite=overwrite)
    boxset = reviewed_boxes(opened, reviewer=reviewer, only_decided=only_decided)
    losses = write_boxes(boxset, target, to_format, image_root=images, overwrite=overwrite)
    counts = opened.state.counts
    decided = ", ".join(f"{counts[name]} {name}" for name in ("accepted", "rejected", "skipped", "edited"))
    print(f"Of {several(opened.store.count(), 'image')} {decided}.")
    show_converted(boxset, losses, target)


def _show_agreement(opened: "Review") -> None:
    from lesioncare.review.export import agreements  # noqa: PLC0415  as above

    found = agreements(opened)
    if not found:
        print(
            "No two reviewers have decided an image in common. Begin with --independent to have them do so."
        )
    for one in found:
        print(
            f"{one.first} and {one.second}: {several(one.images, 'image')} in common, "
            f"the same decision on {one.same}, Cohen's kappa {one.kappa:.2f}; "
            f"{one.both_accepted} accepted by both, mean IoU {one.iou:.3f}"
        )
