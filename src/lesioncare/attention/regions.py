"""From boxes or masks in image pixels to how much of each feature cell lies inside and outside them."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from lesioncare.errors import ConfigError, DataError

Resolution = Literal["feature", "image"]

__all__ = ["Regions", "Resolution", "clip_boxes"]


class Regions:
    r"""The boxes of B images, seen at the size h x w of a feature map.

    With m in [0, 1]^{H x W} the share of each image pixel that the boxes cover (exact at the
    boxes' fractional edges; where several boxes overlap, the largest share counts), and R_y, R_x
    the matrices that bring H x W pixels to h x w cells:

        inside = R_y m R_x^T,    outside = R_y (1 - m) R_x^T,    distance = R_y (d (1 - m)) R_x^T

    where d is each pixel's L1 distance to the nearest box. `from_masks` takes m itself, of any shape; a box
    with its corners between pixels and its mask give the same.

    * `resolution="feature"`: R sums pixels over each cell's area, so that `inside` and `outside`
      are areas in square pixels.
    * `resolution="image"`: R is the transpose of bilinear upsampling U. As
      sum(U(M) * m) = sum(M * U^T(m)), a sum over the h x w cells equals the sum over the upsampled
      map's H x W pixels, as the published code compares them, without upsampling any map.

    Args:
        boxes: B tensors [n_i, 4], xyxy in pixels, n_i >= 1, inside the image (see `clip_boxes`); or one
            tensor [B, n, 4], where boxes without area are padding.
        image_size: (H, W) that the boxes refer to.
        feature_size: (h, w) of the map.
        resolution: where the comparison is made, see above.
        device: where the areas are computed.
        dtype: their floating type.
    """

    def __init__(
        self,
        boxes: Sequence[Tensor] | Tensor,
        image_size: tuple[int, int],
        feature_size: tuple[int, int],
        *,
        resolution: Resolution = "feature",
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if resolution not in ("feature", "image"):
            raise ConfigError(f"Expected `resolution` to be 'feature' or 'image', but got {resolution!r}.")
        if not isinstance(boxes, Tensor):
            boxes = pad_sequence([box.to(dtype=dtype) for box in boxes], batch_first=True)
        self._device = boxes.device if device is None else device
        self._boxes = boxes.to(dtype=dtype)  # [B, n, 4]
        self._image_size, self._feature_size, self._resolution = image_size, feature_size, resolution

    @classmethod
    def from_masks(
        cls,
        masks: Tensor,
        feature_size: tuple[int, int],
        *,
        resolution: Resolution = "feature",
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> "Regions":
        """Make the regions of masks m.

        The distance d is here that to the nearest pixel of at least half the mask's largest share.

        Args:
            masks: m, [B, H, W], in [0, 1], bool or of any other type.
            feature_size: (h, w) of the map.
            resolution: as for boxes, and so are the device and the type.
            device: where the areas are computed; that of the masks if not given.
            dtype: their floating type.

        Raises:
            DataError: not of shape [B, H, W], or without any pixel.
        """
        if masks.ndim != 3 or 0 in masks.shape[1:]:
            raise DataError(f"Expected masks of shape [B, H, W], but got {list(masks.shape)}.")
        placed = masks.to(device=device, dtype=dtype, non_blocking=masks.device.type == "cpu")
        size = (int(masks.shape[-2]), int(masks.shape[-1]))
        no_boxes = placed.new_zeros(len(masks), 0, 4)
        regions = cls(no_boxes, size, feature_size, resolution=resolution, dtype=dtype)
        regions._mask = placed
        return regions

    @cached_property
    def inside(self) -> Tensor:
        """What of each cell lies in a box, [B, h, w], >= 0, in square pixels."""
        return self.areas[0]

    @cached_property
    def outside(self) -> Tensor:
        """What of each cell lies in no box, [B, h, w], >= 0, in square pixels."""
        return self.areas[1]

    @cached_property
    def areas(self) -> Tensor:
        """`inside` and `outside`, [2, B, h, w]."""
        return self._place(self._areas)

    @cached_property
    def area_weights(self) -> Tensor:
        """`areas`, each divided by its sum over the map, [2, B, h, w]; 0 where that is 0."""
        return self._place(_to_sum_one(self._areas))

    @cached_property
    def distance(self) -> Tensor:
        """The L1 distance to the nearest box, summed over each cell's pixels outside, [B, h, w], >= 0."""
        nearest = self._nearest if self._boxes.shape[1] else _mask_distance(self._mask)
        return self._reduce(nearest * (1 - self._mask))

    @cached_property
    def distance_weights(self) -> Tensor:
        """`inside` and `distance`, each divided by its sum over the map, [2, B, h, w]; 0 where that is 0."""
        return _to_sum_one(torch.stack((self.inside, self.distance)))

    @cached_property
    def _areas(self) -> Tensor:
        """The areas, where they are best computed.

        One box an image: its mask is a product, and so is what it reduces to. That is little work, done
        where the boxes are: on the CPU it takes less time than a GPU needs to be told of it.
        """
        if self._boxes.shape[1] != 1:
            return torch.stack((self._reduce(self._mask), self._reduce(1 - self._mask)))
        (rows, columns), (to_rows, to_columns) = self._sides(self._boxes), self._matrices(self._boxes.device)
        y, x = rows @ to_rows.T, columns @ to_columns.T  # [B, 1, h] and [B, 1, w]
        rest_y, rest_x = (1 - rows) @ to_rows.T, (1 - columns) @ to_columns.T
        # 1 - rc = (1 - r) + r (1 - c): sums only, so that nothing cancels
        return torch.stack((y.mT * x, rest_y.mT * to_columns.sum(1) + y.mT * rest_x))

    @cached_property
    def _mask(self) -> Tensor:
        """m, [B, H, W]."""
        rows, columns = self._sides(self._place(self._boxes))
        return (rows[..., :, None] * columns[..., None, :]).amax(dim=1)

    @property
    def _nearest(self) -> Tensor:
        """The L1 distance of each pixel's centre to the nearest box, [B, H, W]."""
        x1, y1, x2, y2 = self._place(self._boxes).unbind(-1)
        rows = _axis_distance(y1, y2, self._image_size[0])
        columns = _axis_distance(x1, x2, self._image_size[1])
        distance = rows[..., :, None] + columns[..., None, :]  # [B, n, H, W]
        padding = ((x2 <= x1) | (y2 <= y1))[..., None, None]
        largest = sum(self._image_size)  # no pixel is as far away as the padding
        return distance.masked_fill(padding, largest).amin(dim=1)

    def _sides(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """How much of each pixel row [B, n, H] and column [B, n, W] each box covers."""
        x1, y1, x2, y2 = boxes.unbind(-1)  # each [B, n]
        return _coverage(y1, y2, self._image_size[0]), _coverage(x1, x2, self._image_size[1])

    def _reduce(self, pixels: Tensor) -> Tensor:
        rows, columns = self._matrices(pixels.device)
        return rows @ pixels @ columns.T

    def _matrices(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """R_y, [h, H], and R_x, [w, W]."""
        placed = self._resolution, device, self._boxes.dtype
        sides = zip(self._image_size, self._feature_size, strict=True)
        rows, columns = (_matrix(pixels, cells, *placed) for pixels, cells in sides)
        return rows, columns

    def _place(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, non_blocking=True)

    @property
    def mask(self) -> Tensor:
        """The share of each cell inside the boxes, [B, h, w], in [0, 1]."""
        area = self.areas.sum(0)  # 0 where an upsampling to fewer pixels skips a cell
        return self.inside / area.clamp(min=torch.finfo(area.dtype).tiny)


def clip_boxes(boxes: Tensor, image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Clip boxes to the image and drop those that keep no area.

    Args:
        boxes: [n, 4], xyxy in pixels.
        image_size: (height, width) in pixels.

    Returns:
        The kept boxes [k, 4] and the mask [n] of which were kept.

    Raises:
        DataError: not of shape [n, 4], or a corner is not finite.
    """
    if boxes.numel() == 0:
        return boxes.new_zeros((0, 4)), boxes.new_zeros((0,), dtype=torch.bool)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(f"Expected boxes of shape [n, 4] in xyxy, but got {list(boxes.shape)}.")
    if not bool(torch.isfinite(boxes).all()):
        raise DataError(f"Expected boxes with finite corners, but got {boxes.tolist()}.")
    clipped, kept = clip(boxes, image_size)
    return clipped[kept], kept


def clip(boxes: Tensor, image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Clip finite boxes [n, 4] to the image; give them all, and the mask [n] of those that keep area."""
    height, width = image_size
    clipped = boxes.clamp(min=0).minimum(torch.tensor((width, height) * 2, device=boxes.device))
    return clipped, (clipped[:, 2:] > clipped[:, :2]).all(dim=1)


def _coverage(start: Tensor, end: Tensor, length: int) -> Tensor:
    """The share of each of `length` pixels between start and end: [...] -> [..., length]."""
    pixel = torch.arange(length, device=start.device)
    return (torch.minimum(end[..., None], pixel + 1) - torch.maximum(start[..., None], pixel)).clamp(min=0)


def _to_sum_one(areas: Tensor) -> Tensor:
    total = areas.sum((-2, -1), keepdim=True)
    return areas / total.masked_fill(total <= 0, 1)


def _axis_distance(start: Tensor, end: Tensor, length: int) -> Tensor:
    centre = torch.arange(length, device=start.device, dtype=start.dtype) + 0.5
    return (start[..., None] - centre).clamp(min=0) + (centre - end[..., None]).clamp(min=0)


def _mask_distance(masks: Tensor) -> Tensor:
    """The L1 distance of each pixel's centre to the nearest square pixel of the mask, [B, H, W].

    It is the sum of the distances along the two axes, so that one pass along each finds the least.
    """
    inside = (masks > 0) & (masks >= masks.amax((1, 2), keepdim=True) / 2)
    far = float(sum(masks.shape[1:]))  # no pixel is as far away
    start = torch.zeros_like(masks).masked_fill(~inside, far)
    return _nearest_along(_nearest_along(start.mT).mT)


def _nearest_along(values: Tensor) -> Tensor:
    """min over q of values[q] + the distance from the centre of p to the pixel q, along the last axis."""
    index = torch.arange(values.shape[-1], device=values.device, dtype=values.dtype)
    before = (values - index).cummin(-1).values[..., :-1] + index[1:] - 0.5
    after = (values + index).flip(-1).cummin(-1).values.flip(-1)[..., 1:] - index[:-1] - 0.5
    before = functional.pad(before, (1, 0), value=torch.inf)
    return values.minimum(before).minimum(functional.pad(after, (0, 1), value=torch.inf))


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # what is made in inference mode could enter no graph later
def _matrix(
    pixels: int, cells: int, resolution: Resolution, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """[cells, pixels], made once for each size, device and type, so that a step copies no matrix."""
    make = _area_matrix if resolution == "feature" else _bilinear_transpose
    return make(pixels, cells).to(device=device, dtype=dtype)


def _area_matrix(pixels: int, cells: int) -> Tensor:
    """[cells, pixels]: the length of each pixel that lies in each of `cells` equal cells."""
    edges = torch.arange(cells + 1, dtype=torch.float64) * (pixels / cells)
    return _coverage(edges[:-1], edges[1:], pixels)


def _bilinear_transpose(pixels: int, cells: int) -> Tensor:
    """[cells, pixels]: the transpose of linear upsampling from cells to pixels (half-pixel centres)."""
    identity = torch.eye(cells, dtype=torch.float64)[None]
    return functional.interpolate(identity, size=pixels, mode="linear", align_corners=False)[0]
