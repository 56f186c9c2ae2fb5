"""Images that are changed when they are loaded, one version at a time, so that none is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from lesioncare.data.dataset import Item, Key
from lesioncare.data.editing.edits import (
    Boxes,
    Pixels,
    hide_lesion,
    only_lesion,
    paste_artefact,
    swap_background,
)
from lesioncare.data.editing.versions import ARTEFACTS, HIDDEN, LESION, ORIGINAL, SWAPPED
from lesioncare.data.transforms import Sample, Transform
from lesioncare.images import read_image

__all__ = ["EditSettings", "EditSource", "EditedImages"]


@dataclass(frozen=True)
class EditSettings:
    """What the edits depend on besides the images.

    Args:
        margin: how far each edge of a box is moved outward, as a share of the box's side.
        seed: of grain, partners and artefacts; at least 0.
        max_side: longer images are reduced to this before they are edited.
    """

    margin: float = 0.1
    seed: int = 0
    max_side: int = 512


@dataclass(frozen=True, eq=False)
class EditSource:
    """N images on disk with their boxes, and all versions of each.

    Images are edited after decoding and reduction to `max_side`, before they are resized to what a network
    takes: so the edits have the lesion's proportions and are as sharp as the photograph, whatever the
    network's size; and a photograph of 20 million pixels costs no more than one of 300,000. The original is
    reduced as well, so that it differs from the other versions by the edit alone.

    Args:
        paths: N image files.
        boxes: N arrays [n, 4], n > 0, xyxy in pixels of the upright image.
        partners: [N], whose background an image gets (`choose_partners`).
        settings: of the edits.
    """

    paths: Sequence[str]
    boxes: Sequence[Boxes]
    partners: NDArray[np.int64]
    settings: EditSettings

    def __len__(self) -> int:
        return len(self.paths)

    def original(self, row: int) -> tuple[Pixels, NDArray[np.float64]]:
        """Image [H, W, 3] and its boxes [n, 4], reduced to `max_side`.

        Raises:
            DataError: the file is missing or damaged.
        """
        image = np.array(read_image(Path(self.paths[row])))  # a copy: torch wants to be able to write
        boxes = np.asarray(self.boxes[row], dtype=np.float64).reshape(-1, 4)
        height, width = image.shape[:2]
        scale = min(1.0, self.settings.max_side / max(height, width))
        if scale == 1:
            return image, boxes
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        factors = np.array([size[0] / width, size[1] / height] * 2)
        reduced = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return np.asarray(reduced, dtype=np.uint8), boxes * factors

    def version(self, row: int, name: str) -> Pixels:
        """One version of an image, uint8 [H, W, 3]; the same each time.

        Args:
            row: of the image.
            name: one of `version_names`.

        Raises:
            DataError: a file is missing or damaged, or a box fills the image.
        """
        image, boxes = self.original(row)
        margin = self.settings.margin
        if name == ORIGINAL:
            return image
        if name == HIDDEN:
            return hide_lesion(image, boxes, margin, self._rng(row, name))
        if name == LESION:
            return only_lesion(image, boxes, margin)
        if name == SWAPPED:
            background = self.version(int(self.partners[row]), HIDDEN)
            return swap_background(image, boxes, background, margin)
        return paste_artefact(image, boxes, name, margin, self._rng(row, name))

    def _rng(self, row: int, name: str) -> np.random.Generator:
        """Its own generator, so that no version depends on which others are made."""
        stream = [HIDDEN, *ARTEFACTS].index(name)
        return np.random.default_rng([self.settings.seed, row, stream])


class EditedImages(Dataset[Item]):
    """One version of all images of a source, transformed like the test images of a run.

    Args:
        source: the images.
        labels: [N], class codes.
        version: one of `version_names`.
        transform: what the network takes; see `lesioncare.data.transforms`.
    """

    def __init__(
        self, source: EditSource, labels: NDArray[np.int64], version: str, transform: Transform
    ) -> None:
        self.source = source
        self.labels = labels
        self.version = version
        self.transform = transform

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: Key) -> Item:
        """Load, change and transform the image of an index, or of (epoch, index)."""
        row = key[1] if isinstance(key, tuple) else key
        image = functional.to_image(self.source.version(row, self.version))
        nothing = torch.empty((0, 4))
        boxes = tv_tensors.BoundingBoxes(
            nothing, format=tv_tensors.BoundingBoxFormat.XYXY, canvas_size=(image.shape[-2], image.shape[-1])
        )
        sample = self.transform(Sample(image=image, boxes=boxes, weights=torch.empty(0)))
        return Item(
            image=sample["image"].as_subclass(Tensor),
            label=int(self.labels[row]),
            boxes=nothing,
            weights=torch.empty(0),
            position=row,
        )
