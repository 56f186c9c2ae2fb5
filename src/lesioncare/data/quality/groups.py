"""The table once more, with groups that no split tears apart: twins share one, as do a lesion's images."""

import pandas as pd

from lesioncare.data.quality.check import DataCheck
from lesioncare.data.quality.twins import clusters
from lesioncare.data.table import Columns
from lesioncare.rawtable import read_raw_table

__all__ = ["grouped_table"]


def grouped_table(check: DataCheck, columns: Columns) -> pd.DataFrame:
    """Give the table's cells with a group for each image.

    Images that are twins, or twins of twins, or have one group already, get one: the name of the first
    group among them, else that of the first image.

    Args:
        check: of the table.
        columns: which of its columns mean what.

    Returns:
        All columns as text, in their order, and the rows as they are. The groups are in the groups' column,
        or in a new last one, "group".
    """
    rows = check.rows
    known = rows["group"] if "group" in rows.columns else pd.Series("", index=rows.index)
    own = known.where(known != "", "image " + rows["path"].where(rows["path"] != "", rows["image"]))
    # A group counts as one image, so that its twins are joined with all of it.
    number = pd.factorize(own)[0]
    pairs = [(int(number[one]), int(number[other])) for one, other in (twin.pair for twin in check.twins)]
    joined = clusters(pairs, len(rows))
    cluster = pd.Series(joined[number], index=rows.index)
    named = known.where(known != "").groupby(cluster).transform("first")
    name = named.fillna(rows["image"].groupby(cluster).transform("first"))
    of_line = dict(zip(rows["row"], name, strict=True))
    of_image = dict(zip(rows["image"], name, strict=True))
    table = read_raw_table(check.source)
    images = table[columns.image]
    groups = [of_line.get(line, of_image.get(image, image)) for line, image in images.items()]
    return table.assign(**{columns.group or "group": groups})
