"""`lesioncare predict`: probabilities for new images, from a run or from an export of one."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesioncare.cli import options
from lesioncare.errors import ConfigError, RunError
from lesioncare.words import several

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["predict"]

_FEW = 5
"""Of so many images the answers are printed, too."""

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare predict runs/first/with new_images/ --output predictions.csv\n\n"
    "lesioncare predict runs/first/with lesion.jpg\n\n"
    "lesioncare predict runs/first/with new_images.csv --images scans/ --overlays seen/\n\n"
    "lesioncare predict exported/ new_images/ --backend onnx   [dim](needs no torch)[/dim]"
)


def predict(
    run: Annotated[
        Path, typer.Argument(help="Directory of a run, or of an export of one.", show_default=False)
    ],
    source: Annotated[
        Path, typer.Argument(help="Folder of images, one image, or a table of them.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV file to write.")] = Path(
        "predictions.csv"
    ),
    images: options.ImageRoot = None,
    image_column: options.ImageColumn = None,
    overlays: Annotated[
        Path | None,
        typer.Option(help="New folder for pictures of where the network looked; a run's network only."),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="What runs an export: onnx or torch. \\[default: torch for a run, else onnx]"),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Probabilities as they come, without the fitted temperature.")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Images per pass.", min=1)] = 32,
    overwrite: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Predict the class of new images; labels are not needed.

    Writes one row per image: the file, the predicted class, and the probability of each class, calibrated
    by a temperature that was fitted on the run's validation part (--raw leaves it out).

    With --overlays also a picture of each image under the map of its predicted class, and the box of what
    stands out there.
    """
    from lesioncare.boxes.formats.atomic import writing_file, writing_folder  # noqa: PLC0415  these load pandas
    from lesioncare.cli.say import say, show_path  # noqa: PLC0415
    from lesioncare.data import find_images  # noqa: PLC0415
    from lesioncare.deploy.answers import answers  # noqa: PLC0415
    from lesioncare.deploy.manifest import is_export  # noqa: PLC0415

    _check(output, overlays, backend, overwrite=overwrite)
    model = _exported(run, backend, overlays) if is_export(run) else _trained(run, backend)
    table = find_images(source, image_root=images, image_column=image_column)
    temperature = None if raw else model.temperature
    with writing_folder(overlays) if overlays else nullcontext() as pictures:
        logits, looks = model.predict(table, batch_size, pictures)
        frame = answers(table, logits, model.classes, temperature).join(looks)
        with writing_file(output) as temporary:
            frame.to_csv(temporary, index=False)
    if len(frame) <= _FEW:
        for sentence in _in_words(frame, model.classes):
            say(sentence)
    if temperature is None and not raw:
        say(
            "The run kept no validation part, so no temperature could be fitted: its probabilities are as "
            "the network gives them, often too sure."
        )
    show_path(f"Predictions of {several(len(frame), 'image')}", output)
    if overlays is not None:
        show_path("Overlays", overlays)


def _in_words(frame: "DataFrame", classes: tuple[str, ...]) -> Iterator[str]:
    """What each image is called, and how sure the network is."""
    for _, row in frame.iterrows():
        sure = sorted(((float(row[f"probability:{name}"]), name) for name in classes), reverse=True)[:3]
        shares = ", ".join(f"{name} {100 * share:.1f} %" for share, name in sure)
        yield f"{row['image']}: {row['prediction']} ({shares})"


def _check(output: Path, overlays: Path | None, backend: str | None, *, overwrite: bool) -> None:
    if not output.parent.is_dir():
        raise RunError(f"{output}: there is no folder {str(output.parent)!r}. Make it, or change --output.")
    if output.exists() and not overwrite:
        raise RunError(f"{output}: is already there. Give another --output, or --overwrite to replace it.")
    if output.is_dir():
        raise RunError(f"{output}: is a folder. Name a file with --output.")
    if overlays is not None and (overlays.is_file() or (overlays.is_dir() and any(overlays.iterdir()))):
        raise RunError(f"{overlays}: is already there and not an empty folder. Give another --overlays.")
    if backend not in (None, "onnx", "torch"):
        raise ConfigError(f"--backend: must be onnx or torch, but got {backend!r}.")


@dataclass(frozen=True)
class _Model:
    """What predicts: (table, batch size, folder of overlays) -> logits, and where it looked."""

    classes: tuple[str, ...]
    temperature: float | None
    predict: Callable[[Any, int, Path | None], tuple[Any, Any]]


def _exported(directory: Path, backend: str | None, overlays: Path | None) -> _Model:
    from pandas import DataFrame  # noqa: PLC0415

    from lesioncare.deploy.exported import ExportedModel  # noqa: PLC0415

    if overlays is not None:
        raise ConfigError(
            f"{directory}: an export gives logits and no maps. For --overlays give the run's directory."
        )
    model = ExportedModel(directory, "torch" if backend == "torch" else "onnx")

    def run(table: Any, batch_size: int, _: Path | None) -> tuple[Any, Any]:
        return model.predict(table, batch_size=batch_size), DataFrame(index=table.frame.index)

    return _Model(model.manifest.classes, model.manifest.temperature, run)


def _trained(directory: Path, backend: str | None) -> _Model:
    from lesioncare.deploy import predict_run, run_temperature  # noqa: PLC0415  these load torch
    from lesioncare.training.apply import load_run  # noqa: PLC0415

    trained = load_run(directory)
    if backend == "onnx":
        raise ConfigError(
            f"{directory}: is a run, and --backend onnx runs an export. Make one: "
            f"lesioncare export {directory} --output DIR."
        )

    def run(table: Any, batch_size: int, overlays: Path | None) -> tuple[Any, Any]:
        return predict_run(trained, table, batch_size=batch_size, overlays=overlays)

    return _Model(trained.result.classes, run_temperature(trained.result), run)
