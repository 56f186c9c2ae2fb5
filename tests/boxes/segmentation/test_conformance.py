"""What every segmenter promises, whichever library it is from."""

import pickle
import socket

import numpy as np
import pytest
import torch
from torch import nn

from lesioncare.boxes.segmentation import SegmentationMap, open_segmenter

from .models import EVERY


def images(count=3, shape=(40, 56)):
    """Discs on noise."""
    generator = torch.Generator().manual_seed(5)
    found = torch.rand(count, 3, *shape, generator=generator) * 0.2 + 0.7
    rows, columns = torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    for number, image in enumerate(found):
        image[:, (rows - 18) ** 2 + (columns - 20 - 6 * number) ** 2 <= 10**2] -= 0.5
    return found


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module", params=EVERY)
def where(request, tmp_path_factory):
    """What to open: a path, or NAME@FILE."""
    torch.manual_seed(0)
    return str(EVERY[request.param](tmp_path_factory.mktemp("segmenter")))


@pytest.fixture(scope="module")
def segmenter(where, one_thread):
    return open_segmenter(where)


def test_masks_are_probabilities(segmenter):
    masks = segmenter(images())
    assert masks.dtype == torch.float32
    assert masks.ndim == 3
    assert len(masks) == 3
    assert masks.isfinite().all()
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert masks.max() - masks.min() > 1e-4  # they say something


def test_the_same_images_give_the_same_masks(segmenter):
    assert torch.equal(segmenter(images()), segmenter(images()))


def test_a_batch_gives_what_each_image_gives(segmenter):
    batch = images()
    single = torch.cat([segmenter(image[None]) for image in batch])
    torch.testing.assert_close(segmenter(batch), single, rtol=1e-4, atol=1e-5)


def test_images_of_any_shape(segmenter):
    for shape in ((1, 1), (33, 200), (300, 17)):
        assert len(segmenter(images(1, shape))) == 1


def test_a_pickled_one_gives_the_same(segmenter):
    copy = pickle.loads(pickle.dumps(segmenter))
    assert torch.equal(copy(images()), segmenter(images()))


def test_opening_and_running_never_ask_the_network(where, offline):
    open_segmenter(where)(images(1))


def test_networks_are_in_eval_and_want_no_gradients(segmenter):
    masks = segmenter(images())
    assert not masks.requires_grad
    assert torch.is_grad_enabled()
    for value in vars(segmenter).values():
        if isinstance(value, nn.Module):
            assert not any(module.training for module in value.modules())
            assert not any(weights.requires_grad for weights in value.parameters())


def test_as_a_map_it_is_as_large_as_the_image(where, segmenter):
    image = (images(1)[0] * 255).byte().permute(1, 2, 0).numpy()
    found = SegmentationMap(where)(image)
    assert found.shape == image.shape[:2]
    assert found.dtype == np.float32
    masks = segmenter(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
    expected = nn.functional.interpolate(masks[None], found.shape, mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-3)
