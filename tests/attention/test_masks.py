"""Masks in place of boxes."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from lesioncare.attention import (
    AttentionGuide,
    CARELoss,
    EnergyLoss,
    InBoxCrossEntropyLoss,
    InputGradientLoss,
    L1Loss,
    OutsideSquareLoss,
    Regions,
)
from lesioncare.attention.losses import min_max_normalise
from lesioncare.errors import DataError

from . import reference
from .models import Pooled, gradients, mlp

LOSSES = [CARELoss(), CARELoss(outer="distance"), EnergyLoss(), L1Loss(), OutsideSquareLoss(),
          InBoxCrossEntropyLoss(), InputGradientLoss()]  # fmt: skip
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(4, 3, 16, 16, generator=GENERATOR)
LABELS = torch.tensor([0, 2, 1, 2])
NONE = torch.empty(0, 4)
BOXES = [NONE, torch.tensor([[2.0, 3, 9, 12]]), torch.tensor([[0.0, 0, 5, 5], [3, 4, 14, 16]]), NONE]
NAMES = ("inside", "outside", "distance", "mask")


def rasterised(boxes=BOXES, height=16, width=16) -> torch.Tensor:
    masks = torch.zeros(len(boxes), height, width)
    for mask, several in zip(masks, boxes, strict=True):
        for x1, y1, x2, y2 in several.int().tolist():
            mask[y1:y2, x1:x2] = 1
    return masks


def guide_of(head=None, **options) -> AttentionGuide:
    torch.manual_seed(1)
    return AttentionGuide(Pooled(copy.deepcopy(head)).eval(), **options)


def attention(guide, target=LABELS, boxes=None, weights=None, **options) -> torch.Tensor:
    with guide.watch():
        guide.model(IMAGES)
    return guide.attention_loss(target, boxes, weights, **options)


def test_regions_of_a_mask_worked_out_by_hand():
    mask = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0.25]])
    regions = Regions.from_masks(mask[None], (2, 2))
    assert regions.inside[0].tolist() == [[3, 0], [0, 0.25]]
    assert regions.outside[0].tolist() == [[1, 4], [4, 3.75]]
    assert regions.mask[0].tolist() == [[0.75, 0], [0, 0.0625]]
    # distances, the pixel of 0.25 being none of the mask:  0  0  .5 1.5
    #                                                       0  .5 1  2
    #                                                       .5 1  2  3
    #                                                       1.5 2 3  4 * 0.75
    assert regions.distance[0].tolist() == [[0.5, 5], [5, 2 + 3 + 3 + 3]]


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.float64])
def test_masks_of_any_type(kind):
    masks = rasterised()[1:3]
    found, expected = Regions.from_masks(masks.to(kind), (4, 4)), Regions.from_masks(masks, (4, 4))
    for name in NAMES:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("resolution", ["feature", "image"])
@pytest.mark.parametrize(("image", "cells"), [((16, 16), (4, 4)), ((17, 19), (5, 3)), ((16, 18), (16, 18))])
def test_boxes_between_pixels_and_their_masks_give_the_same_regions(image, cells, resolution):
    boxes = [torch.tensor([[2.0, 3, 9, 12]]), BOXES[2], torch.tensor([[0.0, 0, image[1], image[0]]])]
    by_boxes = Regions(boxes, image, cells, resolution=resolution, dtype=torch.float64)
    masks = rasterised(boxes, *image)
    by_masks = Regions.from_masks(masks, cells, resolution=resolution, dtype=torch.float64)
    for name in NAMES:
        torch.testing.assert_close(getattr(by_masks, name), getattr(by_boxes, name))


@pytest.mark.parametrize("seed", range(3))
def test_any_masks_areas_and_distances_equal_plain_loops(seed):
    draw = np.random.default_rng(seed)
    mask = draw.uniform(size=(9, 13)) * (draw.uniform(size=(9, 13)) < 0.1)
    rows, columns = np.nonzero(mask >= mask.max() / 2)
    squares = [(c, r, c + 1, r + 1) for r, c in zip(rows, columns, strict=True)]
    distance = reference.pixel_distance(squares, 9, 13) * (1 - mask)
    regions = Regions.from_masks(torch.from_numpy(mask)[None], (4, 5), dtype=torch.float64)
    for value, pixels in ((regions.inside, mask), (regions.outside, 1 - mask), (regions.distance, distance)):
        np.testing.assert_allclose(value[0], reference.cell_sums(pixels, 4, 5), atol=1e-10)


def test_image_resolution_equals_comparing_the_upsampled_map():
    mask = torch.rand(1, 30, 33, dtype=torch.float64, generator=GENERATOR)
    mn = min_max_normalise(torch.rand(1, 7, 7, dtype=torch.float64, generator=GENERATOR))
    up = functional.interpolate(mn[None], (30, 33), mode="bilinear", align_corners=False)[0]
    inside = Regions.from_masks(mask, (7, 7), resolution="image", dtype=torch.float64).inside
    torch.testing.assert_close((mn * inside).sum(), (up * mask).sum())


@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("resolution", ["feature", "image"])
def test_a_guide_takes_masks_as_it_takes_boxes(loss, head, resolution):
    by_boxes = guide_of(head, loss=loss, resolution=resolution)
    expected = attention(by_boxes, boxes=BOXES)
    masks = rasterised()
    for given in (
        masks,
        masks.bool(),
        [None, masks[1], masks[2], None],
        [masks[0], masks[1], masks[2], None],
    ):
        guide = guide_of(head, loss=loss, resolution=resolution)
        found = attention(guide, masks=given)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        gradients(guide.model, found), gradients(by_boxes.model, expected), rtol=1e-4, atol=1e-6
    )


def test_combine_takes_masks():
    guide = guide_of(alpha=0.25)
    with guide.watch():
        guide.model(IMAGES)
    total = guide.combine(torch.tensor(2.0), LABELS, masks=rasterised())
    torch.testing.assert_close(total, 0.75 * 2 + 0.25 * attention(guide_of(), boxes=BOXES))


@pytest.mark.parametrize(
    "empty", [torch.zeros(4, 16, 16), [None] * 4, [None, torch.zeros(16, 16), None, None]]
)
def test_empty_masks_guide_nothing(empty):
    assert attention(guide_of(), masks=empty).item() == 0


@pytest.mark.parametrize("reduction", ["batch", "boxed", "sum"])
def test_weights_and_several_labels_with_masks(reduction):
    target = torch.tensor([[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]])
    several = [torch.ones(len(box)) * weight for box, weight in zip(BOXES, (1, 0.5, 0.25, 1), strict=True)]
    expected = attention(guide_of(reduction=reduction), target, BOXES, several)
    weights = torch.tensor([1, 0.5, 0.25, 1])
    found = attention(guide_of(reduction=reduction), target, weights=weights, masks=rasterised())
    torch.testing.assert_close(found, expected)
    weights[1] = 0  # as if it had no mask
    found = attention(guide_of(reduction=reduction), target, weights=weights, masks=rasterised())
    boxes = [NONE, NONE, BOXES[2], NONE]
    weights = [torch.ones(len(box)) / 4 for box in boxes]
    torch.testing.assert_close(found, attention(guide_of(reduction=reduction), target, boxes, weights))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either `boxes`"),
        ({"boxes": BOXES, "masks": rasterised()}, "either `boxes`"),
        ({"masks": rasterised(), "box_labels": [torch.zeros(0)] * 4}, "either `boxes`"),
        ({"masks": rasterised()[:3]}, "`masks`.*4 images.*3"),
        ({"masks": rasterised() * 255}, "image 1 has values from 0.0 to 255.0"),
        ({"masks": rasterised() - 0.5}, "image 0 has values from -0.5"),
        ({"masks": rasterised() * torch.nan}, "image 0"),
        ({"masks": rasterised()[:, :8]}, r"image's size \[16, 16\].*image 0.*\[8, 16\]"),
        ({"masks": [None, None, None, torch.zeros(32, 32)]}, "image 3 has .*image_size"),
        ({"masks": rasterised()[:, None]}, "image's size"),
        ({"masks": rasterised(), "weights": torch.ones(3)}, r"one tensor \[4\]"),
        ({"masks": rasterised(), "weights": [torch.ones(1)] * 4}, r"one tensor \[4\]"),
        ({"masks": rasterised(), "weights": torch.tensor([0, 1, 2.0, 1])}, "image 2 has 2.0"),
    ],
)
def test_wrong_masks_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        attention(guide_of(), **options)


def test_regions_want_a_batch_of_masks():
    with pytest.raises(DataError, match=r"\[B, H, W\]"):
        Regions.from_masks(torch.zeros(4, 4), (2, 2))
