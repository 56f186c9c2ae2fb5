import math

import pytest

from lesioncare.report.figures import Axis, Series, curve, difference_axis, strip
from lesioncare.report.views import Arm, Strip

ARM, OTHER = Arm("plain", 0), Arm("CARE", 1)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.2, 0.0), (0.5, 50.0), (0.8, 100.0), (0.0, 0.0), (2.0, 100.0)]
)
def test_axis_places_values_in_per_cent_and_clips(value, expected):
    assert Axis(0.2, 0.8).at(value) == pytest.approx(expected)


def test_axis_ticks_are_round_and_within():
    assert Axis(-0.106, 0.106).ticks() == pytest.approx([-0.1, -0.05, 0.0, 0.05, 0.1])
    assert Axis(0, 9).ticks(7) == [0, 2, 4, 6, 8]


def test_difference_axis_is_symmetric_and_holds_every_end():
    axis = difference_axis([-0.2, 0.1, math.nan])
    assert axis.low == -axis.high == pytest.approx(-0.212)
    assert axis.at(0.0) == 50.0


def test_difference_axis_does_not_blow_up_tiny_differences():
    assert difference_axis([0.001]).high == difference_axis([]).high == pytest.approx(0.053)


def test_strip_places_interval_point_and_zero():
    assert strip(Axis(-1, 1), -0.5, 0.25, 1.0) == Strip(zero=50.0, low=25.0, high=100.0, point=62.5)
    assert strip(Axis(-1, 1), math.nan, 0.25, 1.0) is None


def test_curve_runs_from_top_left_to_bottom_right_for_a_falling_loss():
    figure = curve("Loss", "", [Series(ARM, [0, 1, 2], [3.0, 2.0, 1.0])], share=False)
    assert figure.lines[0].path == "M0 5.36L50 50L100 94.64"  # 6 % of the range above and below: 0.06 / 1.12
    assert figure.lines[0].last == "1.000"
    assert [tick.text for tick in figure.x_ticks] == ["0", "1", "2"]
    assert figure.label == "Loss, last epoch: plain 1.000"


def test_curve_breaks_where_a_number_is_missing():
    figure = curve("Loss", "", [Series(ARM, [0, 1, 2, 3], [math.nan, 2.0, math.nan, 1.0])], share=False)
    assert figure.lines[0].path.count("M") == 2
    assert figure.lines[0].path.count("L") == 0


def test_curve_leaves_out_an_arm_without_numbers_and_is_none_without_any():
    nothing = Series(OTHER, [0], [math.nan])
    assert [line.arm for line in curve("Loss", "", [Series(ARM, [0], [1.0]), nothing], share=True).lines] == [
        ARM
    ]
    assert curve("Loss", "", [nothing], share=True) is None


def test_curve_of_one_epoch_lies_in_the_middle():
    line = curve("Accuracy", "", [Series(ARM, [0], [0.5])], share=True).lines[0]
    assert (line.last_x, line.last_y) == (50.0, 50.0)
