from io import StringIO

import pandas as pd
import pytest

from lesioncare.data import Columns
from lesioncare.data.quality import grouped_table

from .test_check import NINE, place, smooth  # noqa: F401  place is a fixture


def groups(place, *rows, header="image,label", columns=None, **options):  # noqa: F811
    check = place(*rows, header=header, columns=columns, **options)
    return grouped_table(check, columns or Columns.guess(header.split(",")))


def test_twins_and_twins_of_twins_get_one_group_the_others_their_own(place):  # noqa: F811
    for quality in (60, 90):
        smooth(3).save(place.folder / f"copy{quality}.jpg", quality=quality)
    found = groups(place, *NINE, "copy60.jpg,mel", "copy90.jpg,mel")
    assert list(found) == ["image", "label", "group"]
    assert found["group"].tolist() == [*(f"{n}.png" for n in range(10)), "3.png", "3.png"]


def test_a_twin_joins_all_images_of_its_lesion_and_two_lesions_become_one(place):  # noqa: F811
    """0 and 1 are of lesion a, 2 and 3 of b, 4 of none; copies of 0 and 2 are both of c: all are one."""
    for seed in (0, 2):
        smooth(seed).save(place.folder / f"copy{seed}.bmp")
    rows = [f"{n}.png,x,{group},{n}" for n, group in enumerate(["a", "a", "b", "b", "", "e"])]
    rows += ["copy0.bmp,x,c,6", "copy2.bmp,x,c,7"]
    found = groups(place, *rows, header="image,label,patient,age")
    assert found["patient"].tolist() == ["a", "a", "a", "a", "4.png", "e", "a", "a"]
    assert found["age"].tolist() == [str(n) for n in range(8)]


def test_rows_that_are_no_images_of_their_own_are_kept(place):  # noqa: F811
    found = groups(place, "0.png,x", "nowhere.png,x", "1.png,x", "0.png,y")
    assert found["group"].tolist() == ["0.png", "nowhere.png", "1.png", "0.png"]


@pytest.mark.parametrize("columns", [None, Columns(image="image", label="label", group="who")])
def test_the_new_table_leaks_no_twins(place, columns):  # noqa: F811
    smooth(3).save(place.folder / "copy.bmp")
    header = "image,label,who" if columns else "image,label"
    rows = [f"{row},{number}" if columns else row for number, row in enumerate([*NINE, "copy.bmp,mel"])]
    text = groups(place, *rows, header=header, columns=columns).to_csv(index=False)
    name = columns.group if columns else "group"
    read = pd.read_csv(StringIO(text))
    again = place(*text.splitlines()[1:], header=text.splitlines()[0], columns=Columns.of(read, group=name))
    assert "twins in two groups" not in again.counts
    assert again.groups.shared == 2
