import math

import pytest
import torch

from lesioncare.errors import DataError
from lesioncare.evaluation import area_share, centre_energy, energy_in_box, pointing_hit


def grid(*rows):
    return torch.tensor([rows], dtype=torch.float32)


def reference_energy(cam, share):
    """The formula in plain Python loops."""
    top = bottom = 0.0
    for cam_row, share_row in zip(cam.tolist(), share.tolist(), strict=True):
        for value, part in zip(cam_row, share_row, strict=True):
            top += max(value, 0.0) * part
            bottom += max(value, 0.0)
    return top / bottom


def test_energy_by_hand():
    cam = grid([4.0, -9.0], [2.0, 2.0])
    inside, outside = grid([64.0, 64.0], [32.0, 0.0]), grid([0.0, 0.0], [32.0, 64.0])
    assert energy_in_box(cam, inside, outside).tolist() == pytest.approx([(4 + 1) / 8])


def test_energy_against_loops():
    generator = torch.Generator().manual_seed(0)
    cam = torch.randn(5, 7, 6, generator=generator)
    share = torch.rand(5, 7, 6, generator=generator)
    expected = [reference_energy(one, part) for one, part in zip(cam, share, strict=True)]
    assert energy_in_box(cam, share * 9, (1 - share) * 9).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_energy_ignores_the_scale_of_the_map(scale):
    cam = grid([1.0, 3.0]).expand(1, 100, 2) * scale
    inside = torch.tensor([1.0, 0.0]).expand(1, 100, 2)
    assert energy_in_box(cam, inside, 1 - inside).tolist() == pytest.approx([0.25])


def test_energy_of_a_uniform_map_is_the_area_share():
    inside = grid([1.0, 0.5, 0.0], [1.0, 0.25, 0.0])
    assert energy_in_box(torch.ones(1, 2, 3), inside, 1 - inside).item() == pytest.approx(2.75 / 6)
    assert area_share(inside, 1 - inside).item() == pytest.approx(2.75 / 6)


def test_area_share_weighs_cells_by_their_pixels():
    assert area_share(grid([30.0, 0.0]), grid([0.0, 10.0])).tolist() == [0.75]


def test_undefined_is_nan():
    inside, nothing = grid([1.0, 0.0]), torch.zeros(1, 1, 2)
    rising = grid([0.0, 1.0])
    assert energy_in_box(grid([-1.0, 0.0]), inside, 1 - inside).isnan().all()
    assert pointing_hit(grid([-1.0, 0.0]), inside, 1 - inside).isnan().all()
    assert pointing_hit(grid([2.0, 2.0]), inside, 1 - inside).isnan().all()
    for value in (
        energy_in_box(rising, nothing, 1 - nothing),
        pointing_hit(rising, nothing, 1 - nothing),
        area_share(nothing, 1 - nothing),
        centre_energy(nothing, 1 - nothing),
    ):
        assert value.isnan().all()


def test_a_map_that_is_not_finite_is_undefined():
    inside = grid([1.0, 0.0])
    assert energy_in_box(grid([math.nan, 1.0]), inside, 1 - inside).isnan().all()
    assert pointing_hit(grid([math.nan, 1.0]), inside, 1 - inside).isnan().all()


def test_cells_of_padding_count_as_outside():
    inside, outside = grid([2.0, 0.0]), grid([0.0, 0.0])
    assert energy_in_box(grid([1.0, 3.0]), inside, outside).tolist() == [0.25]


@pytest.mark.parametrize(
    ("cam", "share", "hit"),
    [
        ([0.0, 2.0, 1.0], [0.0, 1.0, 0.0], 1.0),
        ([0.0, 2.0, 1.0], [0.0, 0.5, 1.0], 1.0),
        ([0.0, 2.0, 1.0], [0.0, 0.49, 1.0], 0.0),
        ([2.0, 2.0, 1.0], [1.0, 1.0, 0.0], 1.0),
        ([2.0, 2.0, 1.0], [1.0, 0.0, 0.0], 0.0),
        ([-3.0, 2.0, -1.0], [1.0, 0.0, 1.0], 0.0),
    ],
)
def test_pointing_by_hand(cam, share, hit):
    inside = grid(share)
    assert pointing_hit(grid(cam), inside, 1 - inside).tolist() == [hit]


def test_images_of_a_batch_do_not_mix():
    cam = torch.tensor([[[1.0, 3.0]], [[3.0, 1.0]], [[-1.0, -1.0]]])
    inside = torch.tensor([1.0, 0.0]).expand(3, 1, 2)
    energy, hit = energy_in_box(cam, inside, 1 - inside), pointing_hit(cam, inside, 1 - inside)
    assert energy[:2].tolist() == [0.25, 0.75]
    assert hit[:2].tolist() == [0.0, 1.0]
    assert energy[2].isnan()
    assert hit[2].isnan()


def test_centre_energy_by_hand():
    weights = [math.exp(-((u / 3) ** 2) / (2 * 0.25**2)) for u in (-1, 0, 1)]
    inside = grid([0.0, 1.0, 1.0])
    assert centre_energy(inside, 1 - inside).item() == pytest.approx(sum(weights[1:]) / sum(weights))


def test_centre_energy_prefers_the_centre_and_is_symmetric():
    boxes = torch.zeros(3, 7, 5)
    boxes[0, 3, 2] = boxes[1, 0, 0] = boxes[2, 6, 4] = 1
    centre, corner, opposite = centre_energy(boxes, 1 - boxes).tolist()
    assert centre > 5 * corner
    assert corner == pytest.approx(opposite)


def test_half_precision_maps_are_accepted():
    inside = torch.ones(1, 64, 64).half()
    assert energy_in_box(torch.full((1, 64, 64), 100.0).half(), inside, inside * 0).tolist() == [1.0]


def test_shapes_and_sigma_are_checked():
    one, two = torch.ones(1, 2, 2), torch.ones(1, 2, 3)
    for call in (lambda: energy_in_box(two, one, one), lambda: pointing_hit(one[0], one[0], one[0])):
        with pytest.raises(DataError, match=r"\[N, h, w\]"):
            call()
    with pytest.raises(DataError, match="sigma"):
        centre_energy(one, one, sigma=0)


@pytest.mark.parametrize("shape", [(2, 0, 2), (2, 2, 0), (2, 4), (4,), ()])
def test_maps_without_cells_are_refused(shape):
    empty = torch.zeros(shape)
    for measure in (energy_in_box, pointing_hit):
        with pytest.raises(DataError, match="with cells"):
            measure(empty, empty, empty)
    for measure in (area_share, centre_energy):
        with pytest.raises(DataError, match="with cells"):
            measure(empty, empty)


def test_no_map_has_no_measure():
    none = torch.zeros(0, 2, 2)
    assert energy_in_box(none, none, none).shape == pointing_hit(none, none, none).shape == (0,)
    assert area_share(none, none).shape == centre_energy(none, none).shape == (0,)
