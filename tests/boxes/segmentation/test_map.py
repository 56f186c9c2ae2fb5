"""A segmenter's probability as a map, and the boxes of it."""

import hashlib
import pickle
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from lesioncare.boxes.generation import (
    MapToBox,
    SaliencyBoxes,
    for_dermoscopy_only,
    make_boxes,
    method_named,
)
from lesioncare.boxes.generation.methods import METHODS
from lesioncare.boxes.segmentation import OwnSegmentation, SegmentationMap
from lesioncare.boxes.segmentation.shipped import shipped_file
from lesioncare.errors import DataError, ModelError, RunError

from .images import folder_of_moles, mole
from .models import onnx_file, own


@dataclass(frozen=True)
class Dark:
    """A segmenter by hand: half as many pixels, those that are dark are lesion."""

    sure: float = 0.9

    def __call__(self, images):
        return torch.where(images.mean(1)[:, ::2, ::2] < 0.5, self.sure, 0.1)


@dataclass(frozen=True)
class Says:
    """Always the same."""

    masks: object

    def __call__(self, images):
        return self.masks


def test_by_hand_the_map_is_the_mask_enlarged():
    image = np.full((40, 60, 3), 200, np.uint8)
    image[10:30, 20:40] = 50
    found = OwnSegmentation("dark", Dark())(image)
    assert found.shape == (40, 60)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[12:28, 22:38], 0.9, rtol=1e-6)
    np.testing.assert_allclose(found[:8], 0.1, rtol=1e-6)
    assert found[9, 30] == pytest.approx(0.25 * 0.9 + 0.75 * 0.1)  # a quarter of the way between the pixels


def test_a_segmenter_of_ones_own_makes_boxes(tmp_path):
    maker = SaliencyBoxes("mine", (OwnSegmentation("dark v1", Dark()),), MapToBox(level=0.5, blur=0))
    moles = folder_of_moles(tmp_path, 4)
    made = make_boxes(moles, maker)
    assert {box.source for box in made.boxes.boxes} == {"mine"}
    truth = np.nonzero(mole(2)[..., 2] < 100)
    box = made.boxes.boxes[2]
    np.testing.assert_allclose(box.xyxy[:2], (truth[1].min(), truth[0].min()), atol=4)
    assert "OwnSegmentation(name='dark v1')" in repr(maker)


def test_a_constant_image_has_no_lesion():
    assert not OwnSegmentation("sure", Says(torch.ones(1, 4, 4)))(np.full((8, 9, 3), 70, np.uint8)).any()


def test_no_box_where_nothing_is_above_the_level(tmp_path):
    maker = SaliencyBoxes("mine", (OwnSegmentation("unsure", Dark(0.4)),), MapToBox(level=0.5))
    assert maker(mole(0)) is None


@pytest.mark.parametrize(
    "masks",
    [
        torch.zeros(2, 4, 4),
        torch.zeros(1, 1, 4, 4),
        torch.zeros(4, 4),
        torch.zeros(1, 0, 4),
        np.zeros((1, 4, 4)),
        torch.full((1, 4, 4), torch.nan),
        torch.full((1, 4, 4), 1.5),
        torch.full((1, 4, 4), -0.1),
    ],
    ids=["two", "channel", "flat", "empty", "array", "nan", "above", "below"],
)
def test_what_is_no_mask_is_refused(masks):
    with pytest.raises(ModelError, match="a segmenter must give"):
        OwnSegmentation("bad", Says(masks))(mole(0))


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(())])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(DataError, match="RGB image of uint8"):
        OwnSegmentation("dark", Dark())(image)


def test_the_repr_holds_the_files_checksum(tmp_path):
    path = own(tmp_path)
    saliency = SegmentationMap(str(path))
    before = repr(saliency)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in before
    path.write_bytes(path.read_bytes()[:-1])
    assert repr(saliency) != before
    path.unlink()
    assert "sha256=None" in repr(saliency)


def test_the_checksum_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "sam"}')
    (tmp_path / "model.safetensors").write_bytes(b"1")
    one = repr(SegmentationMap(str(tmp_path)))
    assert re.search(r"sha256='[0-9a-f]{64}'", one)
    (tmp_path / "README.md").write_text("nothing that matters")
    assert repr(SegmentationMap(str(tmp_path))) == one
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert repr(SegmentationMap(str(tmp_path))) != one


def test_it_is_loaded_once_and_left_behind_when_pickled(tmp_path):
    path = onnx_file(tmp_path, ["Sigmoid"])
    saliency = SegmentationMap(str(path))
    assert saliency.load() is saliency.load()
    assert len(pickle.dumps(saliency)) < 1000
    copy = pickle.loads(pickle.dumps(saliency))
    assert copy == saliency
    assert copy(mole(1)).tobytes() == saliency(mole(1)).tobytes()


def test_torchs_threads_are_as_they_were(tmp_path):
    seen = []

    def segmenter(images):
        seen.append(torch.get_num_threads())
        return torch.zeros(1, 4, 4)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    OwnSegmentation("counts", segmenter)(mole(0))
    assert (seen, torch.get_num_threads()) == ([1], 2)
    torch.set_num_threads(before)


def test_a_method_by_path(tmp_path):
    path = own(tmp_path)
    maker = method_named(f"segmentation:{path}")
    assert maker.name == "segmentation:tiny"
    assert (maker.to_box, maker.ladder) == (METHODS["segmenter"].to_box, METHODS["segmenter"].ladder)


def test_saliency_and_the_shipped_segmenter_are_for_dermoscopy_only(tmp_path, monkeypatch):
    (tmp_path / "sam").mkdir()
    (tmp_path / "sam" / "config.json").write_text('{"model_type": "sam"}')
    monkeypatch.chdir(shipped_file().parent)
    known = [
        *METHODS,
        "segmentation:shipped",
        "segmentation:lesion.safetensors",
        f"segmentation:{tmp_path}/sam",
    ]
    assert all(for_dermoscopy_only(name) for name in known)
    assert not for_dermoscopy_only(f"segmentation:{own(tmp_path)}")


def test_a_method_of_a_damaged_file_is_refused_before_the_first_image(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"a\.onnx"):
        make_boxes({}, f"segmentation:{tmp_path / 'a.onnx'}", resume=tmp_path / "partial")
    assert not (tmp_path / "partial").exists()


def test_a_run_does_not_go_on_with_other_weights(tmp_path):
    path, partial = own(tmp_path), tmp_path / "partial"
    moles = folder_of_moles(tmp_path, 1)
    make_boxes(moles, f"segmentation:{path}", resume=partial)
    make_boxes(moles, f"segmentation:{path}", resume=partial)
    own(tmp_path)  # other random weights
    with pytest.raises(RunError, match="another method"):
        make_boxes(moles, f"segmentation:{path}", resume=partial)


def test_the_shipped_one_is_there():
    assert SegmentationMap("shipped").load().size == (128, 128)
    assert hashlib.sha256(shipped_file().read_bytes()).hexdigest() in repr(SegmentationMap("shipped"))
