import numpy as np
import pytest
import torch
from torch.nn import functional

from lesioncare.attention import Regions, clip_boxes
from lesioncare.attention.losses import min_max_normalise
from lesioncare.errors import ConfigError, DataError

from . import reference

ONE = [(3.0, 2.0, 9.0, 11.0)]
FRACTIONAL = [(2.3, 1.7, 9.45, 6.2)]
OVERLAPPING = [(1.2, 1.1, 8.8, 7.5), (5.5, 4.25, 12.9, 10.0), (0.0, 9.3, 2.2, 11.0)]


def regions_of(boxes, image, cells, dtype=torch.float64, **options) -> Regions:
    return Regions([torch.tensor(boxes, dtype=dtype)], image, cells, dtype=dtype, **options)


def test_areas_and_distances_worked_out_by_hand():
    regions = regions_of([(0.0, 0.0, 2.0, 2.0)], (4, 4), (2, 2))
    assert regions.inside[0].tolist() == [[4, 0], [0, 0]]
    assert regions.outside[0].tolist() == [[0, 4], [4, 4]]
    assert regions.mask[0].tolist() == [[1, 0], [0, 0]]
    # pixel centres 2.5 and 3.5 are 0.5 and 1.5 away: 2 rows x (0.5 + 1.5), and in the corner twice that
    assert regions.distance[0].tolist() == [[0, 4], [4, 8]]


def test_upsampling_weights_worked_out_by_hand():
    # 2 cells to 4 pixels: the left cell counts 1, 0.75, 0.25, 0 at the pixels
    regions = regions_of([(0.0, 0.0, 2.0, 1.0)], (1, 4), (1, 2), resolution="image")
    assert regions.inside[0].tolist() == [[1.75, 0.25]]
    assert regions.outside[0].tolist() == [[0.25, 1.75]]


def test_weights_of_a_box_smaller_than_a_pixel_have_the_sum_one():
    regions = regions_of([(1.25, 1.25, 1.75, 1.75)], (4, 4), (2, 2))
    assert regions.inside.sum().item() == pytest.approx(0.25)
    torch.testing.assert_close(regions.area_weights.sum((-2, -1)), torch.ones(2, 1, dtype=torch.float64))
    torch.testing.assert_close(regions.distance_weights.sum((-2, -1)), torch.ones(2, 1, dtype=torch.float64))


@pytest.mark.parametrize("boxes", [ONE, FRACTIONAL, OVERLAPPING])
@pytest.mark.parametrize(("image", "cells"), [((12, 14), (3, 7)), ((13, 15), (4, 7)), ((12, 14), (12, 14))])
def test_areas_equal_plain_loops(boxes, image, cells):
    regions = regions_of(boxes, image, cells)
    mask = reference.pixel_mask(boxes, *image)
    distance = reference.pixel_distance(boxes, *image) * (1 - mask)
    for value, pixels in ((regions.inside, mask), (regions.outside, 1 - mask), (regions.distance, distance)):
        np.testing.assert_allclose(value[0], reference.cell_sums(pixels, *cells), atol=1e-10)
    shares = reference.cell_sums(mask, *cells) / reference.cell_sums(np.ones(image), *cells)
    np.testing.assert_allclose(regions.mask[0], shares, atol=1e-10)


@pytest.mark.parametrize("image", [(28, 35), (30, 33), (225, 225), (13, 224)])
@pytest.mark.parametrize("boxes", [ONE, FRACTIONAL, OVERLAPPING])
def test_image_resolution_equals_comparing_the_upsampled_map(image, boxes):
    cam = torch.rand(1, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mn = min_max_normalise(cam)
    up = functional.interpolate(mn[None], image, mode="bilinear", align_corners=False)[0, 0].numpy()
    mask = reference.pixel_mask(boxes, *image)
    distance = reference.pixel_distance(boxes, *image) * (1 - mask)
    regions = regions_of(boxes, image, (7, 7), resolution="image")
    for value, pixels in ((regions.inside, mask), (regions.outside, 1 - mask), (regions.distance, distance)):
        expected = (up * pixels).sum() / pixels.sum()
        found = (mn * value).sum() / value.sum()
        assert float(found) == pytest.approx(expected, abs=1e-9)
        single = (mn.float() * value.float()).sum() / value.float().sum()
        assert float(single) == pytest.approx(expected, abs=1e-6)


def test_images_of_one_batch_with_unequal_numbers_of_boxes_do_not_disturb_each_other():
    boxes = [torch.tensor(ONE), torch.tensor(OVERLAPPING)]
    together = Regions(boxes, (12, 14), (3, 7))
    for index, box in enumerate(boxes):
        alone = Regions([box], (12, 14), (3, 7))
        for name in ("inside", "outside", "distance", "mask"):
            torch.testing.assert_close(getattr(together, name)[index], getattr(alone, name)[0])


@pytest.mark.parametrize("resolution", ["feature", "image"])
def test_whole_image_box_leaves_nothing_outside(resolution):
    regions = regions_of([(0.0, 0.0, 225.0, 225.0)], (225, 225), (7, 7), torch.float32, resolution=resolution)
    assert regions.outside.abs().max() == 0
    assert regions.distance.abs().max() == 0
    torch.testing.assert_close(regions.mask, torch.ones(1, 7, 7))


def test_more_cells_than_pixels_stay_finite():
    for resolution in ("feature", "image"):
        regions = regions_of([(1.0, 1.0, 3.0, 3.0)], (4, 4), (20, 20), resolution=resolution)
        assert regions.mask.isfinite().all()
        assert regions.inside.sum() == pytest.approx(4)


def test_a_box_thinner_than_float32_can_tell_stays_finite():
    box = torch.tensor([[100.0, 10.0, 100.0 + 1e-9, 20.0]], dtype=torch.float64)
    regions = Regions([box], (128, 128), (4, 4), dtype=torch.float32)
    for name in ("inside", "outside", "distance", "mask"):
        assert getattr(regions, name).isfinite().all()


def test_unknown_resolution_is_refused():
    with pytest.raises(ConfigError, match="resolution"):
        regions_of(ONE, (4, 4), (2, 2), resolution="pixel")


@pytest.mark.parametrize(
    ("boxes", "expected", "kept"),
    [
        ([[1.0, 2.0, 3.0, 4.0]], [[1, 2, 3, 4]], [True]),
        ([[-5.0, -5.0, 30.0, 40.0]], [[0, 0, 20, 10]], [True]),
        ([[25.0, 2.0, 30.0, 4.0], [1.0, 1.0, 2.0, 2.0]], [[1, 1, 2, 2]], [False, True]),
        ([[3.0, 2.0, 3.0, 4.0]], [], [False]),
        ([[5.0, 2.0, 3.0, 4.0]], [], [False]),
    ],
)
def test_boxes_are_clipped_and_what_keeps_no_area_drops_out(boxes, expected, kept):
    clipped, which = clip_boxes(torch.tensor(boxes), (10, 20))
    assert clipped.tolist() == expected
    assert which.tolist() == kept


@pytest.mark.parametrize("empty", [torch.empty(0), torch.empty(0, 4), torch.empty(0, 4, dtype=torch.int64)])
def test_no_boxes_in_any_shape(empty):
    clipped, kept = clip_boxes(empty, (10, 20))
    assert clipped.shape == (0, 4)
    assert kept.shape == (0,)


@pytest.mark.parametrize(
    "boxes", [[1.0, 2, 3, 4], [[1.0, 2, 3]], [[1.0, 2, 3, float("nan")]], [[1.0, 2, float("inf"), 4]]]
)
def test_malformed_boxes_are_refused(boxes):
    with pytest.raises(DataError, match="Expected boxes"):
        clip_boxes(torch.tensor(boxes), (10, 20))
