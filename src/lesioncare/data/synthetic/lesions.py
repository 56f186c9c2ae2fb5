"""Synthetic lesions: an outline, and one painter per kind that lays pigment, blood and veils inside it.

The kinds are plain words for what is seen, not diagnoses. A lesion is its kind and a seed: a painter draws
its parameters from that seed alone, in lesion coordinates, so two photographs show the same lesion.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from lesioncare.data.synthetic.frame import Field, Frame, drawn

__all__ = ["COMMON_KINDS", "KINDS", "RARE_KINDS", "REACH", "Lesion", "Pigment", "draw_lesion", "paint"]

COMMON_KINDS = ("common-mole", "network", "keratosis-like")
RARE_KINDS = ("white-centre", "red-lacunae", "blue-veil")
KINDS = COMMON_KINDS + RARE_KINDS

REACH = 1.5
"""No lesion extends further from its centre than this many of its radii."""

_HARMONICS = np.arange(2, 8)
_LONGEST = 1.25


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion: its kind, one of `KINDS`, and the seed that fixes everything else about it."""

    kind: str
    seed: int


@dataclass(slots=True)
class Pigment:
    """What a lesion adds to the skin, each [size, size] and not negative.

    Args:
        melanin: brown absorption, in units where 1 is a dark mole.
        blood: red absorption, in units where 1 is a vessel.
        white: opacity of a whitish scar in [0, 1].
        blue: opacity of a blue-white veil in [0, 1].
        mask: the lesion's pixels.
    """

    melanin: Field
    blood: Field
    white: Field
    blue: Field
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Outline:
    """Distance of each pixel from the centre relative to the edge in its direction: 1 on the edge."""

    relative: Field
    softness: float
    ragged: Field

    def inside(self) -> Field:
        """Soft coverage in [0, 1]; one half on the edge, which noise makes ragged."""
        return _sigmoid((1 - self.relative + self.ragged) / self.softness)


def draw_lesion(rng: np.random.Generator, kind: str) -> Lesion:
    """A new lesion of one of `KINDS`."""
    return Lesion(kind, int(rng.integers(2**63)))


def paint(lesion: Lesion, frame: Frame) -> Pigment:
    """The lesion's pigment as the frame sees it; the same lesion whatever the frame."""
    return _PAINTERS[lesion.kind](np.random.default_rng(lesion.seed), frame)


def _sigmoid(x: Field) -> Field:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _outline(
    rng: np.random.Generator, frame: Frame, irregular: tuple[float, float], soft: tuple[float, float]
) -> _Outline:
    """Radius 1 + sum_k a_k cos(k t + p_k), k = 2..7, a_k normal and falling with k, on a stretched plane."""
    stretch = rng.uniform(1, REACH / _LONGEST)
    u, v = frame.coordinates()
    u, v = u / stretch, v * stretch
    amplitude = rng.uniform(*irregular) * rng.standard_normal(_HARMONICS.size) * (2 / _HARMONICS) ** 1.3
    phase = rng.uniform(0, 2 * np.pi, _HARMONICS.size)
    angles = np.linspace(-np.pi, np.pi, 181)
    edge = np.clip(1 + np.cos(angles[:, None] * _HARMONICS + phase) @ amplitude, 0.6, _LONGEST)
    radius = np.interp(np.arctan2(v, u), angles, edge).astype(np.float32)
    softness = rng.uniform(*soft)
    return _Outline(np.hypot(u, v) / radius, softness, 0.7 * softness * frame.noise(rng, 4))


def _pigment(outline: _Outline, melanin: Field, blood: Field | float) -> Pigment:
    inside = outline.inside()
    nothing = np.zeros_like(inside)
    mask = outline.relative < 1
    return Pigment(np.maximum(melanin, 0) * inside, np.maximum(blood, 0) * inside, nothing, nothing, mask)


def _mesh(rng: np.random.Generator, frame: Frame, period: float) -> Field:
    """A warped honeycomb of lines in [0, 1]: the low ground between three plane waves 60 degrees apart."""
    u, v = frame.coordinates()
    u = u + 0.35 * period * frame.noise(rng, 2.5)
    v = v + 0.35 * period * frame.noise(rng, 2.5)
    first, wavenumber = rng.uniform(0, np.pi), 4 * np.pi / math.sqrt(3) / period
    waves = np.zeros_like(u)
    for angle in (first, first + np.pi / 3, first + 2 * np.pi / 3):
        waves += np.cos(wavenumber * (math.cos(angle) * u + math.sin(angle) * v))
    return _sigmoid(-2.5 * waves)


def _spots(
    rng: np.random.Generator, frame: Frame, n: int, radius: tuple[float, float], spread: float = 0.8
) -> Field:
    """Coverage in [0, 1] of n round spots; `radius` and `spread` in lesion radii."""
    angle, distance = rng.uniform(0, 2 * np.pi, n), spread * np.sqrt(rng.uniform(0, 1, n))
    centres = frame.to_pixels(np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1))
    radii = rng.uniform(*radius, n) * frame.radius

    def draw(canvas: ImageDraw.ImageDraw, scale: int) -> None:
        for (x, y), r in zip(centres * scale, radii * scale, strict=True):
            canvas.ellipse((x - r, y - r, x + r, y + r), fill=255)

    return drawn(frame.size, draw)


def _patch(rng: np.random.Generator, frame: Frame, away: float, width: float) -> Field:
    """A soft uneven patch in [0, 1], `away` from the centre and of half-width `width`, in lesion radii."""
    u, v = frame.coordinates()
    angle = rng.uniform(0, 2 * np.pi)
    distance = np.hypot(u - away * math.cos(angle), v - away * math.sin(angle))
    return _sigmoid((width - distance + 0.12 * frame.noise(rng, 3)) / 0.10)


def _common_mole(rng: np.random.Generator, frame: Frame) -> Pigment:
    """Brown, rather even and round; some pinkish, globular, greyish, or darker or paler in the middle."""
    outline = _outline(rng, frame, (0.01, 0.09), (0.04, 0.16))
    pink = rng.random() < 0.25
    amount = rng.uniform(0.2, 0.5) if pink else rng.uniform(0.45, 1.6)
    centre = float(rng.choice([0.0, 0.0, 0.5, -0.35])) * np.exp(-((outline.relative / 0.5) ** 2))
    melanin = amount * (1 + centre + 0.14 * frame.noise(rng, 2.5))
    blood = np.full_like(melanin, rng.uniform(0.25, 0.9) if pink else rng.uniform(0, 0.2))
    if rng.random() < 0.35:
        globules = _spots(rng, frame, int(rng.integers(5, 14)), (0.07, 0.16))
        melanin, blood = melanin + 0.4 * amount * globules, blood * (1 + 0.4 * globules)
    pigment = _pigment(outline, melanin, blood)
    if rng.random() < 0.15:
        grey = _patch(rng, frame, rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.6))
        pigment.blue = rng.uniform(0.1, 0.35) * grey * outline.inside()
    return pigment


def _network(rng: np.random.Generator, frame: Frame) -> Pigment:
    """A brown honeycomb of lines on a lighter ground, fading at the edge; some with a dark or pale part."""
    outline = _outline(rng, frame, (0.05, 0.17), (0.08, 0.20))
    mesh = _mesh(rng, frame, rng.uniform(0.26, 0.40))
    patchy = np.clip(0.8 + 0.35 * frame.noise(rng, 1.5), 0.15, 1.4)
    melanin = rng.uniform(0.2, 0.7) + rng.uniform(0.35, 1.0) * mesh * patchy
    part = rng.random()
    if part < 0.2:
        melanin = melanin + rng.uniform(0.3, 0.7) * _patch(rng, frame, rng.uniform(0, 0.4), 0.35)
    elif part < 0.4:
        melanin = melanin * (1 - rng.uniform(0.3, 0.7) * _patch(rng, frame, rng.uniform(0, 0.3), 0.4))
    return _pigment(outline, melanin, rng.uniform(0, 0.15))


def _keratosis_like(rng: np.random.Generator, frame: Frame) -> Pigment:
    """A stuck-on plaque with a sharp edge: blotchy yellow to grey brown, with pale and dark dots."""
    outline = _outline(rng, frame, (0.04, 0.14), (0.02, 0.07))
    melanin = rng.uniform(0.3, 1.0) * (1 + 0.22 * frame.noise(rng, 4))
    melanin = melanin + rng.uniform(0.5, 1.0) * _spots(rng, frame, int(rng.integers(1, 12)), (0.05, 0.10))
    pigment = _pigment(outline, melanin, rng.uniform(0, 0.12))
    pale = _spots(rng, frame, int(rng.integers(2, 14)), (0.05, 0.10))
    pigment.white = rng.uniform(0.3, 0.65) * pale * outline.inside()
    pigment.blue = float(rng.choice([0.0, 0.0, 0.0, 0.25])) * outline.inside()
    return pigment


def _white_centre(rng: np.random.Generator, frame: Frame) -> Pigment:
    """A white scar-like middle in a pale brown, sometimes faintly netted ring that fades into the skin."""
    outline = _outline(rng, frame, (0.02, 0.10), (0.08, 0.20))
    mesh = _mesh(rng, frame, rng.uniform(0.24, 0.34))
    melanin = rng.uniform(0.25, 0.7) + rng.uniform(0.0, 0.5) * mesh
    pigment = _pigment(outline, melanin * (1 + 0.1 * frame.noise(rng, 3)), rng.uniform(0.05, 0.35))
    scar = _patch(rng, frame, rng.uniform(0, 0.2), rng.uniform(0.32, 0.55))
    pigment.white = rng.uniform(0.45, 0.85) * scar
    pigment.melanin *= 1 - 0.7 * scar
    return pigment


def _red_lacunae(rng: np.random.Generator, frame: Frame) -> Pigment:
    """Red to purple lagoons, close together, on a pinkish or brownish ground."""
    outline = _outline(rng, frame, (0.03, 0.14), (0.04, 0.12))
    lagoons = _spots(rng, frame, int(rng.integers(7, 16)), (0.13, 0.28), spread=0.75)
    shaded = lagoons * np.clip(1 + 0.3 * frame.noise(rng, 2), 0.3, 1.8)
    melanin = rng.uniform(0.05, 0.4) + float(rng.choice([0.0, 0.15, 0.6])) * shaded
    pigment = _pigment(outline, melanin, rng.uniform(0.2, 0.5) + rng.uniform(0.5, 1.2) * shaded)
    pigment.blue = rng.uniform(0, 0.25) * lagoons * outline.inside()
    return pigment


def _blue_veil(rng: np.random.Generator, frame: Frame) -> Pigment:
    """Dark, blotchy and irregular, with a blue-white veil over an off-centre part."""
    outline = _outline(rng, frame, (0.10, 0.24), (0.04, 0.14))
    melanin = rng.uniform(0.8, 1.7) * (1 + 0.35 * frame.noise(rng, 2))
    if rng.random() < 0.5:
        melanin = melanin + 0.5 * _mesh(rng, frame, rng.uniform(0.28, 0.40))
    pigment = _pigment(outline, melanin, rng.uniform(0, 0.3))
    veil = _patch(rng, frame, rng.uniform(0.15, 0.45), rng.uniform(0.38, 0.62))
    pigment.blue = rng.uniform(0.5, 0.85) * veil * outline.inside()
    return pigment


_PAINTERS: dict[str, Callable[[np.random.Generator, Frame], Pigment]] = {
    "common-mole": _common_mole,
    "network": _network,
    "keratosis-like": _keratosis_like,
    "white-centre": _white_centre,
    "red-lacunae": _red_lacunae,
    "blue-veil": _blue_veil,
}
