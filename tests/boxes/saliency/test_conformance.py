"""What every saliency method promises."""

import pickle

import numpy as np
import pytest

from lesioncare.boxes.saliency import (
    BlueDarkness,
    BorderColour,
    FrequencyTuned,
    ManifoldRanking,
    MinimumBarrier,
    RegionContrast,
    RobustBackground,
    SpectralResidual,
)
from lesioncare.errors import DataError

from .scenes import MOLE, SKIN, disc

SALIENCIES = [
    BlueDarkness(),
    BorderColour(),
    FrequencyTuned(),
    ManifoldRanking(),
    MinimumBarrier(),
    RegionContrast(),
    RobustBackground(),
    SpectralResidual(),
]
SHAPES = [
    (1, 1),
    (1, 2),
    (2, 1),
    (1, 9),
    (9, 1),
    (2, 2),
    (3, 3),
    (3, 5),
    (7, 4),
    (31, 17),
    (1, 400),
    (150, 200),
]
each = pytest.mark.parametrize("saliency", SALIENCIES, ids=lambda one: type(one).__name__)


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def check(saliency, image):
    before = image.copy()
    found = saliency(image)
    assert found.shape == image.shape[:2]
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
    np.testing.assert_array_equal(image, before)
    return found


@each
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gives_a_map_in_zero_to_one_of_the_images_shape(saliency, shape):
    check(saliency, noise(shape))


@each
@pytest.mark.parametrize("value", [0, 127, 255])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nothing_stands_out_of_a_constant_image(saliency, shape, value):
    assert not check(saliency, np.full((*shape, 3), value, np.uint8)).any()


@each
def test_takes_grey_images(saliency):
    grey = np.repeat(noise((40, 50))[..., :1], 3, axis=2)
    assert check(saliency, grey).max() == pytest.approx(1, abs=0.2)


@each
def test_one_odd_pixel_in_a_constant_image(saliency):
    image = np.full((20, 30, 3), 200, np.uint8)
    image[10, 15] = 0
    check(saliency, image)


@each
def test_takes_views_that_are_not_contiguous(saliency):
    image, _ = disc(MOLE, SKIN)
    np.testing.assert_array_equal(saliency(image[::2, ::2]), saliency(image[::2, ::2].copy()))


@each
def test_same_image_same_bytes_also_after_pickling(saliency):
    image, _ = disc(MOLE, SKIN)
    assert saliency(image).tobytes() == pickle.loads(pickle.dumps(saliency))(image).tobytes()


@each
def test_a_mole_stands_out_of_the_skin(saliency):
    image, box = disc(MOLE, SKIN)
    found = saliency(image)
    left, top, right, bottom = (int(value) for value in box)
    inside = found[top + 8 : bottom - 8, left + 8 : right - 8].mean()
    assert inside > 2 * found[:, 110:].mean()


@each
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["float", "grey", "alpha", "empty"],
)
def test_refuses_what_is_no_rgb_image(saliency, image):
    with pytest.raises(DataError, match=r"RGB image of uint8 \[H, W, 3\]"):
        saliency(image)
