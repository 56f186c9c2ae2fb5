"""`lesioncare predict`: probabilities for new images."""

from pathlib import Path
from typing import Annotated

import typer

from lesioncare.cli import options
from lesioncare.errors import RunError

__all__ = ["predict"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare predict runs/first/with new_images/ --output predictions.csv\n\n"
    "lesioncare predict runs/first/with new_images.csv --images scans/"
)


def predict(
    run: Annotated[Path, typer.Argument(help="Directory of a run.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="Folder of images, or a table of them.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV file to write.")] = Path(
        "predictions.csv"
    ),
    images: options.ImageRoot = None,
    image_column: options.ImageColumn = None,
    batch_size: Annotated[int, typer.Option(help="Images per pass.", min=1)] = 32,
    overwrite: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Predict the class of new images; labels are not needed.

    Writes one row per image: the file, the predicted class, and the probability of each class.
    """
    from lesioncare.cli.show import show_path  # noqa: PLC0415  these load torch
    from lesioncare.evaluation.files import write_file  # noqa: PLC0415
    from lesioncare.training.apply import load_run, predict_images  # noqa: PLC0415

    if not output.parent.is_dir():
        raise RunError(f"{output}: there is no folder {str(output.parent)!r}. Make it, or change --output.")
    if output.exists() and not overwrite:
        raise RunError(f"{output}: is already there. Give another --output, or --overwrite to replace it.")
    frame = predict_images(
        load_run(run), source, image_root=images, image_column=image_column, batch_size=batch_size
    )
    write_file(output, frame.to_csv(index=False).encode())
    show_path(f"Predictions of {len(frame)} images", output)
