"""Image by image and as a batch: the same augmentation, and boxes follow the pixels in both."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from lesioncare.data import ImageDataset, boxes_by_image, collate, train_transform
from lesioncare.data.augmentation import BatchAugment, _resizing
from lesioncare.data.pixels import DecodedImage
from lesioncare.data.transforms import RECIPES, stored_size

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
SIZES = [(48, 48), (40, 60)]
HEIGHT, WIDTH = 90, 120  # of the file


class Painted:
    """One picture at the stored size: a bright rectangle, coloured or white, on dark grey."""

    def __init__(self, size, colour, corners):
        self.size = size
        image = torch.full((3, HEIGHT, WIDTH), 40, dtype=torch.uint8)
        x1, y1, x2, y2 = corners
        image[:, y1:y2, x1:x2] = torch.tensor(colour, dtype=torch.uint8).view(3, 1, 1)
        self.image = functional.resize(image, list(size), antialias=True)

    def read(self, position):
        return DecodedImage(self.image, (HEIGHT, WIDTH))


def epoch_of(
    way, augment, size, *, images, colour=(230, 120, 70), corners=(30, 35, 80, 65), mean=MEAN, std=STD
):
    """Augment one picture many times, in one of the two ways."""
    table = FakeTable(corners, images)
    pixels = Painted(stored_size(size, augment), colour, corners)
    transform = train_transform(size, mean, std, augment) if way == "item" else None
    data = ImageDataset(table, np.arange(images), transform, seed=3, pixels=pixels)
    return BatchAugment(size, mean, std, augment)(collate([data[1, index] for index in range(images)]))


class FakeTable:
    def __init__(self, corners, images):
        self.labels = np.zeros(images, dtype=np.int64)
        self.boxes = {i: np.array([corners], np.float32) for i in range(images)}
        self.box_scores = {}


def centre_and_area(values):
    weights = values.double()
    low, high = weights.min(), weights.max()
    weights = ((weights - low) / (high - low)).clamp(min=0)
    x, y = torch.arange(values.shape[1]) + 0.5, torch.arange(values.shape[0]) + 0.5
    area = weights.sum()
    return float(weights.sum(0) @ x.double() / area), float(weights.sum(1) @ y.double() / area), float(area)


@pytest.mark.parametrize("way", ["item", "batch"])
@pytest.mark.parametrize("augment", RECIPES)
@pytest.mark.parametrize("size", SIZES)
def test_boxes_follow_the_pixels(way, augment, size):
    plain = {"mean": (0, 0, 0), "std": (1, 1, 1)}
    batch = epoch_of(way, augment, size, images=24, colour=(250, 250, 250), **plain)
    assert batch["images"].shape == (24, 3, *size)
    assert batch["images"].dtype == torch.float32
    assert "numbers" not in batch
    for image, boxes in zip(batch["images"], boxes_by_image(batch)[0], strict=True):
        ((x1, y1, x2, y2),) = boxes.tolist()
        # Black that a shift brings in is no part of the rectangle: what is darker than grey counts as grey.
        x, y, area = centre_and_area(image.mean(0).clamp(min=0.25))
        assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((x, y), abs=0.5)
        # the box around a turned rectangle is larger than it
        assert (x2 - x1) * (y2 - y1) == pytest.approx(area, rel=0.35 if augment == "chest" else 0.08)


@pytest.mark.parametrize("augment", RECIPES)
@pytest.mark.parametrize("size", SIZES)
def test_both_ways_agree_in_distribution(augment, size):
    """Means and spreads of pixels, colours and boxes over 600 draws; four standard errors apart at most.

    And 0.008: torchvision rounds down to bytes in each of four colour steps, which costs 2 / 255 in the mean.
    """
    item, batch = (statistics(epoch_of(way, augment, size, images=600)) for way in ("item", "batch"))
    for name, (ours, theirs) in {name: (batch[name], item[name]) for name in item}.items():
        error = (ours.var(0) / len(ours) + theirs.var(0) / len(theirs)).sqrt()
        assert ((ours.mean(0) - theirs.mean(0)).abs() <= 4 * error + 0.008).all(), name
        # the standard error of a spread is about spread / sqrt(2n), for tails lighter than a normal's
        spread = torch.stack([ours.std(0), theirs.std(0)])
        assert ((spread[0] - spread[1]).abs() <= 4 * spread.amax(0) / 600**0.5 + 0.008).all(), name


def statistics(batch):
    """Of each image, [600, k]: its mean colour, the share of each quadrant, and its box as shares."""
    images = batch["images"] * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    height, width = images.shape[-2:]
    quadrants = torch.nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), 2).flatten(1)
    boxes = batch["boxes"] / torch.tensor([width, height, width, height])
    return {
        "colour": images.mean((2, 3)),
        "contrast": images.std((2, 3)),
        "places": quadrants,
        "boxes": boxes,
    }


@pytest.mark.parametrize("augment", ["light", "chest"])
def test_an_image_is_augmented_the_same_in_any_batch(augment):
    """By (seed, epoch, position) alone, as a resumed run needs it."""
    size = (32, 32)
    table, pixels = (
        FakeTable((30, 35, 80, 65), 8),
        Painted(stored_size(size, augment), (200, 90, 40), (30, 35, 80, 65)),
    )
    data = ImageDataset(table, np.arange(8), None, seed=3, pixels=pixels)
    make = BatchAugment(size, MEAN, STD, augment)
    whole = make(collate([data[2, index] for index in range(8)]))
    torch.rand(5)
    part = make(collate([data[2, index] for index in (6, 1)]))
    other = make(collate([data[3, index] for index in (6, 1)]))
    torch.testing.assert_close(part["images"], whole["images"][[6, 1]], rtol=0, atol=1e-5)
    torch.testing.assert_close(part["boxes"], whole["boxes"][[6, 1]], rtol=0, atol=1e-4)
    assert (other["images"] - part["images"]).abs().max() > 0.05
    again = make(collate([data[2, index] for index in range(8)]))
    assert torch.equal(again["images"], whole["images"])


@pytest.mark.parametrize(("start", "length", "size"), [(0, 90, 48), (7, 61, 48), (13, 40, 48), (20, 48, 48)])
def test_the_matrices_resize_as_torchvision_does(start, length, size):
    image = torch.rand(1, 3, 90, 90)
    rows = _resizing(torch.tensor([float(start)]), torch.tensor([float(length)]), 90, size)
    expected = functional.resized_crop(image, start, start, length, length, [size, size], antialias=True)
    torch.testing.assert_close(rows @ image @ rows.transpose(1, 2), expected, rtol=0, atol=1e-5)


def test_three_pixels_halved_by_hand():
    # Centres .75 and 2.25, triangles 1.5 wide: weights 1 - |0.5 - 0.75| / 1.5 = 5/6, then 1/2, then 0 (-1/6).
    matrix = _resizing(torch.tensor([0.0]), torch.tensor([3.0]), 3, 2)[0]
    torch.testing.assert_close(matrix, torch.tensor([[0.625, 0.375, 0], [0, 0.375, 0.625]]))


def test_a_batch_that_is_not_to_be_augmented_stays_as_it_is():
    batch = epoch_of("item", "light", (32, 32), images=2)
    assert BatchAugment((32, 32), MEAN, STD, "light")(batch) is batch


@pytest.mark.parametrize("augment", RECIPES)
@pytest.mark.parametrize("size", [(224, 224), (64, 96)])
def test_the_smallest_crop_of_a_stored_image_is_not_enlarged(augment, size):
    stored = stored_size(size, augment)
    if not RECIPES[augment].crop:
        assert stored == size
        return
    smallest = [(0.7 / 1.25) ** 0.5 * side for side in stored]
    assert all(side >= wanted for side, wanted in zip(smallest, size, strict=True))
