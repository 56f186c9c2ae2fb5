"""`lesioncare export`: a run's network in files for other programs."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare export runs/first/with --output exported/\n\n"
    "lesioncare export runs/first/with --output exported/ --formats onnx,timm\n\n"
    "lesioncare predict exported/ new_images/ --backend onnx"
)


def export(
    run: Annotated[Path, typer.Argument(help="Directory of a run.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="New directory.", show_default=False)],
    formats: Annotated[
        str | None,
        typer.Option(help="Some of onnx, torch-export, torchscript, timm. \\[default: all that can be had]"),
    ] = None,
    check_images: Annotated[int, typer.Option(help="Test images that each file is compared on.", min=0)] = 32,
    overwrite: Annotated[bool, typer.Option(help="Replace an export that is there.")] = False,
) -> None:
    """Export the network as ONNX, torch.export program, TorchScript and timm folder, each verified.

    Every file is opened again and must give the same logits as the network, on random inputs and on the
    run's test images. Beside them are preprocessing.json, which says what a program must do with an image
    before and with the logits after, and README.md, a model card to be completed.
    """
    from lesioncare.cli.say import say, show_path  # noqa: PLC0415  these load torch
    from lesioncare.cli.show_export import show_export  # noqa: PLC0415
    from lesioncare.deploy.export import check_directory, export_run  # noqa: PLC0415
    from lesioncare.deploy.formats import chosen_formats  # noqa: PLC0415
    from lesioncare.training.apply import load_run  # noqa: PLC0415

    chosen = chosen_formats(formats)
    check_directory(output, overwrite=overwrite)
    say("Writing each format and comparing it with the network: up to a minute for a large one.")
    done = export_run(load_run(run), output, formats=chosen, check_images=check_images, overwrite=overwrite)
    show_export(done)
    show_path("Export", output)
