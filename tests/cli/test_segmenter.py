import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    """Four images, each with a dark square and its mask."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number in range(4):
        mask = np.zeros((40, 40), np.uint8)
        mask[10 : 20 + number, 12:30] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
        Image.fromarray(200 - mask // 2).convert("RGB").save(tmp_path / "images" / f"{number}.png")
    return tmp_path


def test_the_command_trains_and_the_card_tells_on_what(folder, run):
    words = ["segmenter", "train", folder / "images", folder / "masks", "--epochs", 1, "--image-size", 32]
    code, out, err = run(
        *words, "--output", folder / "a.safetensors", "--accelerator", "cpu", "--batch-size", 2
    )
    assert code == 0, err
    assert "Trained on 3 images. Mean IoU of the masks of 1 other: " in out
    code, out, _ = run("segmenter", "card", folder / "a.safetensors")
    assert code == 0
    assert json.loads(out)["card"]["train_images"] == 3


def test_black_masks_are_counted_or_refused(folder, run):
    words = ["segmenter", "train", folder / "images", folder / "masks", "--epochs", 1, "--image-size", 32]
    words += ["--output", folder / "a.safetensors", "--accelerator", "cpu", "--batch-size", 2]
    for number in range(2):
        Image.new("L", (40, 40)).save(folder / "masks" / f"{number}.png")
    code, out, err = run(*words, "--validation", 0)
    assert code == 0, err
    assert "Trained on 4 images (2 of them without a lesion in the mask)." in out
    (folder / "a.safetensors").unlink()
    for number in range(2, 4):
        Image.new("L", (40, 40)).save(folder / "masks" / f"{number}.png")
    code, _, err = run(*words)
    assert code == 2
    assert f"error: {folder / 'masks'}: the masks of all 3 training images are black" in err
    assert "Lesions must be bright" in err
    assert sorted(path.name for path in folder.iterdir()) == ["images", "masks"]


def test_a_file_that_is_no_segmenter_ends_in_one_message(folder, run):
    (folder / "a.safetensors").write_bytes(b"nothing")
    code, _, err = run("segmenter", "card", folder / "a.safetensors")
    assert code == 2
    assert err.startswith("lesioncare: error:")
    assert "a.safetensors" in err


def test_a_missing_folder_ends_in_one_message(folder, run):
    code, _, err = run("segmenter", "train", folder / "lost", folder / "masks")
    assert code == 2
    assert "lost" in err
