"""Augmenting a batch as a whole, each image by parameters of its own: on the GPU, or on the CPU in one go.

The same recipes as image by image (`lesioncare.data.transforms`), in as few passes over the pixels as can be:
mirroring and turning on bytes; crop and antialiased resize as one product with two small matrices for each
image; rotation, shift and zoom as one sampling; all of the colour as one matrix for each image. What differs:
values are not rounded down to bytes in between; colour comes in one order (brightness, contrast, saturation,
hue), not a random one; hue turns about the grey axis, where torchvision shifts it in HSV, which over the few
degrees of these recipes is the same to the eye.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lesioncare.data.dataset import NUMBERS, RANDOM_BELOW, Batch
from lesioncare.data.transforms import MAX_STRETCH, MIN_SCALE, clip_boxes, find_recipe

_TRIES = 10
_GREY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue, as torchvision has them."""

__all__ = ["BatchAugment"]


class BatchAugment:
    """Augments, scales and normalises uint8 batches of an `ImageDataset` without a transform.

    Everything random is a function of the batch's numbers, which follow from (seed, epoch, position). The
    images may be on a GPU while all else is on the host: a few parameters are sent, nothing is waited for.

    Args:
        size: height and width that the model takes, in pixels.
        mean: of each channel, for values in [0, 1].
        std: of each channel, for values in [0, 1].
        augment: name of the recipe, see `train_transform`.

    Raises:
        ConfigError: there is no such recipe.
    """

    def __init__(
        self, size: tuple[int, int], mean: Sequence[float], std: Sequence[float], augment: str
    ) -> None:
        self.size = size
        self.recipe = find_recipe(augment)
        self._mean = torch.tensor(mean, dtype=torch.float32).view(3, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32).view(3, 1, 1)

    def __call__(self, batch: Batch) -> Batch:
        """Give the batch with images float32 [N, 3, h, w] and boxes that followed; others as they are.

        A box that leaves its image is dropped with its weight, as image by image.
        """
        if "numbers" not in batch:
            return batch
        numbers = _Numbers(batch["numbers"])
        owners = torch.repeat_interleave(torch.arange(len(batch["images"])), batch["counts"])
        images, boxes = self._turn(batch["images"], batch["boxes"], owners, numbers)
        images, boxes = self._crop(images, boxes, owners, numbers)
        images, boxes = self._move(images, boxes, owners, numbers)
        images = self._normalise(self._colour(images.float() / 255, numbers))
        boxes, kept = clip_boxes(boxes, self.size)
        augmented: Batch = {
            **batch,
            "images": images,
            "boxes": boxes[kept],
            "weights": batch["weights"][kept],
        }
        augmented["counts"] = torch.bincount(owners[kept], minlength=len(images))
        del augmented["numbers"]  # nobody augments it twice
        return augmented

    def _turn(
        self, images: Tensor, boxes: Tensor, owners: Tensor, numbers: "_Numbers"
    ) -> tuple[Tensor, Tensor]:
        """Mirror half of the images, and mirror the other diagonal: with mirrors, that is a quarter turn."""
        recipe, (height, width) = self.recipe, images.shape[-2:]
        x1, y1, x2, y2 = boxes.unbind(1)
        if recipe.flip_x:
            flipped = numbers.take(1)[:, 0] < 0.5
            images = _where(flipped, images.flip(-1), images)
            own = flipped[owners]
            x1, x2 = torch.where(own, width - x2, x1), torch.where(own, width - x1, x2)
        if recipe.flip_y:
            flipped = numbers.take(1)[:, 0] < 0.5
            images = _where(flipped, images.flip(-2), images)
            own = flipped[owners]
            y1, y2 = torch.where(own, height - y2, y1), torch.where(own, height - y1, y2)
        if recipe.turn and self.size[0] == self.size[1] and height == width:
            turned = numbers.take(1)[:, 0] < 0.5
            images = _where(turned, images.transpose(-1, -2), images)
            own = turned[owners]
            x1, y1 = torch.where(own, y1, x1), torch.where(own, x1, y1)
            x2, y2 = torch.where(own, y2, x2), torch.where(own, x2, y2)
        return images, torch.stack([x1, y1, x2, y2], 1)

    def _crop(
        self, images: Tensor, boxes: Tensor, owners: Tensor, numbers: "_Numbers"
    ) -> tuple[Tensor, Tensor]:
        """Crop, if the recipe does, and resize to `size`."""
        stored = int(images.shape[-2]), int(images.shape[-1])
        if self.recipe.crop:
            starts, lengths = _windows(stored, numbers)
        elif stored == self.size:
            return images, boxes
        else:
            lengths = torch.tensor(stored, dtype=torch.float32).expand(len(images), 2)
            starts = torch.zeros_like(lengths)
        kind = torch.half if images.is_cuda else torch.float  # bytes, and 1 / 4096 of them, fit 16 bits
        first, count = _send(starts, images), _send(lengths, images)
        rows = _resizing(first[:, 0], count[:, 0], stored[0], self.size[0]).to(kind)
        columns = _resizing(first[:, 1], count[:, 1], stored[1], self.size[1]).to(kind)
        resized = rows[:, None] @ images.to(kind) @ columns[:, None].transpose(-1, -2)
        scales = torch.tensor(self.size, dtype=torch.float32) / lengths
        start, scale = starts.flip(1).repeat(1, 2)[owners], scales.flip(1).repeat(1, 2)[owners]
        return resized, (boxes - start) * scale

    def _move(
        self, images: Tensor, boxes: Tensor, owners: Tensor, numbers: "_Numbers"
    ) -> tuple[Tensor, Tensor]:
        """Rotate by an angle and zoom about the centre, then shift; what comes in from outside is black."""
        if self.recipe.move is None:
            return images, boxes
        (degrees, shift, zoom), (height, width) = self.recipe.move, self.size
        drawn = 2 * numbers.take(4) - 1
        angle, scale = drawn[:, 0] * math.radians(degrees), 1 + drawn[:, 1] * zoom
        size = torch.tensor([width, height], dtype=torch.float32)
        shifts = (drawn[:, 2:] * shift * size).round()
        cos, sin = angle.cos(), angle.sin()
        rotation = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
        # A point of the result comes from c + R^T (p - c - t) / s; affine_grid wants it in [-1, 1].
        back = rotation.transpose(1, 2) / scale.view(-1, 1, 1)
        theta = torch.cat(
            [back * (size / size[:, None]), -(back @ shifts[:, :, None]) * 2 / size[:, None]], 2
        )
        grid = functional.affine_grid(
            _send(theta, images), [len(images), 3, height, width], align_corners=False
        )
        moved = functional.grid_sample(images.float(), grid, align_corners=False)
        corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].view(-1, 4, 2) - size / 2
        ahead = (rotation * scale.view(-1, 1, 1))[owners]
        corners = corners @ ahead.transpose(1, 2) + size / 2 + shifts[owners][:, None]
        return moved, torch.cat([corners.amin(1), corners.amax(1)], 1)

    def _colour(self, images: Tensor, numbers: "_Numbers") -> Tensor:
        """Change brightness, contrast, saturation and hue of images in [0, 1]."""
        if self.recipe.jitter is None:
            return images
        drawn = 2 * numbers.take(4) - 1
        factors = 1 + drawn[:, :3] * torch.tensor(self.recipe.jitter[:3], dtype=torch.float32)
        bright, contrast, saturation = factors.unbind(1)
        grey = torch.tensor(_GREY, dtype=torch.float32)
        means = torch.einsum("nchw,c->n", images, _send(grey, images)) / (images.shape[-1] * images.shape[-2])
        saturated = (
            saturation.view(-1, 1, 1) * torch.eye(3, dtype=torch.float32)
            + (1 - saturation).view(-1, 1, 1) * grey
        )
        hue = _about_grey(drawn[:, 3] * self.recipe.jitter[3] * 2 * math.pi)
        matrix = _send((bright * contrast).view(-1, 1, 1) * (hue @ saturated), images)
        offset = _send(bright * (1 - contrast), images) * means  # grey, which saturation and hue leave alone
        coloured = torch.baddbmm(offset.view(-1, 1, 1), matrix, images.flatten(2))
        return coloured.clamp(0, 1).view_as(images)

    def _normalise(self, images: Tensor) -> Tensor:
        return (images - _send(self._mean, images)) / _send(self._std, images)


def _send(values: Tensor, images: Tensor) -> Tensor:
    """Give the images' device some parameters, without waiting for it."""
    return values.to(images.device, non_blocking=True)


def _where(chosen: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    return torch.where(_send(chosen, images).view(-1, 1, 1, 1), changed, images)


class _Numbers:
    """Hands out the random numbers [N, k] of each image, in [0, 1), none twice."""

    def __init__(self, numbers: Tensor) -> None:
        self._numbers = numbers.to(torch.float32) / RANDOM_BELOW
        self._taken = 0

    def take(self, count: int) -> Tensor:
        self._taken += count
        return self._numbers[:, self._taken - count : self._taken]


def _windows(stored: tuple[int, int], numbers: _Numbers) -> tuple[Tensor, Tensor]:
    """Draw crops as torchvision does: top and left [N, 2], height and width [N, 2], whole pixels.

    Area and aspect are drawn until the crop fits, ten times at most; then it is the whole image.
    """
    areas = MIN_SCALE + (1 - MIN_SCALE) * numbers.take(_TRIES)
    stretches = MAX_STRETCH ** (2 * numbers.take(_TRIES) - 1)
    height = (stored[0] * (areas / stretches).sqrt()).round()
    width = (stored[1] * (areas * stretches).sqrt()).round()
    fits = (height <= stored[0]) & (width <= stored[1])
    first = fits.int().argmax(1, keepdim=True)
    drawn = torch.stack([height.gather(1, first)[:, 0], width.gather(1, first)[:, 0]], 1)
    whole = torch.tensor(stored, dtype=torch.float32)
    lengths = torch.where(fits.any(1, keepdim=True), drawn, whole)
    starts = (numbers.take(2) * (whole - lengths + 1)).floor()
    return starts, lengths


def _resizing(starts: Tensor, lengths: Tensor, stored: int, size: int) -> Tensor:
    """Matrices [N, size, stored] that resize the pixels start ... start + length - 1 to `size`.

    Bilinear with antialiasing: a triangle as wide as the scale, but at least a pixel, around each centre.
    """
    scale = (lengths / size).view(-1, 1, 1)
    outputs = torch.arange(size, device=starts.device, dtype=torch.float32).view(1, -1, 1) + 0.5
    inputs = (
        torch.arange(stored, device=starts.device, dtype=torch.float32).view(1, 1, -1)
        + 0.5
        - starts.view(-1, 1, 1)
    )
    weights = (1 - (inputs - outputs * scale).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * ((inputs > 0) & (inputs < lengths.view(-1, 1, 1)))
    return weights / weights.sum(2, keepdim=True)


def _about_grey(angles: Tensor) -> Tensor:
    """Rotations [N, 3, 3] of (red, green, blue) about the grey axis; positive turns red towards green."""
    cross = angles.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    eye, ones = torch.eye(3, dtype=torch.float32), torch.full((3, 3), 1 / 3, dtype=torch.float32)
    cos, sin = angles.cos().view(-1, 1, 1), angles.sin().view(-1, 1, 1)
    return cos * eye + (1 - cos) * ones + sin * cross


assert 2 * _TRIES + 2 + 3 + 4 + 4 <= NUMBERS  # noqa: S101  a fact about this file
