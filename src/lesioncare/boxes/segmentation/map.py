"""A segmenter's probability as a map, so that it becomes a box like a saliency map."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lesioncare.boxes.saliency.base import Image, Map, is_flat, shrink
from lesioncare.boxes.segmentation.source import find_source
from lesioncare.errors import ModelError

if TYPE_CHECKING:
    from lesioncare.boxes.segmentation.base import Segmenter

__all__ = ["OwnSegmentation", "SegmentationMap", "probability_map"]


@dataclass(frozen=True, repr=False)
class SegmentationMap:
    """The probability that each pixel is of the lesion, as a segmenter at a path says.

    It is loaded when it is first used, once in each process. The `repr` holds the sha256 of the file, so that
    a run is not resumed with another one.

    Args:
        where: "shipped", or as for `open_segmenter`.
    """

    where: str

    def __call__(self, image: Image, /) -> Map:
        """Give the map [H, W] of an RGB image; zeros where all pixels are equal.

        Raises:
            ModelError: as for `open_segmenter`, or the segmenter cannot take the image.
            ConfigError: a package that it needs is not installed.
        """
        return probability_map(self.load, image)

    def load(self) -> "Segmenter":
        """The segmenter, which stays loaded.

        Raises:
            ModelError: as for `open_segmenter`.
            ConfigError: a package that it needs is not installed.
        """
        return self._segmenter

    @cached_property
    def _segmenter(self) -> "Segmenter":
        from lesioncare.boxes.segmentation.load import open_segmenter  # noqa: PLC0415  loads torch

        return open_segmenter(self.where)

    def __reduce__(self) -> tuple[type["SegmentationMap"], tuple[str]]:
        return SegmentationMap, (self.where,)

    def __repr__(self) -> str:
        return f"SegmentationMap({self.where!r}, sha256={self._sha256()!r})"

    def _sha256(self) -> str | None:
        try:
            return find_source(self.where).sha256()
        except ModelError:  # said when the segmenter is used
            return None


@dataclass(frozen=True)
class OwnSegmentation:
    """The same of a segmenter that one has as an object: any callable as `Segmenter` describes it.

    Args:
        name: what the `repr` says instead of a checksum. A run is resumed if it is the same: name other
            weights otherwise.
        segmenter: has to be picklable if it is to run in other processes.
    """

    name: str
    segmenter: "Segmenter" = field(repr=False)

    def __call__(self, image: Image, /) -> Map:
        """Give the map [H, W] of an RGB image; zeros where all pixels are equal.

        Raises:
            ModelError: the segmenter gives something else than masks.
        """
        return probability_map(lambda: self.segmenter, image)


def probability_map(load: Callable[[], "Segmenter"], image: Image) -> Map:
    """The mask of one image, enlarged (bilinear) to the image.

    Raises:
        ModelError: the segmenter gives something else than one mask in [0, 1].
    """
    whole = shrink(image, max(image.shape[:2], default=0))  # checks that it is an image
    if is_flat(whole):
        return np.zeros(whole.shape[:2], np.float32)
    import torch  # noqa: PLC0415  slow to load, and saliency does without

    from lesioncare.boxes.segmentation.base import one_thread  # noqa: PLC0415

    segmenter = load()
    pixels = torch.from_numpy(np.multiply(whole, np.float32(1 / 255), dtype=np.float32))
    with one_thread(), torch.inference_mode():
        masks = segmenter(pixels.permute(2, 0, 1)[None])
    if not isinstance(masks, torch.Tensor) or masks.ndim != 3 or masks.shape[0] != 1 or 0 in masks.shape:
        got = list(masks.shape) if isinstance(masks, torch.Tensor) else type(masks).__name__
        raise ModelError(f"a segmenter must give a mask [1, h, w] of one image, but this one gave {got}.")
    mask = masks[0].detach().cpu().float().numpy()
    if not (np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1):
        raise ModelError("a segmenter must give finite probabilities in [0, 1], but this one did not.")
    size = (whole.shape[1], whole.shape[0])
    resized = mask if mask.shape == size[::-1] else cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    return np.clip(np.ascontiguousarray(resized, np.float32), 0.0, 1.0)
