"""From logits to the table of answers."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from lesioncare.data.table import ImageTable
from lesioncare.errors import ModelError
from lesioncare.words import several

__all__ = ["answers"]


def answers(
    table: ImageTable, logits: NDArray[np.floating], classes: tuple[str, ...], temperature: float | None
) -> pd.DataFrame:
    """One row per image: image, path, prediction, and probability:CLASS for each class.

    Args:
        table: the N images.
        logits: [N, C].
        classes: C names.
        temperature: probabilities are softmax(logits / temperature); None: softmax(logits).

    Raises:
        ModelError: a logit is not a finite number.
    """
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(broken):
        raise ModelError(
            f"{table.frame['path'].iloc[broken[0]]}: the network's answer is no finite number "
            f"({several(len(broken), 'image')}). Check the image, or train again with a lower learning rate."
        )
    probabilities = softmax(np.asarray(logits, np.float64) / (temperature or 1.0), axis=1)
    columns: dict[str, Any] = {
        "image": table.frame["image"],
        "path": table.frame["path"],
        "prediction": np.asarray(classes)[probabilities.argmax(1)],
    }
    columns |= {f"probability:{name}": probabilities[:, code] for code, name in enumerate(classes)}
    return pd.DataFrame(columns)
