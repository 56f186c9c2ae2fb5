import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from lesioncare.deploy.resize import resize_image

SIZES = [(96, 96), (64, 30), (7, 300), (40, 50), (1, 1), (83, 61)]


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (83, 61, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_what_torch_does_to_floats_but_for_ties(image, size):
    expected = functional.resize(
        torch.from_numpy(image).permute(2, 0, 1).double(), list(size), antialias=True
    )
    difference = resize_image(image, size, "float") - expected.permute(1, 2, 0).numpy()
    assert np.abs(difference).max() <= 0.5 + 1e-9


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="torch resizes in floats here"
)
@pytest.mark.parametrize("size", SIZES)
def test_it_is_what_torch_does_to_bytes_to_the_last_bit(image, size):
    expected = functional.resize(torch.from_numpy(image).permute(2, 0, 1), list(size), antialias=True)
    np.testing.assert_array_equal(resize_image(image, size, "int16"), expected.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("arithmetic", ["int16", "float"])
def test_a_case_by_hand(arithmetic):
    """Four pixels to two: each is a triangle of half-width 2, so weights 3, 3, 1 of 7, cut at the border."""
    image = np.array([[[0], [70], [140], [210]]], dtype=np.uint8).repeat(3, axis=2)
    resized = resize_image(image, (1, 2), arithmetic)
    assert resized[0, :, 0].tolist() == [
        round((0 * 3 + 70 * 3 + 140) / 7),
        round((70 + 140 * 3 + 210 * 3) / 7),
    ]


def test_an_image_of_the_right_size_is_left_alone(image):
    np.testing.assert_array_equal(resize_image(image, (83, 61), "float"), image)
