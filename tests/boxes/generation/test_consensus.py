"""How several boxes become one, and what the score says."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou as torch_iou

from lesioncare.boxes.generation import METHODS, Found, MapToBox, MedoidBoxes, SaliencyBoxes, method_named
from lesioncare.boxes.generation.consensus import LADDER, agreement
from lesioncare.boxes.generation.maker import box_iou
from lesioncare.errors import ConfigError

from .makers import Fixed, mole

IMAGE = mole(0)
FOR_DARK_LESIONS = {"otsu", "colour", "consensus", "segmenter"}
"""These look for what is dark, or have learnt from skin."""
EXACT = MapToBox(size=200, blur=0, padding=0)


class Drawn:
    """A saliency method that always gives one map."""

    def __init__(self, saliency):
        self.saliency = np.asarray(saliency, np.float32)

    def __call__(self, image):
        return self.saliency


def square(x1, y1, x2, y2, value=1.0):
    saliency = np.zeros((60, 80), np.float32)
    saliency[y1:y2, x1:x2] = value
    return saliency


def test_iou_is_that_of_torchvision():
    boxes = np.random.default_rng(0).uniform(0, 50, (20, 2, 2))
    boxes = np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1)
    expected = torch_iou(torch.tensor(boxes[:1]), torch.tensor(boxes))[0].numpy()
    np.testing.assert_allclose(box_iou(tuple(boxes[0]), [tuple(box) for box in boxes]), expected)


def test_iou_by_hand():
    others = [(0, 0, 2, 2), (1, 0, 3, 2), (2, 0, 4, 2), (0, 0, 4, 4)]
    np.testing.assert_allclose(box_iou((0, 0, 2, 2), others), [1, 1 / 3, 0, 1 / 4])
    assert box_iou((0, 0, 2, 2), []).shape == (0,)


def test_agreement_counts_missing_boxes_as_zero():
    assert agreement((0, 0, 2, 2), [(0, 0, 2, 2), (1, 0, 3, 2), None]) == pytest.approx((1 + 1 / 3 + 0) / 3)


def test_one_clear_map_has_full_score():
    found = SaliencyBoxes("drawn", (Drawn(square(30, 20, 50, 40)),), EXACT)(IMAGE)
    assert found == Found((30, 20, 50, 40), 1.0)


def test_score_of_one_map_by_hand():
    # Levels 0, 0.4 and 1 in squares of 40 and 20 pixels: the box jumps between the two sizes, IoU 1/4.
    saliency = square(20, 10, 60, 50, 0.4) + square(30, 20, 50, 40, 0.6)
    maker = SaliencyBoxes("drawn", (Drawn(saliency),), EXACT)
    box, *others = EXACT.ladder(saliency, (1.0, *LADDER))
    found = maker(IMAGE)
    assert found.corners == box
    assert found.score == pytest.approx(sum(1.0 if other == box else 0.25 for other in others) / 4)


def test_the_ladder_can_be_another():
    saliency = square(20, 10, 60, 50, 0.4) + square(30, 20, 50, 40, 0.4)
    to_box = MapToBox(size=200, blur=0, padding=0, level=0.5)
    found = SaliencyBoxes("drawn", (Drawn(saliency),), to_box, ladder=(0.5, 1.5))(IMAGE)
    # At 0.25 the larger square (IoU 1/4), at 0.75 the smaller one.
    assert found == Found((30, 20, 50, 40), pytest.approx((1 / 4 + 1) / 2))


def test_consensus_takes_the_mean_map_and_asks_each_map():
    one, two = square(20, 20, 40, 40), square(30, 20, 50, 40)
    found = SaliencyBoxes("drawn", (Drawn(one), Drawn(two)), EXACT)(IMAGE)
    ladder = EXACT.ladder((one + two) / 2, (1.0, *LADDER))
    assert found.corners == ladder[0]
    expected = agreement(ladder[0], [*ladder[1:], (20, 20, 40, 40), (30, 20, 50, 40)])
    assert found.score == pytest.approx(expected)
    assert found.score < 1


def test_disagreement_lowers_the_score():
    same = SaliencyBoxes("same", (Drawn(square(30, 20, 50, 40)),) * 3, EXACT)(IMAGE)
    maps = (square(30, 20, 50, 40), square(32, 22, 52, 42), square(0, 0, 20, 20))
    apart = SaliencyBoxes("apart", tuple(map(Drawn, maps)), EXACT)(IMAGE)
    assert same.score == 1.0
    assert apart.score < 0.9


def test_nothing_found_where_every_map_is_constant():
    assert SaliencyBoxes("none", (Drawn(np.zeros((60, 80))),) * 2)(IMAGE) is None


def test_medoid_by_hand():
    # IoU of a with b 1/3, of b with c 1/3, of a with c 0: b agrees most, (1/3 + 1/3) / 2.
    makers = (Fixed((0, 0, 2, 2)), Fixed((1, 0, 3, 2)), Fixed((2, 0, 4, 2)))
    found = MedoidBoxes("three", makers)(IMAGE)
    assert found.corners == (1, 0, 3, 2)
    assert found.score == pytest.approx(1 / 3)


def test_of_two_the_first_wins_and_their_iou_is_the_score():
    found = MedoidBoxes("two", (Fixed((0, 0, 2, 2)), Fixed((1, 0, 3, 2))))(IMAGE)
    assert found.corners == (0, 0, 2, 2)
    assert found.score == pytest.approx(1 / 3)


def test_a_maker_without_a_box_agrees_with_nobody():
    assert MedoidBoxes("two", (Fixed(None), Fixed((1, 0, 3, 2))))(IMAGE) == Found((1, 0, 3, 2), 0.0)
    assert MedoidBoxes("none", (Fixed(None), Fixed(None)))(IMAGE) is None


def test_too_few_to_agree():
    with pytest.raises(ConfigError, match="at least two"):
        MedoidBoxes("one", (Fixed((0, 0, 2, 2)),))
    with pytest.raises(ConfigError, match="at least one"):
        SaliencyBoxes("none", ())
    with pytest.raises(ConfigError, match="at least one multiple"):
        SaliencyBoxes("none", (Drawn(square(0, 0, 9, 9)),), ladder=())


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, float("nan")), (1.0, 1.0, 1.0)])
def test_a_weight_for_each_map_and_above_zero(weights):
    maps = (Drawn(square(0, 0, 9, 9)), Drawn(square(0, 0, 9, 9)))
    with pytest.raises(ConfigError, match="2 positive weights"):
        SaliencyBoxes("mixed", maps, weights=weights)
    assert SaliencyBoxes("mixed", maps, weights=(0.5, 2.0)).weights == (0.5, 2.0)


def test_methods_go_by_their_own_name():
    assert {name: maker.name for name, maker in METHODS.items()} == {name: name for name in METHODS}


def test_an_unknown_method_lists_the_names():
    with pytest.raises(ConfigError, match=r"'mdb'.*border, colour, consensus"):
        method_named("mdb")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_finds_a_mole(name):
    image = mole(3)
    rows, columns = np.nonzero(image[..., 2] < 100)
    truth = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    found = METHODS[name](image)
    least = 0.4 if name == "spectral" else 0.7  # spectral residual works at 64 x 64 and finds edges
    assert box_iou(found.corners, [truth])[0] > least
    assert 0 < found.score <= 1


@pytest.mark.parametrize("name", sorted(set(METHODS) - FOR_DARK_LESIONS))
def test_every_method_but_the_darkness_finds_a_bright_disc(name):
    rows, columns = np.mgrid[:120, :160]
    image = np.full((120, 160, 3), 20, np.uint8)
    image[(columns - 70) ** 2 + (rows - 55) ** 2 <= 25**2] = 240
    iou = box_iou(METHODS[name](image).corners, [(45, 30, 96, 81)])[0]
    assert iou > (0.55 if name == "spectral" else 0.7)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_silent_on_a_constant_image(name):
    assert METHODS[name](np.full((30, 40, 3), 99, np.uint8)) is None
