"""`lesioncare demo`: synthetic images, two networks, one report."""

from pathlib import Path
from typing import Annotated

import typer

from lesioncare.cli.stopping import GOES_ON, when_stopped

__all__ = ["demo"]

_MARKER = (
    "Each of the three rare kinds of lesion has a coloured marker on the skin in nearly all training images, "
    "and in no test image: a network that has learnt the marker misses them here."
)
EXAMPLES = (
    "[bold]Examples[/bold]\n\nlesioncare demo\n\nlesioncare demo --output /tmp/lesioncare-demo --seed 1"
)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory for images, runs and report.")
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of images and training.", min=0)] = 0,
) -> None:
    """Show what attention to lesions does, on images that the program draws itself.

    The three rare kinds of lesion come with a coloured marker on the skin in nearly all training images,
    and without it in the test images: a network that learns the marker misses the disease. A small network is
    trained without and with attention to the lesions' boxes, from random weights, on the CPU.
    """
    when_stopped(GOES_ON)
    from lesioncare.cli.show import show_path, show_results  # noqa: PLC0415  these load torch
    from lesioncare.experiment.demo import run_demo  # noqa: PLC0415
    from lesioncare.report import build_report  # noqa: PLC0415

    runs = run_demo(output, seed=seed, announce=lambda text: print(text, flush=True))
    show_results(runs)
    title = "Demonstration on synthetic images"
    show_path("Report", build_report(runs, output / "report.html", title=title, notes=(_MARKER,)))
