import pytest

from lesioncare.words import several


@pytest.mark.parametrize(
    ("number", "nouns", "said"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (2, ("image",), "2 images"),
        (1, ("box", "boxes"), "1 box"),
        (21, ("box", "boxes"), "21 boxes"),
    ],
)
def test_a_number_has_its_noun(number, nouns, said):
    assert several(number, *nouns) == said
