"""The methods that the command line knows by name."""

from collections.abc import Mapping

from lesioncare.boxes.generation.consensus import SaliencyBoxes
from lesioncare.boxes.generation.maker import BoxMaker
from lesioncare.boxes.generation.map_to_box import MapToBox
from lesioncare.boxes.saliency import (
    BlueDarkness,
    BorderColour,
    FrequencyTuned,
    ManifoldRanking,
    MinimumBarrier,
    RegionContrast,
    RobustBackground,
    SpectralResidual,
)
from lesioncare.errors import ConfigError

# Maps that rise slowly towards the lesion's middle need a lower threshold; tuned on ISIC 2017.
_LOW, _LOWER = MapToBox(threshold=0.9), MapToBox(threshold=0.8)

METHODS: Mapping[str, BoxMaker] = {
    "border": SaliencyBoxes("border", (BorderColour(),)),
    "colour": SaliencyBoxes("colour", (BorderColour(), BlueDarkness())),
    "consensus": SaliencyBoxes("consensus", (MinimumBarrier(), BorderColour(), BlueDarkness())),
    "ft": SaliencyBoxes("ft", (FrequencyTuned(),), _LOWER),
    "gmr": SaliencyBoxes("gmr", (ManifoldRanking(),), _LOW),
    "mbd": SaliencyBoxes("mbd", (MinimumBarrier(),)),
    "otsu": SaliencyBoxes("otsu", (BlueDarkness(),)),
    "rbd": SaliencyBoxes("rbd", (RobustBackground(),), _LOW),
    "rc": SaliencyBoxes("rc", (RegionContrast(),), _LOWER),
    "spectral": SaliencyBoxes("spectral", (SpectralResidual(),)),
}
"""Maker by name, with parameters tuned on ISIC 2017."""

__all__ = ["METHODS", "method_named"]


def method_named(name: str) -> BoxMaker:
    """The maker of this name.

    Raises:
        ConfigError: there is none; the message lists the names.
    """
    if name not in METHODS:
        raise ConfigError(f"no method is called {name!r}: choose one of {', '.join(METHODS)}.")
    return METHODS[name]
