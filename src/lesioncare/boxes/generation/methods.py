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
from lesioncare.boxes.segmentation import SegmentationMap
from lesioncare.boxes.segmentation.shipped import shipped_file
from lesioncare.boxes.segmentation.source import SHIPPED, find_source
from lesioncare.errors import ConfigError

SEGMENTATION = "segmentation:"
"""Before the path of a segmenter, as the name of a method."""


def segmenter_boxes(name: str, masks: SegmentationMap) -> SaliencyBoxes:
    """Boxes of a segmenter's masks at probability 1/2; values were tuned on ISIC 2017."""
    to_box = MapToBox(level=0.5, size=128, centre=0.25, padding=0.01)
    return SaliencyBoxes(name, (masks,), to_box, ladder=(0.2, 0.5, 1.5, 1.8))


# Maps that rise slowly towards the lesion's middle need a lower threshold; tuned on ISIC 2017.
_LOW, _LOWER = MapToBox(threshold=0.9), MapToBox(threshold=0.8)

METHODS: Mapping[str, BoxMaker] = {
    "border": SaliencyBoxes("border", (BorderColour(),)),
    "colour": SaliencyBoxes("colour", (BorderColour(), BlueDarkness())),
    "consensus": SaliencyBoxes(
        "consensus",
        (SegmentationMap(SHIPPED), MinimumBarrier(), BorderColour(), BlueDarkness()),
        MapToBox(size=128, padding=0.01),
        weights=(3, 1, 1, 1),
    ),
    "ft": SaliencyBoxes("ft", (FrequencyTuned(),), _LOWER),
    "gmr": SaliencyBoxes("gmr", (ManifoldRanking(),), _LOW),
    "mbd": SaliencyBoxes("mbd", (MinimumBarrier(),)),
    "otsu": SaliencyBoxes("otsu", (BlueDarkness(),)),
    "rbd": SaliencyBoxes("rbd", (RobustBackground(),), _LOW),
    "rc": SaliencyBoxes("rc", (RegionContrast(),), _LOWER),
    "saliency-consensus": SaliencyBoxes(
        "saliency-consensus", (MinimumBarrier(), BorderColour(), BlueDarkness())
    ),
    "segmenter": segmenter_boxes("segmenter", SegmentationMap(SHIPPED)),
    "spectral": SaliencyBoxes("spectral", (SpectralResidual(),)),
}
"""Maker by name, with parameters tuned on ISIC 2017."""

__all__ = ["METHODS", "for_dermoscopy_only", "method_named", "segmenter_boxes"]


def method_named(name: str) -> BoxMaker:
    """The maker of this name, or of `segmentation:PATH`, with PATH as for `open_segmenter`.

    Raises:
        ConfigError: there is none; the message lists the names.
        ConfigError: a package that the segmenter needs is not installed.
        ModelError: nothing that can be opened lies at the path.
    """
    if name.startswith(SEGMENTATION):
        source = find_source(name.removeprefix(SEGMENTATION))
        masks = SegmentationMap(source.where)
        masks.load()  # what is damaged is refused now, and not at the first image
        return segmenter_boxes(SEGMENTATION + source.path.stem, masks)
    if name not in METHODS:
        raise ConfigError(
            f"no method is called {name!r}: choose one of {', '.join(METHODS)}, or segmentation:PATH."
        )
    return METHODS[name]


def for_dermoscopy_only(name: str) -> bool:
    """Whether a method is saliency or the shipped segmenter, and so fails on other images.

    Segment Anything counts as saliency: it is told by it where to look.

    Raises:
        ModelError: as for `method_named`.
    """
    if not name.startswith(SEGMENTATION):
        return True
    source = find_source(name.removeprefix(SEGMENTATION))
    return source.kind == "sam" or source.path.resolve() == shipped_file().resolve()
