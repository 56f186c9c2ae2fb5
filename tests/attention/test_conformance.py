"""What every attention loss must do; a new one needs one line in CASES."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from lesioncare.attention import (
    AttentionLoss,
    CARELoss,
    EnergyLoss,
    InBoxCrossEntropyLoss,
    InputGradientLoss,
    L1Loss,
    OutsideSquareLoss,
    Regions,
)


@dataclass(frozen=True)
class Case:
    loss: AttentionLoss
    channels: tuple[int, ...] = ()  # dimensions between the batch and the map
    scale_invariant: bool = True


CASES = {
    "care": Case(CARELoss()),
    "care-distance": Case(CARELoss(outer="distance")),
    "energy": Case(EnergyLoss()),
    "l1": Case(L1Loss()),
    "outside-square": Case(OutsideSquareLoss()),
    "in-box-cross-entropy": Case(InBoxCrossEntropyLoss()),
    "input-gradient": Case(InputGradientLoss(), channels=(3,), scale_invariant=False),
}
CELLS = (6, 8)
IMAGE = (24, 32)
BOXES = [
    torch.tensor([[4.0, 4.0, 12.5, 16.0]]),
    torch.tensor([[0.0, 0.0, 9.0, 9.0], [5.0, 5.0, 21.3, 13.0]]),
    torch.tensor([[20.0, 10.0, 32.0, 24.0]]),
]
MASKS = (torch.rand(3, *IMAGE, generator=torch.Generator().manual_seed(1)) - 0.5).relu()
MASKS[:, 6:14, 9:20] = 1
SHAPES = {
    "one box": [BOXES[0], BOXES[2], BOXES[2]],
    "several boxes": [torch.cat(BOXES[:2]), BOXES[1], BOXES[2]],
    "masks": MASKS,
}

pytestmark = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def regions_of(boxes=BOXES, dtype=torch.float32, resolution="feature") -> Regions:
    if isinstance(boxes, Tensor):
        return Regions.from_masks(boxes, CELLS, dtype=dtype, resolution=resolution)
    return Regions(boxes, IMAGE, CELLS, dtype=dtype, resolution=resolution)


def random_maps(case: Case, dtype=torch.float32, images: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images, *case.channels, *CELLS, dtype=dtype, generator=generator)


def spread(case: Case, cam: Tensor) -> Tensor:
    """[B, h, w] with the case's channels, the same in each."""
    for size in case.channels:
        cam = cam.unsqueeze(1).expand(-1, size, -1, -1)
    return cam


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("resolution", ["feature", "image"])
def test_gives_one_finite_number_per_image_in_the_maps_type(case, shape, dtype, resolution):
    losses = case.loss(random_maps(case, dtype), regions_of(SHAPES[shape], dtype, resolution))
    assert losses.shape == (3,)
    assert losses.dtype == dtype
    assert losses.isfinite().all()


def test_float32_agrees_with_float64(case):
    single = case.loss(random_maps(case, torch.float64).float(), regions_of())
    double = case.loss(random_maps(case, torch.float64), regions_of(dtype=torch.float64))
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_equals_one_by_one(case, shape):
    maps, shapes = random_maps(case), SHAPES[shape]
    together = case.loss(maps, regions_of(shapes))
    alone = [case.loss(maps[i : i + 1], regions_of(shapes[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("factor", [1e-20, 0.1, 7.0, 1e20])
def test_positive_scaling_changes_nothing_where_the_formula_says_so(case, factor):
    maps = random_maps(case)
    if not case.scale_invariant:
        torch.testing.assert_close(case.loss(3 * maps, regions_of()), 9 * case.loss(maps, regions_of()))
        return
    torch.testing.assert_close(case.loss(maps * factor, regions_of()), case.loss(maps, regions_of()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("resolution", ["feature", "image"])
def test_attention_inside_the_box_is_better_than_outside(case, shape, resolution):
    shapes = (MASKS == 1) if shape == "masks" else SHAPES[shape]
    regions = regions_of(shapes, resolution=resolution)
    inside = (regions.mask == regions.mask.amax((1, 2), keepdim=True)).float()
    outside = (regions.mask < 0.01).float()
    better, worse = case.loss(spread(case, inside), regions), case.loss(spread(case, outside), regions)
    assert (better < worse).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_descent_lowers_the_loss(case, shape):
    maps, regions = random_maps(case).requires_grad_(), regions_of(SHAPES[shape])
    optimiser = torch.optim.SGD([maps], lr=0.01)
    before = case.loss(maps, regions).sum()
    for _ in range(20):
        optimiser.zero_grad()
        case.loss(maps, regions).sum().backward()
        optimiser.step()
    assert case.loss(maps, regions).sum() < before - 1e-4


HOT = torch.zeros(1, *CELLS)
HOT[0, 2, 3] = 1.0
MAPS = {
    "zero": torch.zeros(1, *CELLS),
    "constant": torch.full((1, *CELLS), 3.7),
    "negative constant": torch.full((1, *CELLS), -1000.1),
    "no positive part": -torch.rand(1, *CELLS, generator=torch.Generator().manual_seed(0)) - 0.1,
    "one hot cell": HOT,
    "one cold cell": -HOT,
    "huge": HOT * 1e15,
    "tiny": HOT * 1e-30,
    "below the smallest number": HOT * 1e-44,
    "offset": 1000 + HOT * 1e-3,
}
EDGES = {
    "whole image": [[0.0, 0.0, 32.0, 24.0]],
    "one pixel": [[7.0, 5.0, 8.0, 6.0]],
    "thinner than a pixel": [[7.0, 5.0, 7.001, 6.0]],
    "last corner": [[31.5, 23.5, 32.0, 24.0]],
    "all but a row": [[0.0, 0.0, 32.0, 23.0]],
}


def edge_masks() -> Tensor:
    """As the edge cases of boxes: full, one pixel, hardly anything, a corner, and all but a row."""
    masks = torch.zeros(len(EDGES), *IMAGE)
    masks[0], masks[1, 5, 7], masks[2, 5, 7], masks[3, -1, -1], masks[4, :-1] = 1, 1, 1e-6, 0.25, 1
    return masks


@pytest.mark.parametrize("resolution", ["feature", "image"])
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("shape", ["boxes", "masks"])
def test_degenerate_maps_and_boxes_give_finite_losses_and_gradients(case, shape, name, resolution):
    boxes = [torch.tensor(edge) for edge in EDGES.values()]
    regions = regions_of(edge_masks() if shape == "masks" else boxes, resolution=resolution)
    maps = spread(case, MAPS[name].expand(len(EDGES), -1, -1)).clone().requires_grad_()
    losses = case.loss(maps, regions)
    (gradient,) = torch.autograd.grad(losses.sum(), maps)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()
    if name == "zero":
        assert gradient.abs().max() == 0
