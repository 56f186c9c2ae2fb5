"""The step from a map to a box, by hand and against plain code."""

import numpy as np
import pytest
from scipy.ndimage import label

from lesioncare.boxes.generation import MapToBox
from lesioncare.boxes.generation.map_to_box import centre_weight, weighted_otsu
from lesioncare.errors import ConfigError

EXACT = MapToBox(size=100, blur=0, padding=0)


def scene(*rectangles, shape=(100, 100)):
    """A map with rectangles (x1, y1, x2, y2, value)."""
    saliency = np.zeros(shape, np.float32)
    for x1, y1, x2, y2, value in rectangles:
        saliency[y1:y2, x1:x2] = value
    return saliency


def test_by_hand_the_box_of_a_rectangle():
    assert EXACT(scene((30, 40, 70, 60, 1.0))) == (30, 40, 70, 60)


def test_by_hand_padding_is_a_share_of_the_boxs_own_side():
    padded = MapToBox(size=100, blur=0, padding=0.1)
    assert padded(scene((30, 40, 70, 60, 1.0))) == (26, 38, 74, 62)


def test_by_hand_padding_stops_at_the_image():
    padded = MapToBox(size=100, blur=0, padding=0.5)
    assert padded(scene((0, 40, 60, 100, 1.0))) == (0, 10, 90, 100)


def test_by_hand_half_size_doubles_the_corners():
    small = MapToBox(size=50, blur=0, padding=0)
    assert small(scene((30, 40, 70, 60, 1.0))) == (30, 40, 70, 60)
    assert small(scene((20, 40, 60, 60, 1.0), shape=(100, 80))) == (20, 40, 60, 60)


def test_a_large_map_is_first_reduced_to_the_size_keeping_its_shape():
    saliency = scene((30, 20, 60, 80, 1.0), shape=(100, 80))
    saliency[:, ::2] = 0  # stripes that touch nowhere, until two columns become one
    half = MapToBox(size=50, blur=0, padding=0)
    reduced = saliency.reshape(50, 2, 40, 2).mean((1, 3))
    assert half(saliency) == pytest.approx([2 * edge for edge in half(reduced)])


def test_the_central_component_beats_a_larger_one_at_the_border():
    assert EXACT(scene((40, 40, 60, 60, 1.0), (0, 0, 25, 100, 1.0))) == (40, 40, 60, 60)


def test_the_more_salient_component_beats_a_fainter_one_as_central():
    assert EXACT(scene((30, 40, 45, 60, 0.7), (55, 40, 70, 60, 1.0))) == (55, 40, 70, 60)


def test_touching_at_a_corner_is_one_component():
    assert EXACT(scene((40, 40, 50, 50, 1.0), (50, 50, 60, 60, 1.0))) == (40, 40, 60, 60)


def test_a_lesion_that_fills_the_frame_is_found():
    found = EXACT(scene((5, 5, 100, 100, 1.0)))
    assert found == (5, 5, 100, 100)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (40, 30)], ids=str)
def test_a_constant_map_has_no_box(value, shape):
    assert MapToBox()(np.full(shape, value, np.float32)) is None


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (1, 300), (3, 3), (7, 500)], ids=str)
def test_small_and_long_maps_give_a_box_inside(shape):
    saliency = np.random.default_rng(0).random(shape, np.float32)
    x1, y1, x2, y2 = MapToBox()(saliency)
    assert 0 <= x1 < x2 <= shape[1]
    assert 0 <= y1 < y2 <= shape[0]


def test_threshold_keeps_more_or_less():
    # A bright core of 20 in a fainter square of 60: low thresholds take the square, high ones the core.
    saliency = scene((20, 20, 80, 80, 0.4), (40, 40, 60, 60, 1.0))
    low, high = EXACT.ladder(saliency, (0.5, 2.5))
    assert low == (20, 20, 80, 80)
    assert high == (40, 40, 60, 60)


def test_ladder_gives_nothing_above_the_maximum():
    saliency = scene((40, 40, 60, 60, 1.0)) + np.linspace(0, 0.5, 100, dtype=np.float32)
    assert EXACT.ladder(saliency, (1.0, 1000.0))[1] is None


def test_ladder_agrees_with_one_threshold_at_a_time():
    saliency = np.random.default_rng(3).random((90, 70), np.float32)
    factors = (0.7, 1.0, 1.3)
    single = [MapToBox(threshold=factor)(saliency) for factor in factors]
    assert MapToBox().ladder(saliency, factors) == single


@pytest.mark.parametrize("seed", range(8))
def test_against_plain_code(seed):
    """Threshold, components, mass and corners with scipy and loops, at full size and without blur."""
    rng = np.random.default_rng(seed)
    saliency = np.kron(rng.random((8, 10)), np.ones((5, 5))).astype(np.float32)
    saliency /= saliency.max()
    levels = (saliency * np.float32(255)).astype(np.uint8)
    rows, columns = np.mgrid[:40, :50]
    offsets = ((columns + 0.5) / 50 - 0.5) ** 2 + ((rows + 0.5) / 40 - 0.5) ** 2
    near, nearer = np.exp(-offsets / (2 * 0.28**2)), np.exp(-offsets / (2 * 0.12**2))
    cut = max(range(255), key=lambda level: between(levels, near, level))
    components, count = label(levels > cut, structure=np.ones((3, 3)))
    best = max(range(1, count + 1), key=lambda one: (saliency * nearer)[components == one].sum())
    ys, xs = np.nonzero(components == best)
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert MapToBox(size=50, blur=0, padding=0)(saliency) == pytest.approx(expected)


def between(levels, weights, level):
    """Variance between the two classes that a level makes, from its definition."""
    low, high = levels <= level, levels > level
    if not low.any() or not high.any():
        return -1.0
    total = weights.sum()
    shares = weights[low].sum() / total, weights[high].sum() / total
    means = [np.average(levels[part].astype(float), weights=weights[part]) for part in (low, high)]
    return round(shares[0] * shares[1] * (means[0] - means[1]) ** 2, 6)


def test_otsu_by_hand():
    # Levels 0, 0, 10, 20, 20: cuts at 0 to 9 give shares 2/5 and 3/5 of means 0 and 50/3, variance 66.7;
    # cuts at 10 to 19 shares 3/5 and 2/5 of means 10/3 and 20, variance 66.7 as well. Weight decides.
    levels = np.array([[0, 0, 10, 20, 20]], np.uint8)
    assert weighted_otsu(levels, np.array([[1, 1, 1, 1.5, 1.5]], np.float32)) == 14
    assert weighted_otsu(levels, np.array([[1.5, 1.5, 1, 1, 1]], np.float32)) == 4


def test_centre_weight_by_hand():
    found = centre_weight((2, 4), 0.5)
    # Rows lie at -1/4 and 1/4 of the height, columns at -3/8, -1/8, 1/8, 3/8 of the width.
    expected = [np.exp(-((1 / 4) ** 2 + x**2) / 0.5) for x in (-3 / 8, -1 / 8, 1 / 8, 3 / 8)]
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-6)


def test_a_level_cuts_the_map_itself():
    # A map of at most 0.6: Otsu would find the square of 0.4, whatever its probability.
    level = MapToBox(size=100, blur=0, padding=0, level=0.5)
    square, core = (20, 20, 80, 80, 0.4), (40, 40, 60, 60, 0.6)
    assert level(scene(square)) is None
    assert level(scene(square, core)) == (40, 40, 60, 60)
    assert level.ladder(scene(square, core), (0.5, 1.0, 1.5)) == [(20, 20, 80, 80), (40, 40, 60, 60), None]


def test_a_level_of_several_takes_the_central_component():
    level = MapToBox(size=100, blur=0, padding=0, level=0.5)
    assert level(scene((40, 40, 60, 60, 0.7), (0, 0, 25, 100, 0.9))) == (40, 40, 60, 60)


def test_a_level_has_no_need_of_contrast():
    level = MapToBox(size=40, blur=0, padding=0, level=0.5)
    assert level(np.full((30, 40), 0.8, np.float32)) == (0, 0, 40, 30)
    assert level(np.full((30, 40), 0.5, np.float32)) is None
    assert level(np.zeros((30, 40), np.float32)) is None


def test_a_factor_never_asks_for_more_than_certainty():
    level = MapToBox(size=100, blur=0, padding=0, level=0.5)
    assert level.ladder(scene((40, 40, 60, 60, 1.0)), (3.0,)) == [(40, 40, 60, 60)]


@pytest.mark.parametrize("level", [0.0, 1.0, -0.2, 3])
def test_a_level_outside_zero_to_one_is_refused(level):
    with pytest.raises(ConfigError, match=r"must be in \(0, 1\)"):
        MapToBox(level=level)
