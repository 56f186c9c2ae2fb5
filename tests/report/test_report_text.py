import math

import pytest

from lesioncare.evaluation import Difference
from lesioncare.report import text

SPACE = "\u202f"


def of(difference, low, high, *, n_groups=50, a=0.5):
    return Difference("rare_recall", a, a + difference, difference, low, high, 100, n_groups)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5404, f"54.0{SPACE}%"),
        (1.0, f"100.0{SPACE}%"),
        (0.0, f"0.0{SPACE}%"),
        (None, text.MISSING),
        (math.nan, text.MISSING),
    ],
)
def test_percent(value, expected):
    assert text.percent(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.8125, "0.812"), (-0.2, "\u22120.200"), (None, text.MISSING)]
)
def test_ratio(value, expected):
    assert text.ratio(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.08, "+8.0"), (-0.0312, "\u22123.1"), (0.0, "0.0"), (0.0004, "0.0"), (-0.0004, "0.0")],
)
def test_signed(value, expected):
    assert text.signed(value) == expected


def test_count_separates_thousands_without_a_line_break():
    assert text.count(1234567) == f"1{SPACE}234{SPACE}567"


def test_groups_are_told_only_where_one_has_several_images():
    assert text.tested(36, 36) == "36 test images"
    assert text.tested(1, 1) == "1 test image"
    assert text.tested(36, 12) == "36 test images of 12 groups (lesions or patients)"


def test_span_writes_both_ends():
    assert text.span(of(0.03, -0.041, 0.105)) == "\u22124.1 to +10.5"


def test_span_never_writes_an_end_that_excludes_zero_as_zero():
    assert text.span(of(0.03, 0.0002, 0.06)) == "+0.02 to +6.00"
    assert text.span(of(0.03, -0.0002, 0.06)) == "0.0 to +6.0"


@pytest.mark.parametrize(
    ("difference", "expected", "words"),
    [
        (of(0.1, 0.02, 0.2), "higher", "higher"),
        (of(-0.1, -0.2, -0.02), "lower", "lower"),
        (of(0.1, -0.02, 0.2), "unshown", "no difference shown"),
        (of(0.1, 0.02, 0.2, n_groups=5), "unshown", "too few groups (5)"),
        (None, "unknown", "not measured"),
    ],
)
def test_verdict_follows_the_interval(difference, expected, words):
    assert text.verdict(difference) == expected
    assert text.verdict_words(difference) == words


def test_answer_states_values_difference_and_interval():
    assert text.answer(of(-0.08, -0.12, -0.02), "plain", "CARE", "images") == (
        f"Fewer images are recognised: 42.0{SPACE}% (CARE) against 50.0{SPACE}% (plain), "
        f"a difference of \u22128.0 points (95{SPACE}% interval \u221212.0 to \u22122.0)."
    )


def test_answer_does_not_claim_what_is_not_shown():
    said = text.answer(of(0.08, -0.02, 0.12), "plain", "CARE", "images")
    assert said.startswith("No difference shown in how many images are recognised")
    assert said.endswith(
        f"the difference of +8.0 points (95{SPACE}% interval \u22122.0 to +12.0) may be chance."
    )


HIGHER, LOWER, UNSHOWN = of(0.1, 0.02, 0.2), of(-0.1, -0.2, -0.02), of(0.01, -0.1, 0.1)


@pytest.mark.parametrize(
    ("raw", "adjusted", "phrase"),
    [
        (HIGHER, HIGHER, "the recall is still higher"),
        (LOWER, LOWER, "the recall is still lower"),
        (HIGHER, UNSHOWN, "may be a moved threshold only"),
        (UNSHOWN, HIGHER, "the recall is higher"),
        (UNSHOWN, UNSHOWN, "no difference is shown either"),
        (HIGHER, LOWER, "the sign turns: the recall is lower"),
    ],
)
def test_threshold_answer_tells_a_moved_threshold_from_a_better_model(raw, adjusted, phrase):
    assert phrase in text.threshold_answer(raw, adjusted)


def test_threshold_answer_is_silent_without_both_differences():
    assert text.threshold_answer(None, HIGHER) is None
    assert text.threshold_answer(HIGHER, None) is None


@pytest.mark.parametrize(
    ("difference", "opening"),
    [
        (HIGHER, "The network looks more at the lesion"),
        (LOWER, "The network looks less at the lesion"),
        (UNSHOWN, "No difference shown in where the network looks"),
    ],
)
def test_energy_answer_names_the_chance_level(difference, opening):
    said = text.energy_answer(difference, 0.31, difference.n)
    assert said.startswith(f"{opening}: ")
    assert said.endswith(f"chance would be 31.0{SPACE}%.")


def test_energy_answer_is_silent_without_boxes():
    assert text.energy_answer(None, None, 9) is None


def test_energy_answer_says_on_how_few_images_it_rests():
    said = text.energy_answer(HIGHER, 0.31, HIGHER.n + 184)
    assert f"more at the lesion on the {HIGHER.n} of {HIGHER.n + 184} images where both have a map: " in said
