"""Mixing by hand and against torchvision's; what happens with the boxes, case by case."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms import v2

from lesioncare.errors import ConfigError
from lesioncare.imbalance import MixBatch, Mixer, cutmix, mixup

SIZE = (8, 8)
NONE = torch.empty(0, 4)


def box(*corners):
    return torch.tensor([[float(value) for value in corners]])


def batch_of(labels, boxes, weights=None, images=None):
    labels = torch.tensor(labels)
    images = torch.rand(len(labels), 3, *SIZE) if images is None else images
    weights = [torch.ones(len(one)) for one in boxes] if weights is None else weights
    return MixBatch(images, functional.one_hot(labels, 3).float(), labels, boxes, weights)


def boxes_of(mixed, index=0):
    """Corners -> weight of one image."""
    pairs = zip(mixed.boxes[index].tolist(), mixed.weights[index].tolist(), strict=True)
    return {tuple(corners): pytest.approx(weight) for corners, weight in pairs}


SWAP = [1, 0]


# Images and targets


def test_mixup_by_hand():
    images = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    mixed = mixup(batch_of([0, 2], [NONE, NONE], images=images), SWAP, 0.75)
    assert mixed.images[:, 0, 0, 0].tolist() == [0.25, 0.75]
    assert mixed.targets.tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]


def test_cutmix_by_hand():
    images = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    mixed = cutmix(batch_of([0, 2], [NONE, NONE], images=images), SWAP, (1, 0, 2, 1), (2, 2))
    assert mixed.images[0, 0].tolist() == [[0, 1], [0, 0]]
    assert mixed.images[1, 0].tolist() == [[1, 0], [1, 1]]
    assert mixed.targets.tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]


@pytest.mark.parametrize("seed", range(5))
def test_images_and_targets_are_torchvisions(seed):
    batch = batch_of([0, 1, 2, 1], [NONE] * 4)
    rolled = [3, 0, 1, 2]
    for theirs in (v2.MixUp(num_classes=3, alpha=0.7), v2.CutMix(num_classes=3, alpha=0.7)):
        torch.manual_seed(seed)
        drawn = theirs.make_params([batch.images])
        torch.manual_seed(seed)
        images, targets = theirs(batch.images, batch.labels)
        if "lam" in drawn:
            ours = mixup(batch, rolled, drawn["lam"])
        else:
            ours = cutmix(batch, rolled, drawn["box"], SIZE)
        torch.testing.assert_close(ours.images, images)
        torch.testing.assert_close(ours.targets, targets)


# Boxes under mixup


def test_mixup_asks_for_the_map_of_the_larger_share_with_its_own_boxes():
    batch = batch_of([0, 2], [box(0, 0, 2, 2), box(4, 4, 8, 8)], [torch.tensor([1.0]), torch.tensor([0.5])])
    mixed = mixup(batch, SWAP, 0.75)
    assert mixed.labels.tolist() == [0, 2]
    assert boxes_of(mixed, 0) == {(0, 0, 2, 2): 0.75}
    assert boxes_of(mixed, 1) == {(4, 4, 8, 8): 0.375}
    mixed = mixup(batch, SWAP, 0.25)
    assert mixed.labels.tolist() == [2, 0]
    assert boxes_of(mixed, 0) == {(4, 4, 8, 8): 0.375}


def test_where_only_one_has_boxes_its_map_is_asked_for_by_its_share():
    mixed = mixup(batch_of([0, 2], [NONE, box(4, 4, 8, 8)]), SWAP, 0.75)
    assert mixed.labels.tolist() == [2, 2]
    assert boxes_of(mixed, 0) == {(4, 4, 8, 8): 0.25}
    assert boxes_of(mixed, 1) == {(4, 4, 8, 8): 0.75}


def test_two_images_of_one_class_show_its_map_both_lesions():
    mixed = mixup(batch_of([1, 1], [box(0, 0, 2, 2), box(4, 4, 8, 8)]), SWAP, 0.6)
    assert mixed.labels.tolist() == [1, 1]
    for index in (0, 1):
        assert boxes_of(mixed, index) == {(0, 0, 2, 2): 1, (4, 4, 8, 8): 1}


def test_a_lesion_of_the_class_at_an_unknown_place_leaves_no_box():
    mixed = mixup(batch_of([1, 1], [NONE, box(4, 4, 8, 8)]), SWAP, 0.6)
    assert boxes_of(mixed, 0) == boxes_of(mixed, 1) == {}
    assert mixed.boxes[0].shape == (0, 4)


def test_an_image_mixed_with_itself_is_as_it_was():
    batch = batch_of([1, 0], [box(0, 0, 2, 2), NONE])
    for mixed in (mixup(batch, [0, 1], 0.3), cutmix(batch, [0, 1], (0, 0, 4, 4), SIZE)):
        torch.testing.assert_close(mixed.images, batch.images)
        assert mixed.targets.tolist() == batch.targets.tolist()
        assert boxes_of(mixed, 0) == {(0, 0, 2, 2): 1}


# Boxes under CutMix: the patch is x 4..8, y 2..6 of 8 x 8, a quarter of the image

PATCH = (4, 2, 8, 6)


@pytest.mark.parametrize(
    ("mine", "left"),
    [
        ((0, 0, 4, 8), {(0, 0, 4, 8): 0.75}),  # beside the patch
        ((5, 3, 7, 5), {}),  # wholly hidden
        ((4, 2, 8, 6), {}),
        ((2, 2, 6, 6), {(2, 2, 4, 6): 0.375}),  # half of it is left, with half of the weight
        ((4, 0, 8, 8), {(4, 0, 8, 2): 0.375, (4, 6, 8, 8): 0.375}),  # the middle is hidden
        ((2, 0, 6, 4), {(2, 0, 6, 2): 0.5625, (2, 2, 4, 4): 0.5625}),  # a corner: an L of 3/4 is left
        ((2, 0, 8, 8), {(2, 0, 8, 2): 0.5, (2, 6, 8, 8): 0.5, (2, 2, 4, 6): 0.5}),  # a C of 2/3
    ],
)
def test_of_a_box_under_the_patch_what_is_not_hidden_is_left(mine, left):
    mixed = cutmix(batch_of([0, 2], [box(*mine), NONE]), SWAP, PATCH, SIZE)
    assert mixed.labels[0] == 0
    assert boxes_of(mixed) == left


@pytest.mark.parametrize(
    ("theirs", "left"),
    [
        ((5, 3, 7, 5), {(5, 3, 7, 5): 0.25}),  # moves along, at the same place
        ((2, 2, 6, 6), {(4, 2, 6, 6): 0.125}),  # half of it was cut off
        ((0, 0, 4, 8), {}),  # was not pasted
        ((3, 1, 8, 8), {(4, 2, 8, 6): pytest.approx(0.25 * 16 / 35)}),
    ],
)
def test_a_pasted_box_moves_with_the_patch_and_counts_by_its_share(theirs, left):
    mixed = cutmix(batch_of([0, 2], [NONE, box(*theirs)]), SWAP, PATCH, SIZE)
    assert boxes_of(mixed) == left
    assert mixed.labels[0] == (2 if left else 0)


def test_what_is_left_covers_what_is_visible_and_nothing_twice():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        x, y = torch.randint(0, 9, (2, 2), generator=generator).sort(1).values.tolist()
        if x[0] == x[1] or y[0] == y[1]:
            continue
        corners = (x[0], y[0], x[1], y[1])
        mixed = cutmix(batch_of([0, 2], [box(*corners), NONE]), SWAP, PATCH, SIZE)
        covered = torch.zeros(SIZE)
        for x1, y1, x2, y2 in mixed.boxes[0].int().tolist():
            covered[y1:y2, x1:x2] += 1
        expected = torch.zeros(SIZE)
        expected[y[0] : y[1], x[0] : x[1]] = 1
        expected[PATCH[1] : PATCH[3], PATCH[0] : PATCH[2]] = 0
        assert torch.equal(covered, expected)


def test_one_class_keeps_both_images_visible_boxes_at_full_weight():
    mixed = cutmix(batch_of([1, 1], [box(5, 3, 7, 5), box(4, 2, 6, 4)]), SWAP, PATCH, SIZE)
    assert boxes_of(mixed, 0) == {(4, 2, 6, 4): 1}  # its own lesion is hidden
    assert boxes_of(mixed, 1) == {(5, 3, 7, 5): 1}


def test_a_patch_of_feature_cells_covers_the_pixels_below_them():
    """4 x 4 cells of 64 x 32 pixels: the patch of cells x 2..4, y 0..2 is x 16..32, y 0..32 in pixels."""
    features = torch.rand(2, 5, 4, 4)
    batch = batch_of([0, 2], [box(8, 0, 24, 64), box(20, 8, 30, 40)], images=features)
    mixed = cutmix(batch, SWAP, (2, 0, 4, 2), (64, 32))
    assert mixed.targets[0].tolist() == [0.75, 0, 0.25]
    assert torch.equal(mixed.images[0, :, :2, 2:], features[1, :, :2, 2:])
    assert boxes_of(mixed) == {(8, 32, 24, 64): 0.5625, (8, 0, 16, 32): 0.5625}


# The mixer


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (7, 3, 2), (2, 1, 1)])
def test_the_mixer_leaves_its_input_and_follows_from_its_generator(kind, shape):
    images, labels = torch.rand(6, *shape), torch.tensor([0, 1, 2, 0, 1, 2])
    boxes, weights = [box(0, 0, 4, 4)] * 6, [torch.ones(1)] * 6
    mixer, before = Mixer(kind, 1.0, 3, SIZE), images.clone()
    one, two, three = (mixer(images, labels, boxes, weights, np.random.default_rng(s)) for s in (0, 0, 1))
    assert torch.equal(images, before)
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.targets, two.targets)
    assert not torch.equal(one.targets, three.targets) or shape == (2, 1, 1)
    torch.testing.assert_close(one.targets.sum(1), torch.ones(6))
    assert one.targets.min() >= 0


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_share_is_beta_distributed(kind):
    mixer, labels = Mixer(kind, 0.5, 2, (64, 64)), torch.tensor([0, 1])
    images, generator = torch.zeros(2, 1, 64, 64), np.random.default_rng(0)
    shares = []
    for _ in range(2000):
        targets = mixer(images, labels, [NONE] * 2, [torch.empty(0)] * 2, generator).targets
        if targets[0, 1] > 0 and targets[0, 0] > 0:
            shares.append(float(targets[0, 0]))
    if kind == "mixup":  # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1))
        assert np.mean(shares) == pytest.approx(0.5, abs=0.04)
        assert np.var(shares) == pytest.approx(1 / 8, abs=0.02)
    else:  # the image's edges cut patches off, so that the share kept is larger
        assert 0.5 < np.mean(shares) < 0.8


def test_a_patch_has_the_images_shape():
    mixer, generator = Mixer("cutmix", 1.0, 2, (128, 64)), np.random.default_rng(0)
    images, seen = torch.stack([torch.zeros(1, 64, 32), torch.ones(1, 64, 32)]), []
    for _ in range(300):
        mixed = mixer(images, torch.tensor([0, 1]), [NONE] * 2, [torch.empty(0)] * 2, generator).images[0, 0]
        rows, columns = mixed.any(1), mixed.any(0)
        if rows.any() and not (rows[0] or rows[-1] or columns[0] or columns[-1]):  # not cut off at an edge
            seen.append((int(rows.sum()), int(columns.sum())))
    assert len(seen) > 10
    assert max(tall for tall, _ in seen) > 20
    assert all(abs(tall - 2 * wide) <= 2 for tall, wide in seen)


def test_a_patch_has_the_area_of_its_share():
    mixer, generator = Mixer("cutmix", 1e6, 2, (64, 64)), np.random.default_rng(0)  # lam is about 1/2
    images, sides = torch.stack([torch.zeros(1, 64, 64), torch.ones(1, 64, 64)]), []
    for _ in range(30):
        mixed = mixer(images, torch.tensor([0, 1]), [NONE] * 2, [torch.empty(0)] * 2, generator).images[0, 0]
        sides += [int(mixed.any(0).sum()), int(mixed.any(1).sum())]
    assert max(sides) == 45  # 64 / sqrt(2)


def test_cutmix_needs_a_height_and_a_width():
    with pytest.raises(ConfigError, match=r"CutMix needs images.*mixup"):
        Mixer("cutmix", 1.0, 3, SIZE)(
            torch.rand(2, 5), torch.tensor([0, 1]), [NONE] * 2, [torch.empty(0)] * 2, np.random.default_rng(0)
        )


def test_alpha_must_be_positive():
    with pytest.raises(ConfigError, match="alpha"):
        Mixer("mixup", 0.0, 3, SIZE)
