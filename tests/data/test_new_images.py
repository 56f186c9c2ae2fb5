import shutil

import pytest

from lesioncare.data import find_images
from lesioncare.errors import DataError


def test_a_folder_s_images_come_in_order_by_their_path_in_it(tiny, tmp_path):
    images = sorted((tiny.parent / "images").iterdir())[:3]
    (tmp_path / "deep" / "odd.png").mkdir(parents=True)
    (tmp_path / "notes.txt").touch()
    shutil.copy(images[0], tmp_path / "deep" / "last.JPG")
    shutil.copy(images[1], tmp_path / "b.jpg")
    shutil.copy(images[2], tmp_path / "a.jpg")
    table = find_images(tmp_path)
    assert table.frame["image"].tolist() == ["a.jpg", "b.jpg", "deep/last.JPG"]
    assert table.labels.tolist() == [-1, -1, -1]


def test_one_image_is_enough(tiny):
    image = sorted((tiny.parent / "images").iterdir())[0]
    table = find_images(image)
    assert table.frame["image"].tolist() == [image.name]
    assert table.frame["path"].tolist() == [str(image)]


def test_hidden_copies_are_no_images(tiny, tmp_path):
    (tmp_path / ".ipynb_checkpoints").mkdir()
    for name in ("a.png", "._a.png", ".ipynb_checkpoints/a-checkpoint.png"):
        shutil.copy(next((tiny.parent / "images").iterdir()), tmp_path / name)
    assert find_images(tmp_path).frame["image"].tolist() == ["a.png"]


def test_a_table_needs_no_labels_and_ignores_those_that_it_has(tiny, tmp_path):
    (tmp_path / "new.csv").write_text("scan\ntrain-network-0000-0\n")
    table = find_images(tmp_path / "new.csv", image_root=tiny.parent / "images", image_column="scan")
    assert table.frame["image"].tolist() == ["train-network-0000-0"]
    labelled = find_images(tiny)
    assert len(labelled) == 37
    assert set(labelled.labels) == {-1}
    assert not labelled.boxes


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no images \(.bmp, .*.jpeg"):
        find_images(tmp_path)


def test_damaged_images_are_all_named(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2 of 2 images cannot be used: .*a.png.*b.png.* take them out"):
        find_images(tmp_path)
    with pytest.raises(DataError, match=r"1 of 1 image cannot be used: .*a.png.* take them out") as told:
        find_images(tmp_path / "a.png")
    assert "row" not in str(told.value)
