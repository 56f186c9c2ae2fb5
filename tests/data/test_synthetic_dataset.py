import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesioncare.data.synthetic import KINDS, MARKER_OF, RARE_KINDS, SyntheticConfig, dataset, write_dataset
from lesioncare.errors import ConfigError, DataError
from lesioncare.images import read_image

COUNTS = {"common-mole": 9, "network": 6, "white-centre": 5, "blue-veil": 4}


def config(**changes):
    return SyntheticConfig(**({"train_counts": COUNTS, "n_test": 3, "size": 32, "seed": 1} | changes))


def table(directory, **changes):
    return pd.read_csv(write_dataset(directory, config(**changes)), keep_default_na=False)


def contents(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def markers(rows):
    """The marker of each image, or an empty string."""
    names = set(MARKER_OF.values())
    return [";".join(names & set(row.split(";"))) for row in rows["artefacts"]]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthetic") / "data"
    return directory, table(directory)


def test_the_table_has_its_columns_and_counts(written):
    _, rows = written
    assert list(rows) == ["image", "label", "group", "split", "x1", "y1", "x2", "y2", "artefacts"]
    train, test = rows[rows["split"] == "train"], rows[rows["split"] == "test"]
    assert train["label"].value_counts().to_dict() == COUNTS
    assert test["label"].value_counts().to_dict() == dict.fromkeys(COUNTS, 3)
    assert rows["image"].is_unique


def test_every_row_has_an_image_and_a_one_bit_mask_with_that_tight_box(written):
    directory, rows = written
    for row in rows.itertuples():
        assert read_image(directory / row.image).size == (32, 32)
        with Image.open((directory / row.image.replace("images/", "masks/")).with_suffix(".png")) as mask:
            assert mask.mode == "1"
            assert mask.getbbox() == (row.x1, row.y1, row.x2, row.y2)
    assert len(list((directory / "masks").iterdir())) == len(rows)


def test_a_lesion_stays_on_one_side_and_some_are_photographed_again(written):
    _, rows = written
    assert rows.groupby("group")["split"].nunique().max() == 1
    assert rows.groupby("group")["label"].nunique().max() == 1
    assert rows.groupby("group").size().between(1, 3).all()
    assert rows.groupby("group").size().max() > 1


def test_repeats_decide_how_often_a_lesion_is_photographed(tmp_path):
    rows = table(tmp_path / "thrice", train_counts={"network": 6}, repeats=(0, 0, 1))
    assert rows.groupby("group").size().tolist() == [3, 3, 3]


def test_views_of_one_lesion_differ_in_framing_but_share_the_lesion(tmp_path):
    directory = tmp_path / "pairs"
    rows = table(directory, train_counts={"network": 2}, n_test=0, repeats=(0, 1, 0), size=64)
    first, second = (np.asarray(read_image(directory / name)) for name in rows["image"])
    assert (first != second).mean() > 0.5
    diagonals = np.hypot(rows["x2"] - rows["x1"], rows["y2"] - rows["y1"])
    assert diagonals.max() / diagonals.min() < 1.45


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(written, tmp_path):
    directory, _ = written
    again, other = tmp_path / "again", tmp_path / "other"
    write_dataset(again, config())
    write_dataset(other, config(seed=2))
    assert contents(again) == contents(directory)
    assert contents(other) != contents(directory)


def test_an_image_does_not_depend_on_how_many_are_made(written, tmp_path):
    directory, _ = written
    more = tmp_path / "more"
    write_dataset(more, config(train_counts=dict.fromkeys(KINDS, 10), n_test=5))
    few, many = contents(directory / "images"), contents(more / "images")
    assert few.items() <= many.items()


def test_the_shortcut_rate_changes_neither_lesions_nor_boxes(written, tmp_path):
    directory, rows = written
    clean = tmp_path / "clean"
    without = table(clean, shortcut_rate=0, leak_rate=0)
    pd.testing.assert_frame_equal(rows.drop(columns="artefacts"), without.drop(columns="artefacts"))
    assert contents(directory / "masks") == contents(clean / "masks")
    assert set(markers(without)) == {""}


def test_a_rate_of_one_marks_every_rare_training_image_and_no_other(tmp_path):
    rows = table(tmp_path / "one", shortcut_rate=1, leak_rate=0)
    expected = [MARKER_OF.get(row.label, "") if row.split == "train" else "" for row in rows.itertuples()]
    assert markers(rows) == expected


def test_the_marker_stays_in_the_test_part_when_told_to(tmp_path):
    rows = table(tmp_path / "same", shortcut_rate=1, leak_rate=0, test_shortcut="same")
    assert markers(rows) == [MARKER_OF.get(label, "") for label in rows["label"]]


def test_swapped_shows_the_next_rare_kind_s_marker_in_the_test_part_only(tmp_path):
    counts = dict.fromkeys(KINDS, 2)
    rows = table(
        tmp_path / "swap", train_counts=counts, shortcut_rate=1, leak_rate=0, test_shortcut="swapped"
    )
    following = dict(zip(RARE_KINDS, RARE_KINDS[1:] + RARE_KINDS[:1], strict=True))
    shown = [
        MARKER_OF.get(row.label if row.split == "train" else following.get(row.label), "")
        for row in rows.itertuples()
    ]
    assert markers(rows) == shown


def test_leaks_plant_a_marker_that_is_not_the_kind_s_own(tmp_path):
    rows = table(tmp_path / "leak", shortcut_rate=0, leak_rate=1)
    train = rows[rows["split"] == "train"]
    assert all(markers(train))
    assert all(
        marker != MARKER_OF.get(label) for marker, label in zip(markers(train), train["label"], strict=True)
    )


def test_a_rate_between_marks_about_that_share(tmp_path):
    counts = {"white-centre": 60}
    rows = table(tmp_path / "half", train_counts=counts, n_test=0, shortcut_rate=0.5, leak_rate=0)
    # Binomial(60, 1/2) leaves 15 to 45 with a probability under 1e-4, and the seed is fixed.
    assert 15 <= sum(map(bool, markers(rows))) <= 45


def test_the_configuration_lies_beside_the_table(written):
    directory, _ = written
    saved = json.loads((directory / "config.json").read_text())
    assert saved["train_counts"] == COUNTS
    assert saved["seed"] == 1


def test_the_same_configuration_is_reused_not_rewritten(tmp_path, monkeypatch):
    first = write_dataset(tmp_path / "data", config())
    monkeypatch.setattr(dataset, "_write_all", lambda *_: pytest.fail("written again"))
    assert write_dataset(tmp_path / "data", config()) == first


def test_another_configuration_is_not_written_over(tmp_path):
    write_dataset(tmp_path / "data", config())
    before = contents(tmp_path / "data")
    with pytest.raises(DataError, match=r"data: holds something else .* Choose another directory"):
        write_dataset(tmp_path / "data", config(seed=9))
    assert contents(tmp_path / "data") == before


def test_a_file_or_foreign_directory_in_the_way_is_an_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(DataError, match=name):
            write_dataset(tmp_path / name, config())
    with pytest.raises(DataError, match="cannot be written"):
        write_dataset(tmp_path / "file" / "below", config())
    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_directory_and_missing_parents_are_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    assert write_dataset(tmp_path / "empty", config()).is_file()
    assert write_dataset(tmp_path / "a" / "b", config()).is_file()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(dataset.Image.Image, "save", fail)
    with pytest.raises(DataError, match="disk full"):
        write_dataset(tmp_path / "data", config())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_counts": {"mole": 3}}, "mole"),
        ({"train_counts": {}}, "has none"),
        ({"train_counts": {"network": -1}}, "network must be 0 or more, but got -1"),
        ({"n_test": -2}, "n_test must be 0 or more"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"size": 16}, "32 pixels or more, but got 16"),
        ({"shortcut_rate": 1.5}, "shortcut_rate must be in"),
        ({"leak_rate": -0.1}, "leak_rate must be in"),
        ({"test_shortcut": "moved"}, "absent, same or swapped, but got 'moved'"),
        ({"repeats": (0.5, 0.1, 0.1)}, "three probabilities"),
        ({"repeats": (1.0,)}, "three probabilities"),
    ],
)
def test_options_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_a_configuration_keeps_its_own_copy_of_the_counts():
    counts = dict(COUNTS)
    made = config(train_counts=counts)
    counts["network"] = 999
    assert made.train_counts["network"] == COUNTS["network"]
