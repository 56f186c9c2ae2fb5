"""The test images of runs, or of a comparison, by what changed between the arms."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesioncare.errors import DataError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.evaluation.bootstrap import what_differs
from lesioncare.evaluation.metrics import decide
from lesioncare.experiment import Comparison
from lesioncare.images import read_image
from lesioncare.overlay import overlay
from lesioncare.review.pictures import to_jpeg
from lesioncare.words import distinct_names

Order = Literal["answer", "probability", "energy", "image"]
_SIDE = 512
_KEPT = 512

__all__ = ["Order", "Results"]


@dataclass(frozen=True, eq=False)
class Results:
    """Runs on the same test images; of a comparison, one group of runs for each fold.

    Args:
        parts: of each fold, the runs in the order of the arms.
        names: of the arms.

    Raises:
        RunError: runs of one part were not tested on the same images.
    """

    parts: tuple[tuple[RunResult, ...], ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            for run in part[1:]:
                differing = what_differs(part[0].predictions, run.predictions)
                if differing:
                    raise RunError(
                        f"runs {part[0].name!r} and {run.name!r} were not tested on the same images: "
                        f"{differing}. Show them apart."
                    )

    @classmethod
    def of(cls, runs: Sequence[RunResult]) -> Self:
        """Results of runs, the first of which the others are compared with."""
        return cls((tuple(runs),), tuple(distinct_names([run.name for run in runs])))

    @classmethod
    def of_comparison(cls, comparison: Comparison) -> Self:
        """Results of all arms, in every fold that all have finished, with the first seed.

        Raises:
            RunError: there is no such fold.
        """
        folds, seeds = comparison.comparable
        if not folds or not seeds:
            raise RunError(
                f"{comparison.directory}: no fold and seed is finished in every arm. Run the same "
                "`lesioncare compare` again to train the missing cells."
            )
        arms = tuple(comparison.results)
        return cls(tuple(tuple(comparison.results[a][fold, seeds[0]] for a in arms) for fold in folds), arms)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes."""
        return self.parts[0][0].classes

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        """All test images, [N, 2]: part and row in it."""
        sizes = [len(part[0].predictions) for part in self.parts]
        return np.concatenate(
            [np.stack([np.full(n, at), np.arange(n)], axis=1) for at, n in enumerate(sizes)]
        )

    @cached_property
    def _numbers(self) -> dict[str, NDArray[np.float64]]:
        """Of each image and arm, [N, arms]: whether right, probability of the truth, energy in the box."""
        found: dict[str, list[NDArray[np.float64]]] = {"right": [], "probability": [], "energy": []}
        for part in self.parts:
            ones = [run.predictions for run in part]
            target = ones[0].target
            found["right"].append(np.stack([decide(p.logits) == target for p in ones], axis=1).astype(float))
            at = (np.arange(len(target)), target)
            truth = np.stack([p.probabilities[at] for p in ones], axis=1)
            found["probability"].append(np.where(target[:, None] >= 0, truth, np.nan))
            found["energy"].append(np.stack([p.energy for p in ones], axis=1))
        return {name: np.concatenate(values) for name, values in found.items()}

    def order(self, by: Order, label: str | None = None, only_rare: bool = False) -> NDArray[np.int64]:
        """Positions of the images in order of what changed most between the arms.

        Args:
            by: "answer", images that some arms name right and others wrong first, within each kind by the
                truth's probability; "probability" of the truth; "energy" in the box; "image", no order.
            label: only images of this class.
            only_rare: only images of rare classes.
        """
        change = {name: _spread(values) for name, values in self._numbers.items()}
        keys = {
            "answer": (-change["probability"], -change["right"]),
            "probability": (-change["probability"],),
            "energy": (-change["energy"],),
            "image": (np.arange(len(self._rows)),),
        }[by]
        order = np.lexsort(keys)
        names = np.array([*self.classes, ""], dtype=object)
        labels = np.concatenate([names[part[0].predictions.target] for part in self.parts])
        kept = np.ones(len(labels), dtype=bool)
        if label is not None:
            kept &= labels == label
        if only_rare:
            kept &= np.isin(labels.astype(str), list(self.parts[0][0].rare))
        return np.asarray(order[kept[order]])

    def describe(self, position: int) -> dict[str, Any]:
        """An image and what each arm says of it, as json values; boxes in per cent of the image."""
        part, row = (int(value) for value in self._rows[position])
        first = self.parts[part][0].predictions
        arms = []
        for at, run in enumerate(self.parts[part]):
            predictions = run.predictions
            guess = int(predictions.prediction[row])
            arms.append(
                {
                    "answer": predictions.classes[guess],
                    "probability": float(predictions.probabilities[row, guess]),
                    "right": bool(self._numbers["right"][position, at]),
                    "truth": _or_none(self._numbers["probability"][position, at]),
                    "energy": _or_none(predictions.energy[row]),
                    "map": run.maps is not None,
                }
            )
        label = self.classes[first.target[row]] if first.target[row] >= 0 else ""
        return {
            "position": position,
            "image": str(first.image[row]),
            "label": label,
            "arms": arms,
            "boxes": self._marks(part, row),
        }

    def _marks(self, part: int, row: int) -> list[list[float]]:
        try:
            size = self._read(part, row)[1]
        except DataError:
            return []
        scale = 100 / np.array([*size, *size], dtype=float)
        return [
            [float(v) for v in box]
            for box in np.clip(self.parts[part][0].predictions.boxes[row] * scale, 0, 100)
        ]

    def jpeg(self, position: int, arm: int | None) -> bytes:
        """A test image, plain or under an arm's map.

        Raises:
            DataError: there is no such image or map, or the file is gone.
        """
        if not 0 <= position < len(self._rows):
            raise DataError(f"there is no test image {position}.")
        part, row = (int(value) for value in self._rows[position])
        return bytes(self._drawn(part, row, arm))

    @cached_property
    def _drawn(self) -> Any:
        return lru_cache(_KEPT)(self._draw)

    @cached_property
    def _read(self) -> Any:
        return lru_cache(64)(self._open)

    def _open(self, part: int, row: int) -> tuple[Image.Image, tuple[int, int]]:
        """A reduced image, and the size of the whole."""
        image = read_image(Path(str(self.parts[part][0].predictions.path[row])))
        size = image.size
        image.thumbnail((_SIDE, _SIDE))
        return image, size

    def _draw(self, part: int, row: int, arm: int | None) -> bytes:
        image: Image.Image = self._read(part, row)[0]
        if arm is None:
            return to_jpeg(image)
        if not 0 <= arm < len(self.names):
            raise DataError(f"there is no arm {arm}.")
        maps = self.parts[part][arm].maps
        if maps is None:
            raise DataError(f"{self.names[arm]!r} has kept no maps.")
        return to_jpeg(overlay(image, maps[row]))


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the arms lie apart, [N]; with one arm how low it is; -1, where it is undefined."""
    spread = np.ptp(values, axis=1) if values.shape[1] > 1 else 1 - values[:, 0]
    return np.asarray(np.where(np.isfinite(spread), spread, -1.0))


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
