"""Images and their masks, and what is done to them at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from lesioncare.boxes.formats.folder import ImageFolder
from lesioncare.boxes.formats.masks import image_of_mask, mask_files
from lesioncare.data.dataset import Key, derived_seed
from lesioncare.errors import DataError
from lesioncare.images import read_image
from lesioncare.progress import track
from lesioncare.rawtable import first_few
from lesioncare.words import noun, several

SPARE = 1.25
"""Images are kept so much larger than the network sees them, so that a crop is not blurred."""

__all__ = ["MaskedImages", "Pair", "find_pairs"]


@dataclass(frozen=True)
class Pair:
    """An image file and the files of its masks, at least one; together they cover the lesion."""

    image: Path
    masks: tuple[Path, ...]


def find_pairs(images: Path, masks: Path) -> list[Pair]:
    """Pair images with masks of the same name, perhaps followed by `_mask`, `_segmentation` or the like.

    Images without a mask are left out.

    Raises:
        DataError: a folder is missing, a mask fits no image, or there are fewer than two pairs.
    """
    if not masks.is_dir():
        raise DataError(f"{masks}: no such folder of masks. Check the path.")
    folder = ImageFolder(images)
    found: dict[str, list[Path]] = {}
    lost = []
    for name in mask_files(masks):
        image = image_of_mask(name, folder)
        if image is None:
            lost.append(name)
        else:
            found.setdefault(image, []).append(masks / name)
    if lost:
        without = noun(len(lost), "has no image of its name", "have no image of their names")
        raise DataError(
            f"{masks}: {several(len(lost), 'mask')} {without} in {images}: {first_few(lost)}. "
            "Name them like their images, or remove them."
        )
    if len(found) < 2:
        raise DataError(f"{masks}: {len(found)} image with a mask; training needs at least two.")
    return [Pair(images / image, tuple(files)) for image, files in sorted(found.items())]


class MaskedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images float32 [3, h, w] in [0, 1] and masks float32 [1, h, w] in {0, 1}, held in memory as bytes.

    Where `zoom` is given, each is cropped, flipped, turned and coloured at random, which depends on
    (seed, epoch, index) alone.

    Args:
        pairs: the files.
        size: (h, w).
        zoom: smallest share of the area of a crop; None changes nothing.
        seed: of the changes.

    Attributes:
        empty: number of images without a lesion, as their masks are held: black ones, and those with a lesion
            of less than half a pixel.

    Raises:
        DataError: a file cannot be read, or image and mask have other sizes.
    """

    def __init__(
        self, pairs: Sequence[Pair], size: tuple[int, int], *, zoom: float | None, seed: int
    ) -> None:
        self._size, self._seed = size, seed
        spare = SPARE if zoom is not None else 1.0
        kept = (round(size[0] * spare), round(size[1] * spare))
        title = "Reading training images" if zoom is not None else "Reading validation images"
        self._samples = [_read(pair, kept) for pair in track(pairs, title, "images")]
        self.empty = sum(not mask.any() for _, mask in self._samples)
        self._change = None if zoom is None else _random_change(size, zoom)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:
        """Give image and mask of an index, or of (epoch, index)."""
        epoch, index = key if isinstance(key, tuple) else (0, key)
        image, mask = (torch.from_numpy(array) for array in self._samples[index])
        sample = (tv_tensors.Image(image), tv_tensors.Mask(mask))
        if self._change is not None:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(derived_seed(self._seed, epoch, index))
                sample = self._change(*sample)
        pixels = functional.to_dtype(sample[0].as_subclass(Tensor), torch.float32, scale=True)
        return pixels, (sample[1].as_subclass(Tensor) > 0).float()


def _read(pair: Pair, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image uint8 [3, h, w] and mask uint8 [1, h, w] with values 0 and 255."""
    picture = read_image(pair.image)
    lesion = np.zeros((picture.height, picture.width), np.float32)
    for file in pair.masks:
        mask = np.asarray(read_image(file).convert("L"))
        if mask.shape != lesion.shape:
            raise DataError(
                f"{file}: the mask has {mask.shape[1]}x{mask.shape[0]} pixels, its image {pair.image.name} "
                f"{picture.width}x{picture.height}. Resize it."
            )
        lesion = np.maximum(lesion, mask > mask.max() / 2)
    small = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    shares = np.asarray(Image.fromarray(lesion).resize(size[::-1], Image.Resampling.BOX))
    image = np.ascontiguousarray(np.asarray(small, np.uint8).transpose(2, 0, 1))
    return image, np.asarray((shares >= 0.5) * 255, np.uint8)[None]


def _random_change(size: tuple[int, int], zoom: float) -> v2.Transform:
    steps = [
        v2.RandomApply([v2.RandomRotation(20, v2.InterpolationMode.BILINEAR)], p=0.3),
        v2.RandomResizedCrop(list(size), (zoom, 1.0), (0.7, 1.4), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomVerticalFlip(),
        v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.4, hue=0.04),
        v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], p=0.2),
    ]
    if size[0] == size[1]:
        steps.append(v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5))
    change: v2.Transform = v2.Compose(steps)
    return change
