"""Where a model looks: how much of its activation map lies in the lesion's box.

All functions take maps on the grid of the target layer, [N, h, w], and per cell the pixel areas
inside and outside the boxes, [N, h, w] each. Their ratio is the share of a cell that the box covers,
so a cell that the box's edge cuts counts in part. An image without a box gives NaN.
"""

import torch
from torch import Tensor

from lesioncare.errors import DataError

__all__ = ["area_share", "centre_energy", "energy_in_box", "pointing_hit"]


def energy_in_box(cam: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """Share of the map's positive part that lies in the box, [N] in [0, 1].

    `sum(M+ * c) / sum(M+)`, with M+ = max(M, 0) and c = inside / (inside + outside) in [0, 1].
    NaN where the map has no positive part. Cells without area (padding) count as outside.

    Source: energy-based pointing game, Wang et al., Score-CAM, CVPR Workshops 2020, section 4.3.

    Args:
        cam: activation maps [N, h, w].
        inside: pixels of each cell inside the boxes [N, h, w].
        outside: pixels of each cell outside the boxes [N, h, w].

    Raises:
        DataError: the shapes disagree.

    Example:
        >>> inside = torch.tensor([[[1.0, 0.0]]])
        >>> energy_in_box(torch.tensor([[[3.0, 1.0]]]), inside, 1 - inside)
        tensor([0.7500])
    """
    cover = _cover(cam, inside, outside)
    positive = cam.float().relu()
    # Only ratios matter; the division by the peak keeps the sums of huge values finite, and 0/0 is NaN.
    scaled = positive / positive.amax(dim=(1, 2), keepdim=True)
    return _where_boxed((scaled * cover).sum(dim=(1, 2)) / scaled.sum(dim=(1, 2)), cover)


def pointing_hit(cam: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """Whether the map's peak lies in the box, [N]: 1 where the peak's cell is at least half inside, else 0.

    Where several cells share the peak, all of them must lie inside. NaN where the map has no positive
    part or is constant, so that it has no peak.

    Source: pointing game, Zhang et al., Top-down neural attention by excitation backprop, IJCV 2018.

    Raises:
        DataError: the shapes disagree.
    """
    cover = _cover(cam, inside, outside)
    values = cam.float()
    peak = values.amax(dim=(1, 2), keepdim=True)
    missed = ((values == peak) & (cover < 0.5)).flatten(1).any(dim=1)
    pointed = (peak > 0) & (peak > values.amin(dim=(1, 2), keepdim=True))
    hit = torch.where(pointed.flatten(), (~missed).float(), torch.nan)
    return _where_boxed(hit, cover)


def area_share(inside: Tensor, outside: Tensor) -> Tensor:
    """Share of the image that the boxes cover, [N] in (0, 1]: the energy of a uniform map.

    `sum(inside) / sum(inside + outside)`; NaN without a box.

    Raises:
        DataError: the shapes disagree.
    """
    cover = _cover(inside, inside, outside)
    total = (inside.float() + outside.float()).sum(dim=(1, 2))
    return _where_boxed(inside.float().sum(dim=(1, 2)) / total, cover)


def centre_energy(inside: Tensor, outside: Tensor, sigma: float = 0.25) -> Tensor:
    """Energy in the box of a map that always looks at the centre, [N] in [0, 1].

    The map is `exp(-(u^2 + v^2) / (2 sigma^2))`, u and v being the distances of a cell's centre from the
    image's centre as shares of its width and height. Lesions are often photographed in the centre: a model
    that does not beat this number may have learnt no more than that.

    Args:
        inside: pixels of each cell inside the boxes [N, h, w].
        outside: pixels of each cell outside the boxes [N, h, w].
        sigma: standard deviation as a share of the side, above 0.

    Raises:
        DataError: the shapes disagree or sigma is not above 0.
    """
    if not sigma > 0:
        raise DataError(f"the centre map's sigma must be above 0, but is {sigma}.")
    _check_shapes(inside, inside, outside)
    rows, columns = (
        torch.exp(-(((torch.arange(n, device=inside.device) + 0.5) / n - 0.5) ** 2) / (2 * sigma**2))
        for n in inside.shape[-2:]
    )
    return energy_in_box((rows[:, None] * columns).expand_as(inside), inside, outside)


def _cover(cam: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """Share of each cell that the boxes cover, [N, h, w]; 0 for a cell without area."""
    _check_shapes(cam, inside, outside)
    return torch.nan_to_num(inside.float() / (inside.float() + outside.float()), nan=0.0)


def _check_shapes(cam: Tensor, inside: Tensor, outside: Tensor) -> None:
    if cam.ndim != 3 or 0 in cam.shape[1:] or not cam.shape == inside.shape == outside.shape:
        shapes = f"{tuple(cam.shape)}, {tuple(inside.shape)} and {tuple(outside.shape)}"
        raise DataError(
            f"map, inside and outside must have one shape [N, h, w] with cells, but got {shapes}."
        )


def _where_boxed(values: Tensor, cover: Tensor) -> Tensor:
    return torch.where(cover.sum(dim=(1, 2)) > 0, values, torch.nan)
