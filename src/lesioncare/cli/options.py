"""Options that several commands share."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesioncare.cli.say import say
from lesioncare.errors import ConfigError
from lesioncare.words import several

if TYPE_CHECKING:
    from lesioncare.training import DataConfig

__all__ = [
    "BoxColumns",
    "BoxFile",
    "BoxUnit",
    "GroupColumn",
    "ImageColumn",
    "ImageRoot",
    "LabelColumn",
    "SplitColumn",
    "Table",
    "column_options",
    "four_columns",
    "image_size",
    "layer_names",
    "other_table",
    "rare_names",
    "tell_columns",
    "warn_of_learnt",
]

_COLUMNS = "Columns of the table"

Table = Annotated[
    Path,
    typer.Argument(help="CSV or Parquet file with one row per image.", show_default=False),
]
ImageRoot = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the images. \\[default: the table's folder, or images/ in it]"),
]
BoxFile = Annotated[
    Path | None,
    typer.Option(
        "--boxes",
        help="Lesion boxes: CSV, COCO, YOLO ... \\[default: box columns of the table, if any]",
    ),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(
        help="File name or id of the image. \\[default: image, image_id, file, ...]", rich_help_panel=_COLUMNS
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="Class. \\[default: label, class, dx, ...]", rich_help_panel=_COLUMNS),
]
GroupColumn = Annotated[
    str | None,
    typer.Option(
        help="Patient or lesion; stays on one side of a split. \\[default: lesion_id, patient, ...]",
        rich_help_panel=_COLUMNS,
    ),
]
SplitColumn = Annotated[
    str | None,
    typer.Option(
        help="train, val or test, if you have fixed it. \\[default: split]", rich_help_panel=_COLUMNS
    ),
]
BoxColumns = Annotated[
    str | None,
    typer.Option(
        help="Left, top, right and bottom edge, as in x1,y1,x2,y2. \\[default: guessed]",
        rich_help_panel=_COLUMNS,
    ),
]
BoxUnit = Annotated[
    str,
    typer.Option(help="Unit of the edges: auto, pixel or fraction.", rich_help_panel=_COLUMNS),
]


def warn_of_learnt(learnt: int, images: int) -> None:
    """Say that a run is tested on images that it knows."""
    if learnt:
        of = f"{learnt} of these {several(images, 'image')}"
        say(f"Warning: the run has learnt from {of}; the figures flatter it.")


def tell_columns(table: Path, columns: Mapping[str, Any], *unused: str) -> None:
    """Say which columns are read, and that each image is a lesion of its own where no column has groups.

    It loads no torch, so that a misspelt column is told at once.

    Args:
        table: the table.
        columns: of `column_options`, or the same fields of a `DataConfig`.
        unused: fields of `Columns` that are not read: "box" where the boxes are in a file of their own.

    Raises:
        DataError: there is no such table, or no such column.
    """
    from lesioncare.data import Columns  # noqa: PLC0415  loads pandas
    from lesioncare.rawtable import read_header  # noqa: PLC0415

    header = read_header(table)
    named = {name: columns[f"{name}_column"] for name in ("image", "label", "group", "split")}
    found = Columns.of(header, **named, box=columns["box_columns"])
    nothing: dict[str, Any] = dict.fromkeys(unused)
    read = replace(found, **nothing)
    read.check(header, table)
    say(read.sentence(header))
    if found.group is None:
        say(
            "No group column: every image counts as a lesion or patient of its own. If several images show "
            f"the same one, name its column with --group-column (columns: {', '.join(header)})."
        )


def column_options(
    *,
    image: str | None,
    label: str | None,
    group: str | None,
    split: str | None,
    box: str | None,
    unit: str | None,
) -> dict[str, object]:
    """Give the table's column options as `DataConfig` has them.

    Raises:
        ConfigError: the box columns are not four names.
    """
    return {
        "image_column": image,
        "label_column": label,
        "group_column": group,
        "split_column": split,
        "box_columns": four_columns(box) if box else None,
        "box_unit": unit,
    }


def other_table(
    table: Path | None, columns: dict[str, object], *, images: Path | None, boxes: Path | None
) -> "DataConfig | None":
    """Give the labelled table that trained runs are applied to; None is their own test part.

    Args:
        table: the table.
        columns: of `column_options`.
        images: folder of its images.
        boxes: file of its boxes.

    Raises:
        ConfigError: there is no table, and an option that would say something of it.
    """
    from lesioncare.training.config import DataConfig  # noqa: PLC0415  loads torch

    if table is not None:
        return DataConfig.build(table=table, image_root=images, box_file=boxes, **columns)
    about = {name.replace("_", "-"): value for name, value in columns.items() if name != "box_unit"}
    idle = [name for name, value in {"images": images, "boxes": boxes, **about}.items() if value is not None]
    if idle:
        raise ConfigError(
            f"--{idle[0]} is for a table of other images: the runs' own test part says where its images are. "
            "Name the table, or leave the option out."
        )
    return None


def four_columns(text: str) -> tuple[str, str, str, str]:
    """Read the names of the box columns.

    Raises:
        ConfigError: they are not four.
    """
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 4:
        raise ConfigError(f"--box-columns needs four names, as in x1,y1,x2,y2, but got {text!r}.")
    return names


def rare_names(rare: str | None) -> str | tuple[str, ...] | None:
    """Give "auto" or nothing as it is, else the names between the commas."""
    return rare if rare in (None, "auto") else tuple(name.strip() for name in rare.split(","))


def layer_names(given: list[str] | None) -> str | tuple[str, ...] | None:
    """Give the one layer, or the several, that an option given once or again names; commas separate too."""
    names = tuple(name.strip() for text in given or () for name in text.split(","))
    return names if len(names) > 1 else next(iter(names), None)


def image_size(text: str | None) -> tuple[int, int] | None:
    """Read 224 or HEIGHTxWIDTH.

    Raises:
        ConfigError: it is neither.
    """
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(
            f"--image-size needs a number or HEIGHTxWIDTH, as in 224 or 192x256, but got {text!r}."
        )
    return int(parts[0]), int(parts[-1])
