"""`lesioncare import`: a table and boxes from a data set as it was published."""

from pathlib import Path
from typing import Annotated

import typer

from lesioncare.errors import ConfigError

__all__ = ["import_"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare import --list\n\n"
    "lesioncare import ham10000 HAM10000/ --output ham\n\n"
    "lesioncare import folder clinic/ --output clinic-table --group-key clinic.key\n\n"
    "lesioncare import chestxray14 CXR8/ --label-rule one:Pneumothorax"
)


def import_(
    name: Annotated[str | None, typer.Argument(help="Name of the layout; --list shows them.")] = None,
    path: Annotated[
        Path | None, typer.Argument(help="Folder of the unpacked data set; of MedMNIST, the .npz file.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="New folder for table.csv and boxes.csv. \\[default: NAME]"),
    ] = None,
    label_rule: Annotated[
        str,
        typer.Option(
            help="Several findings of one image: single leaves these images out; one:NAME tells one finding "
            "from the rest."
        ),
    ] = "single",
    no_split: Annotated[
        bool, typer.Option("--no-split", help="Leave the official train, val and test parts out.")
    ] = False,
    group_key: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps the secret key with which patients are hashed, made where it is missing; "
            "tables made with the same key agree. \\[default: a new key, kept nowhere]"
        ),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show the layouts and their files.")] = False,
) -> None:
    """Make a table and a box file from a data set as it was published; check its counts, say its licence.

    The images stay where they are. Patient ids are hashed before anything is written.
    """
    if not show_list and (name is None or path is None):
        raise ConfigError("lesioncare import needs NAME and PATH. lesioncare import --list shows the names.")
    from lesioncare.cli.import_show import show_imported, show_layouts  # noqa: PLC0415  these load torch
    from lesioncare.data.imports import LAYOUTS, LabelRule, Settings, import_dataset  # noqa: PLC0415

    if name is None or path is None or show_list:
        show_layouts(LAYOUTS)
        return
    settings = Settings(LabelRule.parse(label_rule), official_split=not no_split)
    show_imported(import_dataset(name, path, output or Path(name), settings, key_file=group_key))
