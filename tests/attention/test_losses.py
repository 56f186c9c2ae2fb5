import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from lesioncare.attention import (
    CARELoss,
    EnergyLoss,
    InBoxCrossEntropyLoss,
    InputGradientLoss,
    L1Loss,
    OutsideSquareLoss,
    Regions,
)
from lesioncare.attention.losses import min_max_normalise, positive_normalise
from lesioncare.errors import ConfigError

from . import reference

CAM = torch.tensor([[[2.0, 1.0], [0.0, -2.0]]])
BOXES = [(1.2, 0.7, 8.4, 5.5), (6.1, 4.4, 13.0, 9.2)]


def corner(x2: float = 2.0) -> Regions:
    return Regions([torch.tensor([[0.0, 0.0, x2, 2.0]])], (4, 4), (2, 2))


@pytest.mark.parametrize(
    ("loss", "regions", "expected"),
    [
        # Mn = 1, 3/4, 1/2, 0; the box is the first cell
        (CARELoss(tau=1.0), corner(), (0.75 + 0.5 + 0) / 3 - 1),
        (CARELoss(tau=0.9), corner(), (0.75 + 0.5 + 0) / 3 - 0.9),
        (CARELoss(tau=0.9, outer="distance"), corner(), 0.75 / 4 + 0.5 / 4 + 0 - 0.9),
        (EnergyLoss(), corner(), 1 - 2 / 3),
        (L1Loss(), corner(), 0.5 / 4),
        (OutsideSquareLoss(), corner(), 0.75**2 + 0.5**2),
        # the box takes half of the second cell too, where P = 1/2
        (InBoxCrossEntropyLoss(), corner(3.0), 0.5 * math.log(2) / 1.5),
    ],
)
def test_values_worked_out_by_hand(loss, regions, expected):
    assert loss(CAM, regions).tolist() == pytest.approx([expected], abs=1e-6)


def test_input_gradient_loss_worked_out_by_hand():
    regions = Regions([torch.tensor([[0.0, 0.0, 1.5, 1.0]])], (2, 2), (2, 2))
    gradient = torch.tensor([[[[3.0, 4.0], [1.0, -2.0]], [[9.0, 0.0], [0.0, 3.0]]]])
    assert InputGradientLoss()(gradient, regions).tolist() == [(0.5 * 4) ** 2 + 1 + 4 + 9]


def expected_losses(cam: np.ndarray) -> list[tuple[object, float]]:
    pixels = reference.pixel_mask(BOXES, 10, 14)
    far = reference.pixel_distance(BOXES, 10, 14) * (1 - pixels)
    inside, outside, distance = (reference.cell_sums(p, 4, 5) for p in (pixels, 1 - pixels, far))
    mask, mn = inside / (10 * 14 / 20), reference.normalised(cam)
    return [
        (CARELoss(0.9), reference.care(mn, inside, outside, 0.9)),
        (CARELoss(0.2), reference.care(mn, inside, outside, 0.2)),
        (CARELoss(0.9, "distance"), reference.care(mn, inside, distance, 0.9)),
        (EnergyLoss(), reference.energy(cam, mask)),
        (L1Loss(), reference.l1(cam, mask)),
        (OutsideSquareLoss(), reference.outside_square(cam, mask)),
        (InBoxCrossEntropyLoss(), reference.in_box_cross_entropy(cam, mask, 1e-4)),
        (InBoxCrossEntropyLoss(0.3), reference.in_box_cross_entropy(cam, mask, 0.3)),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_losses_equal_plain_loops_and_have_the_gradient_of_finite_differences(seed):
    cam = torch.randn(1, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    cam.requires_grad_()
    boxes = [torch.tensor(BOXES, dtype=torch.float64)]
    regions = Regions(boxes, (10, 14), (4, 5), dtype=torch.float64)
    for loss, expected in expected_losses(cam.detach()[0].numpy()):
        assert float(loss(cam, regions).detach()) == pytest.approx(expected, abs=1e-12), loss
        assert torch.autograd.gradcheck(lambda m, loss=loss: loss(m, regions), cam), loss


def test_input_gradient_loss_equals_plain_loops():
    gradient = torch.randn(1, 3, 10, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    regions = Regions([torch.tensor(BOXES)], (10, 14), (10, 14), dtype=torch.float64)
    expected = reference.input_gradient(gradient[0].numpy(), reference.pixel_mask(BOXES, 10, 14))
    assert float(InputGradientLoss()(gradient, regions)) == pytest.approx(expected, rel=1e-6)
    assert torch.autograd.gradcheck(lambda g: InputGradientLoss()(g, regions), gradient.requires_grad_())


@pytest.mark.parametrize("image", [(28, 35), (225, 225), (30, 33)])
@pytest.mark.parametrize("outer", ["uniform", "distance"])
def test_care_and_energy_at_image_resolution_equal_the_upsampled_map(image, outer):
    cam = torch.randn(1, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    regions = Regions([torch.tensor(BOXES, dtype=torch.float64)], image, (7, 7), resolution="image",
                      dtype=torch.float64)  # fmt: skip
    mask = reference.pixel_mask(BOXES, *image)
    outside = (1 - mask) * (1 if outer == "uniform" else reference.pixel_distance(BOXES, *image))

    def up(values):
        return functional.interpolate(values[None], image, mode="bilinear", align_corners=False)[0, 0].numpy()

    care = reference.care(up(min_max_normalise(cam)), mask, outside, 0.9)
    assert float(CARELoss(0.9, outer)(cam, regions)) == pytest.approx(care, abs=1e-9)
    energy = reference.energy(up(cam.relu()), mask)
    assert float(EnergyLoss()(cam, regions)) == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 3.7, -1000.1, 1e30])
def test_constant_maps_normalise_to_zero_without_gradient(value):
    cam = torch.full((2, 3, 3), value, requires_grad=True)
    normal = min_max_normalise(cam)
    (gradient,) = torch.autograd.grad(normal.sum(), cam)
    assert normal.abs().max() == 0
    assert gradient.abs().max() == 0


def test_rounding_noise_on_a_large_constant_counts_as_constant():
    cam = torch.full((1, 3, 3), 1000.0)
    cam[0, 1, 1] = torch.nextafter(cam[0, 1, 1], torch.tensor(2000.0))
    assert min_max_normalise(cam).abs().max() == 0


def test_map_without_positive_part_is_dead():
    cam = -torch.rand(2, 3, 3)
    cam.requires_grad_()
    (gradient,) = torch.autograd.grad(positive_normalise(cam).sum(), cam)
    assert positive_normalise(cam).abs().max() == 0
    assert gradient.abs().max() == 0


def test_a_clamped_inside_gives_no_gradient_inside():
    cam = torch.tensor([[[2.0, 1.0], [0.5, -2.0]]], requires_grad=True)
    regions = Regions([torch.tensor([[0.0, 0.0, 2.0, 4.0]])], (4, 4), (2, 2))
    (clamped,) = torch.autograd.grad(CARELoss(tau=0.1)(cam, regions).sum(), cam)
    (free,) = torch.autograd.grad(CARELoss(tau=1.0)(cam, regions).sum(), cam)
    assert clamped[0, 1, 0] == 0
    assert free[0, 1, 0] < 0


@pytest.mark.parametrize(
    "make",
    [lambda: CARELoss(tau=0), lambda: CARELoss(tau=1.1), lambda: CARELoss(outer="far"),
     lambda: InBoxCrossEntropyLoss(eps=0), lambda: InBoxCrossEntropyLoss(eps=1.0)],
)  # fmt: skip
def test_impossible_options_are_refused(make):
    with pytest.raises(ConfigError, match="Expected"):
        make()
