"""`lesioncare splits`: folds that no lesion or patient crosses."""

from pathlib import Path
from typing import Annotated

import typer

from lesioncare.cli import options

__all__ = ["splits"]

EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "lesioncare splits table.csv --group-column lesion_id\n\n"
    "lesioncare splits table.csv --folds 10 --output folds.csv"
)


_COLUMNS = ["image", "label", "group", "fold"]


def splits(
    table: options.Table,
    folds: Annotated[int, typer.Option(help="How many folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the folds; lesioncare train and compare use 0.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write image, label, group and fold to this CSV file."),
    ] = None,
    images: options.ImageRoot = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
) -> None:
    """Deal the images into folds, stratified by class, with each group in one fold only; show the counts."""
    import numpy as np  # noqa: PLC0415  these load torch

    from lesioncare.cli.show import show_folds, show_path  # noqa: PLC0415
    from lesioncare.data import table_folds  # noqa: PLC0415
    from lesioncare.evaluation.files import refuse_foreign, write_file  # noqa: PLC0415
    from lesioncare.training import DataConfig  # noqa: PLC0415
    from lesioncare.training.inputs import read_table  # noqa: PLC0415

    if output is not None:
        refuse_foreign(output, ",".join(_COLUMNS).encode())
    columns = options.column_options(
        image=image_column, label=label_column, group=group_column, split=None, box=None, unit="auto"
    )
    data = DataConfig.build(table=table, image_root=images, check_images=False, **columns)
    options.tell_columns(table, columns, "split", "box")
    loaded = read_table(data)
    fold = table_folds(loaded, n_folds=folds, seed=seed)
    members = [np.flatnonzero(fold == number) for number in range(folds)]
    counts = {name: [loaded.class_counts(rows)[name] for rows in members] for name in loaded.classes}
    show_folds(counts, [len(set(loaded.groups[rows])) for rows in members])
    if output is not None:
        frame = loaded.frame.assign(label=np.array(loaded.classes)[loaded.labels], fold=fold)
        write_file(output, frame[_COLUMNS].to_csv(index=False).encode())
        show_path("Folds", output)
