"""One synthetic photograph: skin, a lesion in it, light, and what lies on top."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesioncare.data.synthetic.artefacts import (
    MARKERS,
    PixelBox,
    add_bubbles,
    add_hairs,
    add_marker,
    add_ruler,
    vignette,
)
from lesioncare.data.synthetic.frame import Field, Frame, smooth_noise
from lesioncare.data.synthetic.lesions import KINDS, RARE_KINDS, REACH, Lesion, Pigment, draw_lesion, paint
from lesioncare.errors import ConfigError

__all__ = ["MARKER_OF", "SyntheticImage", "make_image", "photograph"]

MARKER_OF = dict(zip(RARE_KINDS, MARKERS, strict=True))
"""The planted marker of each rare kind."""

# Absorption of red, green and blue light per unit of melanin and of blood.
_MELANIN = np.array([0.52, 0.78, 1.02], dtype=np.float32)
_BLOOD = np.array([0.16, 1.00, 0.78], dtype=np.float32)
_PALE_SKIN = np.array([0.97, 0.90, 0.87], dtype=np.float32)
_SCAR = np.array([0.96, 0.90, 0.89], dtype=np.float32)
_VEIL = np.array([0.50, 0.55, 0.66], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class SyntheticImage:
    """A photograph and its truth.

    Args:
        image: uint8, [size, size, 3], RGB.
        mask: the lesion's pixels, bool, [size, size].
        artefacts: what else is in the picture: "hair", "ruler", "bubbles", "vignette", or a marker's name.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    artefacts: tuple[str, ...]

    @property
    def xyxy(self) -> PixelBox:
        """Tight box of the mask in pixels, the right and bottom edges exclusive."""
        return _tight_box(self.mask)


def make_image(
    rng: np.random.Generator, kind: str, *, size: int = 96, shortcut: bool = False
) -> SyntheticImage:
    """A photograph of a new lesion.

    Args:
        rng: the source of everything that varies.
        kind: one of `KINDS`.
        size: side of the square image in pixels, 32 or more.
        shortcut: whether the kind's marker lies beside the lesion; a common kind has none of its own and gets
            any of them.

    Raises:
        ConfigError: the kind is unknown or the size is under 32.

    Example:
        >>> picture = make_image(np.random.default_rng(0), "network", size=64)
        >>> picture.image.shape, bool(picture.mask.any())
        ((64, 64, 3), True)
    """
    if kind not in KINDS:
        raise ConfigError(f"kind must be one of {', '.join(KINDS)}, but got {kind!r}.")
    lesion = draw_lesion(rng, kind)
    marker = MARKER_OF.get(kind) or str(rng.choice(list(MARKERS)))
    return photograph(lesion, rng, size=size, marker=marker if shortcut else None)


def photograph(
    lesion: Lesion, rng: np.random.Generator, *, size: int = 96, marker: str | None = None
) -> SyntheticImage:
    """A photograph of a lesion: framing, skin, light and artefacts are drawn from `rng`, the lesion is not.

    The same generator state gives the same photograph with and without the marker, but for the marker itself.

    Raises:
        ConfigError: the size is under 32 or there is no such marker.
    """
    if size < 32:
        raise ConfigError(f"size must be 32 pixels or more, but got {size}.")
    if marker is not None and marker not in MARKERS:
        raise ConfigError(f"marker must be one of {', '.join(MARKERS)}, but got {marker!r}.")
    pose, skin, light, litter, planted = rng.spawn(5)
    pigment = paint(lesion, _frame(lesion, pose, size))
    rgb = _skin_with(pigment, skin, size)
    artefacts = _litter(rgb, litter)
    if marker is not None:
        add_marker(rgb, planted, marker, _tight_box(pigment.mask))
        artefacts.append(marker)
    if light.random() < 0.35:
        rgb *= vignette(size, light)[..., None]
        artefacts.append("vignette")
    return SyntheticImage(_exposed(rgb, light), pigment.mask, tuple(artefacts))


def _frame(lesion: Lesion, rng: np.random.Generator, size: int) -> Frame:
    """The lesion's own radius, a tenth more or less, near the middle and wholly inside the image."""
    own = np.random.default_rng([lesion.seed, 1]).uniform(0.14, 0.27)
    radius = own * rng.uniform(0.9, 1.1) * size
    reach = REACH * radius
    x, y = np.clip(size * rng.normal(0.5, 0.10, 2), reach, size - reach).tolist()
    return Frame(size, x, y, radius, rng.uniform(0, 2 * np.pi), bool(rng.random() < 0.5))


def _skin_with(pigment: Pigment, rng: np.random.Generator, size: int) -> Field:
    """Beer and Lambert's law: pale skin times exp(-absorption), then the opaque scar and veil."""
    melanin = 1.3 * rng.beta(1.2, 3.0) + 0.03
    blood = rng.uniform(0.03, 0.33)
    mottled = 0.05 * smooth_noise(rng, size, 4) + 0.035 * smooth_noise(rng, size, 16)
    flushed = 0.05 * smooth_noise(rng, size, 4) + 0.04 * smooth_noise(rng, size, 20)
    brown = np.maximum(melanin * (1 + mottled) + 0.4 * np.abs(mottled), 0) + pigment.melanin
    red = np.maximum(blood + flushed, 0) + pigment.blood
    rgb = _PALE_SKIN * np.exp(-brown[..., None] * _MELANIN - red[..., None] * _BLOOD)
    # A veil is as bright as the skin around it allows.
    shade = math.exp(-0.45 * melanin)
    rgb += pigment.white[..., None] * (shade * _SCAR - rgb)
    rgb += pigment.blue[..., None] * (shade * _VEIL - rgb)
    return np.asarray(rgb)


def _litter(rgb: Field, rng: np.random.Generator) -> list[str]:
    chances = {"hair": (0.4, add_hairs), "ruler": (0.15, add_ruler), "bubbles": (0.12, add_bubbles)}
    present = []
    for name, (chance, add) in chances.items():
        if rng.random() < chance:
            add(rgb, rng)
            present.append(name)
    return present


def _exposed(rgb: Field, rng: np.random.Generator) -> NDArray[np.uint8]:
    """White balance, exposure, light falling off to one side, grain; then 8 bits."""
    size = rgb.shape[0]
    balance = rng.uniform([0.95, 0.95, 0.93], [1.04, 1.03, 1.12]) * rng.uniform(0.85, 1.08)
    slope = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    light = 1 + rng.normal(0, 0.06) * slope[None, :] + rng.normal(0, 0.06) * slope[:, None]
    grain = 0.014 * rng.standard_normal((size, size, 1), dtype=np.float32)
    grain = grain + 0.006 * rng.standard_normal((size, size, 3), dtype=np.float32)
    exposed = rgb * light[..., None] * balance.astype(np.float32) + grain
    return np.clip(255 * exposed + 0.5, 0, 255).astype(np.uint8)


def _tight_box(mask: NDArray[np.bool_]) -> PixelBox:
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
