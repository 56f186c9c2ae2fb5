"""`lesioncare segmenter`: train a network that segments lesions, and read what its file says."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lesioncare.cli import options
from lesioncare.cli.stopping import GOES_ON, when_stopped

__all__ = ["segmenter_app"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare segmenter train photos/ masks/ --output lesion.safetensors\n\n"
    "lesioncare segmenter train photos/ masks/ -o big.safetensors --model tf_efficientnet_lite0 "
    "--weights lite0.safetensors --image-size 256\n\n"
    "lesioncare boxes make photos/ --method segmentation:lesion.safetensors\n\n"
    "The same command again goes on where a stopped run was."
)
CARD_EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare segmenter card  [dim](the one that is shipped)[/dim]\n\n"
    "lesioncare segmenter card lesion.safetensors"
)

segmenter_app = typer.Typer(
    name="segmenter",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Train a network that segments lesions, for boxes from images without annotators.",
    epilog=EXAMPLES,
)


def _option(text: str, *names: str, **limits: Any) -> Any:
    return typer.Option(*names, help=text, **limits)


@segmenter_app.command(epilog=EXAMPLES)
def train(
    images: Annotated[Path, typer.Argument(help="Folder of images.", show_default=False)],
    masks: Annotated[
        Path,
        typer.Argument(
            help="Folder of masks, .png, lesions bright on black: named like their image, perhaps with "
            "_mask or the like behind it.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, _option("File to write.", "--output", "-o")] = Path("segmenter.safetensors"),
    model: Annotated[
        str, _option("tiny (0.7 MB), or the encoder of a U-Net: a timm model, tf_efficientnet_lite0.")
    ] = "tiny",
    weights: Annotated[
        str, _option("Of the encoder: none, pretrained (downloads), or a local file.")
    ] = "none",
    image_size: Annotated[str, _option("128 or HEIGHTxWIDTH; multiples of 32.")] = "128",
    epochs: Annotated[int, _option("Epochs.")] = 40,
    batch_size: Annotated[int, _option("Images per step.")] = 16,
    learning_rate: Annotated[float, _option("Largest learning rate (AdamW, cosine).")] = 1e-3,
    weight_decay: Annotated[float, _option("Weight decay.")] = 0.01,
    validation: Annotated[float, _option("Share of the images that is only scored.")] = 0.1,
    zoom: Annotated[float, _option("Smallest share of an image's area that a random crop has.")] = 0.25,
    seed: Annotated[int, _option("Seed of everything random.")] = 0,
    workers: Annotated[int, _option("Processes that augment images.")] = 0,
    accelerator: Annotated[str, _option("auto, cpu or gpu.")] = "auto",
    half: Annotated[bool, _option("Store 16-bit weights, at half the size.", "--half")] = False,
    mirrored: Annotated[
        bool, _option("Average the masks of mirror images in use: better, four times the work.", "--mirrored")
    ] = False,
    note: Annotated[str, _option("What the card shall say: data, purpose, licence.")] = "",
) -> None:
    """Train a segmenter from images and lesion masks.

    Any kind of image will do. The score at the end is that of images that the network has not learnt from.
    """
    when_stopped(GOES_ON)
    from lesioncare.cli.show import show_path  # noqa: PLC0415  these load torch
    from lesioncare.cli.show_segmenter import show_trained  # noqa: PLC0415
    from lesioncare.training.segmentation import SegmenterConfig, train_segmenter  # noqa: PLC0415

    config = SegmenterConfig.build(
        images=images, masks=masks, model=model, weights=weights, image_size=options.image_size(image_size),
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay,
        validation=validation, zoom=zoom, seed=seed, workers=workers, accelerator=accelerator, half=half,
        mirrored=mirrored, note=note,
    )  # fmt: skip
    show_trained(train_segmenter(config, output))
    show_path("Segmenter", output)


@segmenter_app.command(epilog=CARD_EXAMPLES)
def card(
    file: Annotated[
        Path | None,
        typer.Argument(help="A trained segmenter. \\[default: the shipped one]", show_default=False),
    ] = None,
) -> None:
    """Print what a segmenter's file says: network, image size, data, scores, licence."""
    from lesioncare.boxes.segmentation.file import read_spec  # noqa: PLC0415  loads torch
    from lesioncare.boxes.segmentation.shipped import shipped_file  # noqa: PLC0415
    from lesioncare.cli.show_segmenter import show_card  # noqa: PLC0415

    show_card(read_spec(file or shipped_file()))
