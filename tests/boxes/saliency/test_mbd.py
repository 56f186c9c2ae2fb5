"""Minimum barrier distance against an exact search and against cases worked by hand."""

import heapq
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lesioncare.boxes.saliency import MinimumBarrier
from lesioncare.boxes.saliency.mbd import barrier_distance

from .scenes import disc


def exact(values):
    """Minimum barrier distance [h, w] to the border.

    For each floor l, the least possible maximum u over paths that stay at or above l is found by a
    Dijkstra search whose cost is the maximum; the distance is the least u - l over all floors.
    """
    values = values.astype(int)
    best = np.full(values.shape, 256)
    for floor in np.unique(values):
        best = np.minimum(best, least_maximum(values, floor) - floor)
    return best


def least_maximum(values, floor):
    height, width = values.shape
    reached = np.full(values.shape, 10_000)
    queue = []
    for row in range(height):
        for column in range(width):
            border = row in (0, height - 1) or column in (0, width - 1)
            if border and values[row, column] >= floor:
                heapq.heappush(queue, (values[row, column], row, column))
    while queue:
        cost, row, column = heapq.heappop(queue)
        if cost >= reached[row, column]:
            continue
        reached[row, column] = cost
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < height and 0 <= c < width and values[r, c] >= floor:
                heapq.heappush(queue, (max(cost, values[r, c]), r, c))
    return reached


def swept(values, rounds=2):
    return barrier_distance(values[..., None].astype(np.uint8), rounds)[..., 0]


def test_by_hand_a_ring_has_to_be_crossed():
    # Every path to the middle (30) starts at 0 and crosses the ring (50): its values range over 50.
    image = np.zeros((5, 5))
    image[1:4, 1:4] = 50
    image[2, 2] = 30
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = 50
    np.testing.assert_array_equal(swept(image), expected)
    np.testing.assert_array_equal(exact(image), expected)


def test_by_hand_the_best_path_starts_at_the_nearest_value():
    # From the border pixel 40 the middle (60) is 20 away, from the 10s it is 50 away.
    image = np.array([[10, 10, 10], [40, 60, 10], [10, 10, 10]])
    np.testing.assert_array_equal(swept(image), [[0, 0, 0], [0, 20, 0], [0, 0, 0]])


def test_by_hand_the_range_counts_and_not_the_length():
    # Up to 9 and back to 0 as often as you like: the range of the whole way is 9.
    row = [0, 9, 0, 9, 0, 9, 0]
    image = np.array([[99] * 7, row, [99] * 7])
    np.testing.assert_array_equal(swept(image)[1, 1:6], [9, 9, 9, 9, 9])


def test_by_hand_a_path_may_turn():
    # The only cheap way to the 2 at the end is an L-shaped corridor of 1s.
    image = np.full((6, 6), 200)
    image[0, 0] = 1
    image[1:4, 0] = 1
    image[3, 1:4] = 1
    image[2, 3] = 2
    assert swept(image)[2, 3] == exact(image)[2, 3] == 1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(7, 9), (12, 12), (3, 15)])
def test_never_below_the_exact_distance_and_falling_with_each_round(seed, shape):
    values = np.random.default_rng(seed).integers(0, 256, shape)
    rounds = [swept(values, count).astype(int) for count in (1, 2, 3, 8)]
    for earlier, later in pairwise(rounds):
        assert (later <= earlier).all()
    assert (rounds[-1] >= exact(values)).all()


@pytest.mark.parametrize("seed", range(4))
def test_close_to_the_exact_distance_on_smooth_images(seed):
    noise = np.random.default_rng(seed).normal(size=(20, 24))
    smooth = gaussian_filter(noise, 2)
    values = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(int)
    found, expected = swept(values), exact(values)
    assert (found == expected).mean() > 0.55
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.94


def test_channels_do_not_mix():
    channels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    together = barrier_distance(channels)
    for channel in range(3):
        np.testing.assert_array_equal(together[..., channel], swept(channels[..., channel]))


def test_turning_the_image_by_a_quarter_changes_little():
    channels = disc((90, 50, 40), (225, 185, 165))[0][:120, :120]
    turned = np.rot90(barrier_distance(np.ascontiguousarray(np.rot90(channels))), -1)
    assert np.abs(turned.astype(int) - barrier_distance(channels)).mean() < 2


def test_slow_light_costs_less_than_an_edge():
    image = np.repeat(np.linspace(120, 200, 64)[None, :, None], 64, axis=0).repeat(3, axis=2)
    image[26:38, 26:38] -= 60
    found = MinimumBarrier(blur=0)(image.astype(np.uint8))
    assert found[30:34, 30:34].min() > 0.9
    assert found[:, :20].max() < 0.2
    assert found[:, 44:].max() < 0.2


def test_chroma_weighs_a_and_b():
    image = np.full((64, 64, 3), 150, np.uint8)
    image[10:20, 10:20] = (100, 100, 100)  # darker
    image[40:50, 40:50] = (190, 135, 135)  # redder
    lightness, colour = (MinimumBarrier(blur=0, chroma=chroma)(image) for chroma in (0.0, 5.0))
    assert lightness[15, 15] > lightness[45, 45]
    assert colour[15, 15] < colour[45, 45]
