import shutil

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from lesioncare.boxes.segmentation import NetworkSegmenter, load_segmenter_file
from lesioncare.boxes.segmentation.file import read_spec
from lesioncare.errors import ConfigError, DataError, ModelError, RunError
from lesioncare.training.segmentation import SegmenterConfig, train_segmenter
from lesioncare.training.segmentation import run as run_module
from lesioncare.training.segmentation.module import mask_iou
from lesioncare.training.segmentation.pairs import MaskedImages, Pair, find_pairs
from lesioncare.training.segmentation.run import split_pairs


@pytest.fixture(scope="module")
def discs(tmp_path_factory, one_thread):
    """24 pale images with a dark disc each, and its mask."""
    root = tmp_path_factory.mktemp("discs")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    for number in range(24):
        x, y, radius = rng.uniform(16, 48), rng.uniform(16, 48), rng.uniform(8, 14)
        columns, rows = np.meshgrid(np.arange(64), np.arange(64))
        inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
        pixels = np.where(inside[..., None], 60, 200) + rng.normal(0, 5, (64, 64, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{number:02}.jpg")
        Image.fromarray((inside * 255).astype(np.uint8)).save(root / "masks" / f"{number:02}_mask.png")
    return root


def stopped_in_epoch_1(step):
    def stop(self, batch, batch_index):
        if self.current_epoch == 1:
            raise SystemExit
        return step(self, batch, batch_index)

    return stop


def config(root, **options):
    fields = {"image_size": (32, 32), "epochs": 2, "batch_size": 4, "zoom": 0.8, "accelerator": "cpu"}
    return SegmenterConfig.build(images=root / "images", masks=root / "masks", **{**fields, **options})


def test_it_learns_to_find_the_disc_and_the_file_gives_the_same_masks(discs, tmp_path):
    done = train_segmenter(config(discs, epochs=12, learning_rate=5e-3), tmp_path / "a.safetensors")
    assert (done.train, done.validation) == (22, 2)
    segment = load_segmenter_file(done.path)
    pair = find_pairs(discs / "images", discs / "masks")[0]
    image, mask = MaskedImages([pair], (32, 32), zoom=None, seed=0)[0]
    found = torch.nn.functional.interpolate(segment(image[None])[:, None], (32, 32), mode="bilinear") > 0.5
    assert mask_iou(found, mask[None] > 0.5).item() > 0.6
    assert read_spec(done.path).card["validation_mask_iou"] == pytest.approx(done.validation_iou, abs=1e-4)
    assert not list(tmp_path.glob("*.training"))


def test_a_stopped_run_goes_on_and_ends_with_the_same_weights(discs, tmp_path, monkeypatch):
    whole = train_segmenter(config(discs), tmp_path / "whole.safetensors").path
    steps = run_module.SegmenterModule.training_step
    monkeypatch.setattr(run_module.SegmenterModule, "training_step", stopped_in_epoch_1(steps))
    with pytest.raises(KeyboardInterrupt):
        train_segmenter(config(discs), tmp_path / "cut.safetensors")
    assert (tmp_path / "cut.safetensors.training" / "last.ckpt").exists()
    assert not (tmp_path / "cut.safetensors").exists()
    monkeypatch.setattr(run_module.SegmenterModule, "training_step", steps)
    cut = train_segmenter(config(discs), tmp_path / "cut.safetensors").path
    with safe_open(whole, "pt") as one, safe_open(cut, "pt") as other:
        assert all(torch.equal(one.get_tensor(name), other.get_tensor(name)) for name in one.keys())  # noqa: SIM118


def test_other_options_do_not_go_on_with_a_stopped_run(discs, tmp_path):
    work = tmp_path / "a.safetensors.training"
    work.mkdir()
    (work / "config.json").write_text("{}")
    with pytest.raises(RunError, match="other options"):
        train_segmenter(config(discs), tmp_path / "a.safetensors")


def test_half_halves_the_file(discs, tmp_path):
    full = train_segmenter(config(discs, epochs=1), tmp_path / "full.safetensors").path
    half = train_segmenter(config(discs, epochs=1, half=True), tmp_path / "half.safetensors").path
    assert half.stat().st_size < 0.6 * full.stat().st_size
    assert half.stat().st_size < 1_000_000
    image = torch.rand(1, 3, 40, 50)
    assert torch.allclose(load_segmenter_file(half)(image), load_segmenter_file(full)(image), atol=0.02)


def test_a_unet_takes_the_weights_of_its_encoder(discs, tmp_path):
    state = timm.create_model("test_efficientnet", pretrained=False).state_dict()
    save_file(state, tmp_path / "encoder.safetensors")
    options = {"model": "test_efficientnet", "weights": str(tmp_path / "encoder.safetensors"), "epochs": 1}
    network = run_module.build_network(config(discs, **options).spec())
    run_module.load_encoder(network, config(discs, **options))
    assert torch.equal(network.encoder.model.conv_stem.weight, state["conv_stem.weight"])
    done = train_segmenter(config(discs, **options), tmp_path / "unet.safetensors")
    assert load_segmenter_file(done.path)(torch.rand(2, 3, 20, 30)).shape == (2, 32, 32)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "no_such_net"}, ModelError, "no_such_net"),
        ({"weights": "lost.safetensors", "model": "test_efficientnet"}, ConfigError, "no such weights"),
        ({"weights": "lost.safetensors"}, ConfigError, "name an encoder"),
        ({"model": "swin_tiny_patch4_window7_224", "image_size": (96, 96)}, ModelError, "96x96"),
        ({"image_size": (8, 8)}, ConfigError, "--image-size"),
        ({"epochs": 0}, ConfigError, "--epochs"),
        ({"accelerator": "abacus"}, ConfigError, "Choose another --accelerator"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_made(discs, tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        train_segmenter(config(discs, **options), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_not_overwritten(discs, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"mine")
    with pytest.raises(RunError, match="already there"):
        train_segmenter(config(discs), tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == b"mine"


def test_an_output_below_a_file_is_refused(discs, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be made.*--output"):
        train_segmenter(config(discs), tmp_path / "file" / "a.safetensors")


def test_another_suffix_is_refused(discs, tmp_path):
    with pytest.raises(ConfigError, match=r"\.safetensors"):
        train_segmenter(config(discs), tmp_path / "a.pth")


def test_a_mask_without_an_image_is_named(discs, tmp_path):
    shutil.copytree(discs, tmp_path / "some")
    (tmp_path / "some" / "images" / "03.jpg").unlink()
    with pytest.raises(DataError, match="03_mask"):
        find_pairs(tmp_path / "some" / "images", tmp_path / "some" / "masks")


def test_a_mask_of_another_size_is_named(discs, tmp_path):
    Image.new("L", (10, 12), 255).save(tmp_path / "00.png")
    pair = Pair(discs / "images" / "00.jpg", (tmp_path / "00.png",))
    with pytest.raises(DataError, match=r"00\.png.*10x12.*64x64"):
        MaskedImages([pair], (32, 32), zoom=None, seed=0)


def test_several_masks_of_an_image_cover_it_together(discs, tmp_path):
    for name, box in (("00_mask_1", (0, 0, 32, 64)), ("00_mask_2", (32, 0, 64, 64))):
        Image.new("L", (64, 64)).save(tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as mask:
            mask.paste(255, box)
            mask.save(tmp_path / f"{name}.png")
    (pair,) = [one for one in _pairs(discs, tmp_path) if len(one.masks) == 2]
    assert MaskedImages([pair], (32, 32), zoom=None, seed=0)[0][1].mean() == 1


def blacken(masks):
    for mask in masks:
        Image.new("L", (64, 64)).save(mask)


def test_black_masks_are_refused_and_name_their_folder(discs, tmp_path):
    """The only lesion left is of the validation part: there is none to learn."""
    root = shutil.copytree(discs, tmp_path / "some")
    train, (_, *others) = split_pairs(find_pairs(root / "images", root / "masks"), 0.1, 0)
    blacken(mask for pair in (*train, *others) for mask in pair.masks)
    with pytest.raises(DataError, match=f"{root / 'masks'}: the masks of all 22 training images are black"):
        train_segmenter(config(root), tmp_path / "new" / "a.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["some"]


def test_some_black_masks_are_counted(discs, tmp_path):
    """A lesion of one pixel in 64 x 64 is none where the network sees 32 x 32."""
    root = shutil.copytree(discs, tmp_path / "some")
    train, validation = split_pairs(find_pairs(root / "images", root / "masks"), 0.1, 0)
    blacken(pair.masks[0] for pair in (*train[:3], validation[1]))
    dot = Image.new("L", (64, 64))
    dot.putpixel((20, 30), 255)
    dot.save(train[0].masks[0])
    done = train_segmenter(config(root, epochs=1), tmp_path / "a.safetensors")
    assert (done.train, done.train_empty, done.validation, done.validation_empty) == (22, 3, 2, 1)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("images/05.jpg", b"no image", "05"),
        ("masks/05_mask.png", b"no image", "05"),
        ("masks/05_mask.png", None, "10x12 pixels"),
    ],
)
def test_a_refused_run_leaves_nothing_but_a_checkpoint(discs, tmp_path, monkeypatch, file, content, words):
    root = shutil.copytree(discs, tmp_path / "some")
    sound = (root / file).read_bytes()

    def break_it():
        Image.new("L", (10, 12), 255).save(root / file)
        if content is not None:
            (root / file).write_bytes(content)

    break_it()
    with pytest.raises(DataError, match=words):
        train_segmenter(config(root), tmp_path / "new" / "a.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["some"]

    (root / file).write_bytes(sound)
    steps = run_module.SegmenterModule.training_step
    with monkeypatch.context() as patch:
        patch.setattr(run_module.SegmenterModule, "training_step", stopped_in_epoch_1(steps))
        with pytest.raises(KeyboardInterrupt):
            train_segmenter(config(root), tmp_path / "new" / "a.safetensors")
    break_it()
    with pytest.raises(DataError, match=words):
        train_segmenter(config(root), tmp_path / "new" / "a.safetensors")
    left = [path.name for path in (tmp_path / "new" / "a.safetensors.training").iterdir()]
    assert sorted(left) == ["config.json", "last.ckpt"]


def test_a_refused_run_leaves_what_is_not_its_own(discs, tmp_path):
    root = shutil.copytree(discs, tmp_path / "some")
    (root / "images" / "05.jpg").write_bytes(b"no image")
    work = tmp_path / "a.safetensors.training"
    work.mkdir()
    (work / "notes.txt").touch()
    with pytest.raises(DataError):
        train_segmenter(config(root), tmp_path / "a.safetensors")
    assert [path.name for path in work.iterdir()] == ["notes.txt"]


def _pairs(discs, tmp_path):
    shutil.copy(discs / "masks" / "01_mask.png", tmp_path)
    return find_pairs(discs / "images", tmp_path)


def test_the_mask_follows_the_image(discs):
    images = MaskedImages(find_pairs(discs / "images", discs / "masks"), (32, 32), zoom=0.5, seed=0)
    for epoch in range(3):
        image, mask = images[(epoch, 0)]
        if 0 < mask.mean() < 1:
            grey = image.mean(0, keepdim=True)
            assert grey[mask > 0].mean() < grey[mask == 0].mean() - 0.15
    assert torch.equal(images[(1, 4)][0], images[(1, 4)][0])
    assert not torch.equal(images[(1, 4)][0], images[(2, 4)][0])


def test_the_parts_are_drawn_by_the_seed_and_share_nothing(discs):
    pairs = find_pairs(discs / "images", discs / "masks")
    train, validation = split_pairs(pairs, 0.25, 1)
    assert (len(train), len(validation)) == (18, 6)
    assert not set(train) & set(validation)
    assert (train, validation) == split_pairs(pairs, 0.25, 1)
    assert train != split_pairs(pairs, 0.25, 2)[0]
    assert split_pairs(pairs, 0, 1) == (pairs, [])


def test_mask_iou_by_hand():
    found = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.bool).view(2, 1, 2, 2)
    truth = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0]], dtype=torch.bool).view(2, 1, 2, 2)
    assert mask_iou(found, truth).tolist() == pytest.approx([1 / 3, 1.0])


def test_mirror_images_are_averaged_by_hand():
    class Left(torch.nn.Module):
        def forward(self, images):
            scores = torch.zeros(len(images), 1, 2, 2)
            scores[:, :, 0, 0] = 100.0  # whatever the image, it is sure of the upper left
            return scores

    plain = NetworkSegmenter(Left(), None)(torch.rand(1, 3, 2, 2))
    assert plain.tolist() == [[[1.0, 0.5], [0.5, 0.5]]]
    mirrored = NetworkSegmenter(Left(), None, mirrored=True)(torch.rand(1, 3, 2, 2))
    assert mirrored.tolist() == [[[0.625, 0.625], [0.625, 0.625]]]
