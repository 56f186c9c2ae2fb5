import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from lesioncare.data import ImageDataset, eval_transform, pixels, train_transform
from lesioncare.data.pixels import FilePixels, has_room, keep_pixels
from lesioncare.errors import DataError, RunError

TEXT = "image,label,x1,y1,x2,y2\na,x,2,1,12,9\nb,y,,,,\nc,y,0,0,5,5\nc,y,5,5,20,10\nd,x,1,1,4,4\n"
SIZE = (12, 16)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


@pytest.fixture
def table(load):
    return load(TEXT)


@pytest.fixture(autouse=True)
def two_in_a_file(monkeypatch):
    monkeypatch.setattr(pixels, "IMAGES_IN_FILE", 2)


def test_validation_and_test_images_are_exactly_those_of_the_files(table, tmp_path):
    """What `lesioncare predict` reads is the file itself."""
    plain = eval_transform(SIZE, MEAN, STD)
    kept = keep_pixels(table, [3, 0, 2], SIZE, tmp_path / "kept")
    ours = ImageDataset(table, [0, 2, 3], plain, pixels=kept)
    for item, file in zip(ours, ImageDataset(table, [0, 2, 3], plain), strict=False):
        for name in ("image", "boxes", "weights"):
            assert torch.equal(item[name], file[name])
        assert (item["label"], item["position"]) == (file["label"], file["position"])


def test_training_sees_the_same_with_and_without_the_cache(table, tmp_path):
    transform = train_transform(SIZE, MEAN, STD, "dermoscopy")
    size = (17, 22)
    kept = keep_pixels(table, range(4), size, tmp_path / "kept")
    for given in (transform, None):
        ours = ImageDataset(table, range(4), given, seed=1, pixels=kept)
        theirs = ImageDataset(table, range(4), given, seed=1, pixels=FilePixels(table, size))
        for index in range(4):
            for epoch in range(2):
                for name in ("image", "boxes", "weights"):
                    assert torch.equal(ours[epoch, index][name], theirs[epoch, index][name])


def test_what_is_there_is_not_made_again(table, tmp_path, monkeypatch):
    keep_pixels(table, range(4), SIZE, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    assert len(before) == 2
    monkeypatch.setattr(pixels, "_make", lambda *_: pytest.fail("made again"))
    keep_pixels(table, range(4), SIZE, tmp_path)
    keep_pixels(table, range(2), SIZE, tmp_path)  # another run that needs some of them
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")} == before


def test_after_a_kill_the_rest_is_made(table, tmp_path):
    kept = keep_pixels(table, range(4), SIZE, tmp_path)
    files = sorted(tmp_path.glob("*.npy"))
    whole = [path.read_bytes() for path in files]
    stamp = files[0].stat().st_mtime_ns
    files[1].unlink()
    left = tmp_path / f"{files[1].name}@{os.uname().nodename}@{2**22 + 1}.part"  # of a process that is gone
    left.write_bytes(b"half")
    keep_pixels(table, range(4), SIZE, tmp_path)
    assert [path.read_bytes() for path in files] == whole
    assert files[0].stat().st_mtime_ns == stamp
    assert not left.exists()
    assert kept.read(3).image.shape == (3, *SIZE)


def test_an_image_that_changed_is_made_anew(table, tmp_path, folder):
    before = keep_pixels(table, [0], SIZE, tmp_path).read(0).image
    Image.new("RGB", (20, 10), (9, 9, 9)).save(folder / "a.png")
    after = keep_pixels(table, [0], SIZE, tmp_path).read(0).image
    assert after.unique().tolist() == [9]
    assert not torch.equal(before, after)


def test_the_size_of_the_file_is_kept_for_its_boxes(table, tmp_path):
    assert keep_pixels(table, [1], SIZE, tmp_path).read(1).file_size == (10, 20)


def test_kept_images_travel_to_another_process_by_name(table, tmp_path):
    kept = keep_pixels(table, range(4), (64, 64), tmp_path)
    image = kept.read(2).image
    sent = pickle.dumps(kept)
    assert len(sent) < 2000
    assert torch.equal(pickle.loads(sent).read(2).image, image)


def test_room_is_needed_for_what_is_not_there_alone(table, tmp_path, monkeypatch):
    need = 4 * (3 * SIZE[0] * SIZE[1] + 8)

    def free(room):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": room}))

    place = tmp_path / "not" / "there"
    free(2 * need)
    assert has_room(table, range(4), SIZE, place)
    free(2 * need - 2)
    assert not has_room(table, range(4), SIZE, place)
    keep_pixels(table, range(2), SIZE, place)
    assert has_room(table, range(4), SIZE, place)


def test_a_damaged_image_is_named_with_its_row_and_leaves_no_file(table, folder, tmp_path):
    (folder / "c.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"table.csv, row 4: .*c.png"):
        keep_pixels(table, [0, 2], SIZE, tmp_path / "kept")
    assert not list((tmp_path / "kept").glob("*.npy"))


def test_a_folder_that_cannot_be_written_is_named(table, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file.*cannot be written.*--cache never"):
        keep_pixels(table, [0], SIZE, tmp_path / "file" / "kept")


def test_no_image_at_all(table, tmp_path):
    keep_pixels(table, np.empty(0, dtype=np.int64), SIZE, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
