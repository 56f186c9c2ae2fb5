import numpy as np
import pytest

from lesioncare.errors import ConfigError
from lesioncare.imbalance import ClassDraw, Power, Progressive

LABELS = np.array([0] * 60 + [1] * 30 + [2] * 10)


def shown(draw, epoch=0, seed=0):
    """How often each class is shown."""
    return np.bincount(LABELS[[index for _, index in draw.keys(seed, epoch)]], minlength=3)


def test_shares_by_hand():
    counts = np.array([16.0, 4.0])
    assert Power(0)(counts, 0) == pytest.approx([1 / 2, 1 / 2])
    assert Power(0.5)(counts, 0) == pytest.approx([4 / 6, 2 / 6])
    assert Power(1)(counts, 0) == pytest.approx([0.8, 0.2])
    progressive = Progressive(5)
    assert progressive(counts, 0) == pytest.approx([0.8, 0.2])
    assert progressive(counts, 2) == pytest.approx([0.65, 0.35])
    assert progressive(counts, 4) == pytest.approx([0.5, 0.5])
    assert progressive(counts, 9) == pytest.approx([0.5, 0.5])  # trained on for longer
    assert Progressive(1)(counts, 0) == pytest.approx([0.8, 0.2])


@pytest.mark.parametrize("shares", [Power(0), Power(0.5), Power(1), Progressive(4)])
@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_class_is_shown_as_often_as_its_share_says(shares, epoch):
    draw = ClassDraw(LABELS, 3, shares)
    expected = 100 * shares(np.array([60.0, 30.0, 10.0]), epoch)
    counts = [shown(draw, epoch, seed) for seed in range(300)]
    assert all(abs(count - expected).max() < 1 for count in counts)
    assert np.mean(counts, axis=0) == pytest.approx(expected, abs=0.15)
    assert all(count.sum() == 100 == len(draw) for count in counts)


def test_no_image_of_a_class_is_shown_twice_more_than_another():
    times = np.bincount([index for _, index in ClassDraw(LABELS, 3, Power(0)).keys(0, 0)], minlength=100)
    for code in range(3):
        assert np.ptp(times[code == LABELS]) <= 1


def test_the_first_power_is_every_image_once():
    keys = ClassDraw(LABELS, 3, Power(1)).keys(3, 7)
    assert sorted(keys) == [(7, index) for index in range(100)]
    assert keys != sorted(keys)


def test_the_draw_follows_from_seed_and_epoch_alone():
    first, second = ClassDraw(LABELS, 3, Power(0)), ClassDraw(LABELS, 3, Power(0))
    first.keys(0, 0)  # what was drawn before does not matter, nor does the global state
    np.random.seed(5)
    assert first.keys(1, 2) == second.keys(1, 2)
    assert first.keys(1, 2) != first.keys(1, 3)
    assert first.keys(1, 2) != first.keys(2, 2)


@pytest.mark.parametrize("views", [1, 2, 4, 8, 7])
def test_a_repeated_image_shows_another_view(views):
    keys = ClassDraw(LABELS, 3, Power(0)).keys(0, 5)
    assert len(set(keys)) == len(keys)
    for index in np.flatnonzero(LABELS == 2).tolist():
        mine = [epoch % views for epoch, other in keys if other == index]
        assert len(mine) > 1
        assert len(set(mine)) == min(views, len(mine))


def test_the_key_of_a_repetition_is_the_one_that_the_documents_name():
    epochs = {}
    for epoch, index in ClassDraw(LABELS, 3, Power(0)).keys(0, 5):
        epochs.setdefault(index, set()).add(epoch)
    for seen in epochs.values():
        assert seen == {5 + repetition * 1000003 for repetition in range(len(seen))}


def test_a_class_without_images_is_refused():
    with pytest.raises(ConfigError, match=r"class index \[3\]"):
        ClassDraw(LABELS, 4, Power(0))
