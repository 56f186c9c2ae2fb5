import pytest

from lesioncare.errors import ConfigError
from lesioncare.imbalance.rarity import rare_classes

COUNTS = {"NV": 90, "DF": 5, "MEL": 30, "VASC": 19}


@pytest.mark.parametrize(
    ("counts", "rare"),
    [
        (COUNTS, ("DF",)),  # the average class has 36 images, half of it is 18
        (COUNTS | {"VASC": 17}, ("DF", "VASC")),
        ({"a": 30, "b": 10}, ()),  # half of the average is 10: not fewer
        ({"a": 30, "b": 10, "none": 0}, ()),
        ({"a": 31, "b": 10}, ("b",)),
        ({"a": 7, "b": 7}, ()),
        ({}, ()),
    ],
)
def test_auto_takes_fewer_than_half_of_the_average(counts, rare):
    assert rare_classes(counts, "auto") == rare


def test_named_classes_come_in_the_order_of_the_counts():
    assert rare_classes(COUNTS, ["MEL", "DF"]) == ("DF", "MEL")
    assert rare_classes(COUNTS, []) == ()
    assert rare_classes(COUNTS, "DF") == ("DF",)


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"'DFF'.*'NV', 'DF', 'MEL', 'VASC'"):
        rare_classes(COUNTS, ["DFF", "NV"])


def test_a_misspelt_name_is_met_with_the_one_that_was_meant():
    with pytest.raises(
        ConfigError, match=r"'DFF'. Did you mean 'DF'\? Choose 'auto' or from 'NV', 'DF', 'MEL'"
    ):
        rare_classes({"NV": 90, "DF": 5, "MEL": 30}, ["DFF"])


def test_of_very_many_classes_a_message_names_some():
    with pytest.raises(ConfigError) as caught:
        rare_classes({f"class {number}": 1 for number in range(1000)}, ["something else"])
    assert len(str(caught.value)) < 400
    assert str(caught.value).endswith("'class 19', and 980 more.")
