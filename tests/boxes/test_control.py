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
