"""The names of an image's versions, and the artefacts that can be pasted."""

from collections.abc import Callable, Sequence

import numpy as np

from lesioncare.data.synthetic.artefacts import (
    MARKERS,
    PixelBox,
    add_hairs,
    add_marker,
    add_ruler,
    vignette,
)
from lesioncare.data.synthetic.frame import Field
from lesioncare.errors import ConfigError

__all__ = ["ARTEFACTS", "HIDDEN", "LESION", "ORIGINAL", "SWAPPED", "Painter", "version_names"]

ORIGINAL, HIDDEN, LESION, SWAPPED = "original", "hidden", "lesion", "swapped"

Painter = Callable[[Field, np.random.Generator, PixelBox], None]
"""Draws in place on a square picture [size, size, 3] in [0, 1], given the lesion's box in its pixels."""


def _ruler(rgb: Field, rng: np.random.Generator, _: PixelBox) -> None:
    add_ruler(rgb, rng)


def _hair(rgb: Field, rng: np.random.Generator, _: PixelBox) -> None:
    add_hairs(rgb, rng)


def _vignette(rgb: Field, rng: np.random.Generator, _: PixelBox) -> None:
    rgb *= vignette(rgb.shape[0], rng)[..., None]


def _marker(name: str) -> Painter:
    def paint(rgb: Field, rng: np.random.Generator, lesion: PixelBox) -> None:
        add_marker(rgb, rng, name, lesion)

    return paint


ARTEFACTS: dict[str, Painter] = {
    "ruler": _ruler,
    "hair": _hair,
    "vignette": _vignette,
    **{name: _marker(name) for name in MARKERS},
}
"""What can be pasted, by name: what the synthetic photographs are littered with, and their markers."""


def version_names(artefacts: Sequence[str]) -> tuple[str, ...]:
    """All versions of an image, the original first.

    Raises:
        ConfigError: an artefact is unknown.
    """
    unknown = [name for name in artefacts if name not in ARTEFACTS]
    if unknown:
        raise ConfigError(
            f"--artefacts: no such artefact {unknown[0]!r}. Choose from {', '.join(ARTEFACTS)}."
        )
    return (ORIGINAL, HIDDEN, LESION, SWAPPED, *dict.fromkeys(artefacts))
