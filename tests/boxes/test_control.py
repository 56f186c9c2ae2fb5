import pytest

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.control import control_boxes, covered_shares
from lesioncare.errors import ConfigError, DataError

BOXES = BoxSet.of(
    [
        Box("a.jpg", 10, 20, 40, 60, label="df", source="mbd", score=0.5),
        Box("a.jpg", 0, 0, 100, 80),
        Box("b.jpg", -5, 10, 55, 20, label="vasc"),
    ],
    {"a.jpg": (100, 80), "b.jpg": (50, 50), "empty.jpg": (9, 9)},
)


def test_the_middle_worked_out_by_hand():
    moved = control_boxes(BOXES, "centre")
    # 30 x 40 in 100 x 80: 35 to 65 and 20 to 60; the whole image stays; 60 is cut to the image's 50 pixels
    assert [box.xyxy for box in moved.boxes] == [(35, 20, 65, 60), (0, 0, 100, 80), (0, 20, 50, 30)]
    assert [box.label for box in moved.boxes] == ["df", None, "vasc"]
    assert [box.score for box in moved.boxes] == [0.5, 1, 1]
    assert {box.source for box in moved.boxes} == {"control, centre"}
    assert moved.images == BOXES.images


def test_places_are_drawn_evenly_and_by_the_seed():
    one = BoxSet.of([Box("a.jpg", 0, 0, 25, 10)] * 2000, {"a.jpg": (100, 10)})
    moved = control_boxes(one, seed=3)
    lefts = [box.x1 for box in moved.boxes]
    assert min(lefts) >= 0
    assert max(lefts) <= 75
    assert sum(lefts) / 2000 == pytest.approx(37.5, abs=1.5)
    assert [box.x2 - box.x1 for box in moved.boxes] == pytest.approx([25] * 2000)
    assert {box.y1 for box in moved.boxes} == {0}
    assert control_boxes(one, seed=3) == moved
    assert control_boxes(one, seed=4) != moved


@pytest.mark.parametrize("place", ["anywhere", "centre"])
def test_corners_have_four_decimals_and_stay_in_the_image(place):
    corners = [(1 / 3, 2 / 7, 1 / 3 + side, 2 / 7 + side) for side in (1e-6, 1 / 3, 29 / 7, 49.99999, 60)]
    true = BoxSet.of([Box("a.jpg", *xyxy) for xyxy in corners * 50], {"a.jpg": (50, 51)})
    for before, after in zip(true.boxes, control_boxes(true, place).boxes, strict=True):
        assert all(round(value, 4) == value for value in after.xyxy)
        assert after.x1 >= 0 <= after.y1
        assert (after.x2 <= 50, after.y2 <= 51) == (True, True)
        assert after.x2 - after.x1 == pytest.approx(min(before.x2 - before.x1, 50), abs=1.01e-4)


def test_what_is_still_covered_worked_out_by_hand():
    true = BoxSet.of([Box("a.jpg", 10, 20, 40, 60)] * 3, {"a.jpg": (100, 80)})
    edges = [(30, 50, 60, 90), (41, 20, 71, 60), (10, 20, 40, 60)]  # 10 x 10 of 30 x 40; beside it; the same
    moved = BoxSet.of([Box("a.jpg", *xyxy) for xyxy in edges], true.images)
    assert covered_shares(true, moved) == pytest.approx([1 / 12, 0, 1])


def test_a_control_of_a_control_is_refused():
    with pytest.raises(DataError, match="a control already"):
        control_boxes(control_boxes(BOXES, "centre"))


def test_what_is_unknown_is_refused():
    with pytest.raises(DataError, match=r"'a.jpg' is not known.*--images"):
        control_boxes(BoxSet.of([Box("a.jpg", 0, 0, 5, 5)]))
    with pytest.raises(ConfigError, match="`place`"):
        control_boxes(BOXES, "left")
