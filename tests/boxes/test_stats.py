from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.stats import Spread, stats_of


def test_counts_and_sizes_worked_out_by_hand():
    boxes = (
        Box("a", 0, 0, 10, 20, label="nv", source="mbd", score=0.5),  # 200 of 800 pixels
        Box("a", 5, 0, 35, 20, label="nv"),  # 600 of 800
        Box("b", 3, 45, 43, 95, source="mbd", score=0.0),  # size unknown
    )
    stats = stats_of(BoxSet(boxes, {"a": (40, 20), "b": None, "c": None}, ("mel", "nv")))
    assert (stats.images, stats.bare, stats.boxes) == (3, 1, 3)
    assert stats.classes == {"mel": 0, "nv": 2, None: 1}
    assert list(stats.sources.items()) == [("mbd", 2), ("manual", 1)]
    assert stats.side == Spread(10, 15, 20, 30, 40)
    assert stats.share == Spread(0.25, 0.375, 0.5, 0.625, 0.75)
    assert stats.score == Spread(0, 0.25, 0.5, 0.75, 1)


def test_no_boxes_have_no_spread():
    stats = stats_of(BoxSet((), {"a": (1, 1)}, ("nv",)))
    assert (stats.bare, stats.classes, stats.side, stats.share, stats.score) == (
        1,
        {"nv": 0},
        None,
        None,
        None,
    )
