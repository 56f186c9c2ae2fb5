"""Frequency-tuned, border colour, blue and spectral residual against plain formulas."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage.color import rgb2lab

from lesioncare.boxes.saliency import BlueDarkness, BorderColour, FrequencyTuned, SpectralResidual
from lesioncare.boxes.saliency.base import border_pixels, finish, lab, shrink
from lesioncare.errors import ConfigError

from .scenes import MOLE, SKIN, disc

IMAGE = np.random.default_rng(1).integers(0, 256, (24, 30, 3), dtype=np.uint8)


def stretch(values):
    return (values - values.min()) / np.ptp(values)


def test_lab_is_that_of_scikit_image():
    np.testing.assert_allclose(lab(IMAGE), rgb2lab(IMAGE), atol=0.4)  # OpenCV interpolates a table


def test_frequency_tuned_is_the_distance_to_the_mean_colour():
    colours = rgb2lab(IMAGE)
    row = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(row, row)
    blurred = np.stack([convolve(colours[..., c], kernel, mode="mirror") for c in range(3)], axis=2)
    expected = np.sqrt(((colours.mean(axis=(0, 1)) - blurred) ** 2).sum(axis=2))
    np.testing.assert_allclose(FrequencyTuned()(IMAGE), stretch(expected), atol=5e-3)


def test_frequency_tuned_by_hand():
    # Half black (L = 0), half white (L = 100): the mean is 50. Far from the edge the distance is 50; the two
    # columns before it have 1/16 and 5/16 white, so 50 - 6.25 and 50 - 31.25. Stretched: 1, 0.8, 0.
    image = np.zeros((8, 20, 3), np.uint8)
    image[:, 10:] = 255
    np.testing.assert_allclose(FrequencyTuned()(image)[4, 6:10], [1, 1, 0.8, 0], atol=1e-3)


def test_border_colour_is_the_mahalanobis_distance_to_the_frame():
    colours = rgb2lab(IMAGE)
    frame = np.concatenate([colours[0], colours[-1], colours[1:-1, 0], colours[1:-1, -1]])
    covariance = np.cov(frame.T, bias=True) + 4.0 * np.eye(3)
    inverse = np.linalg.inv(covariance)
    expected = np.empty(IMAGE.shape[:2])
    for row in range(24):
        for column in range(30):
            difference = colours[row, column] - frame.mean(axis=0)
            expected[row, column] = np.sqrt(difference @ inverse @ difference)
    found = BorderColour(frame=0.04, blur=0, ridge=4.0)(IMAGE)
    np.testing.assert_allclose(found, stretch(expected), atol=5e-3)


def test_border_colour_by_hand():
    # On a constant frame of L = 50 the covariance is the ridge alone: black and white are equally far.
    image = np.full((20, 20, 3), 119, np.uint8)
    image[5:8, 5:8], image[12:15, 12:15] = 0, 255
    found = BorderColour(blur=0)(image)
    assert found[6, 6] == pytest.approx(found[13, 13], abs=1e-2)
    assert found[0, 0] == 0


def test_border_colour_ignores_what_the_frame_varies_in():
    # The frame runs from dark to light grey: an equal step in hue stands out more than one in lightness.
    image = np.repeat(np.linspace(60, 200, 40, dtype=np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)
    image[18:22, 8:12] += 40
    image[18:22, 28:32, 0] += 40
    found = BorderColour(blur=0)(image)
    assert found[20, 30] > 3 * found[20, 10]


@pytest.mark.parametrize(("share", "count"), [(0.0, 2 * 10 + 2 * 6), (0.2, 80 - 6 * 4), (0.5, 80)])
def test_frame_is_as_wide_as_asked(share, count):
    assert border_pixels(np.zeros((8, 10, 3), np.float32), share).shape == (count, 3)


def test_blue_darkness_by_hand():
    image = np.zeros((1, 3, 3), np.uint8)
    image[0, :, 2] = (50, 100, 150)
    np.testing.assert_allclose(BlueDarkness()(image), [[1, 0.5, 0]], atol=1e-6)


def test_spectral_residual_is_that_of_opencv():
    image, _ = disc(MOLE, SKIN)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    _, expected = cv2.saliency.StaticSaliencySpectralResidual_create().computeSaliency(grey)
    np.testing.assert_allclose(SpectralResidual()(image), stretch(expected), atol=1e-5)


def test_spectral_residual_says_what_to_install(monkeypatch):
    monkeypatch.delattr(cv2, "saliency")
    with pytest.raises(ConfigError, match="opencv-contrib-python-headless"):
        SpectralResidual()(IMAGE)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((100, 50), 50, (50, 25)), ((50, 100), 200, (50, 100)), ((1000, 1), 10, (10, 1)), ((3, 3), 3, (3, 3))],
)
def test_shrinks_the_longer_side_and_never_enlarges(shape, size, expected):
    assert shrink(np.zeros((*shape, 3), np.uint8), size).shape == (*expected, 3)


def test_shrinks_by_averaging():
    image = np.array([[0, 100, 7, 7], [100, 200, 7, 7]], np.uint8)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(shrink(image, 2)[..., 0], [[100, 7]])


def test_finish_stretches_and_enlarges():
    found = finish(np.array([[2.0, 4.0]]), (1, 2, 3))
    np.testing.assert_array_equal(found, [[0, 1]])
    assert finish(np.array([[2.0, 4.0]]), (6, 8, 3)).shape == (6, 8)
    assert not finish(np.full((2, 2), 1e9), (2, 2, 3)).any()
