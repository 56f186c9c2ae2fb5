"""What each adapter makes of its files: by hand, against the library, and of damaged ones."""

import json
import sys

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from torchvision.models import get_model
from transformers import SamModel

from lesioncare.boxes.segmentation import open_segmenter
from lesioncare.boxes.segmentation.adapters.sam import SamSegmenter, saliency_box
from lesioncare.boxes.segmentation.source import find_source
from lesioncare.errors import ConfigError, ModelError

from .models import drop_weights, onnx_file, own, sam_folder, smp_as_published, smp_folder, torchvision_file

GREY = torch.full((1, 3, 64, 64), 0.5)
MEAN, STD = (torch.tensor(part).view(1, 3, 1, 1) for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
LOGIT = float(((GREY - MEAN) / STD)[0, :, 0, 0].sum()) * 0.5
"""What the convolution of `onnx_file` gives of grey: 0.5 on each normalised channel."""


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def middle(masks):
    return float(masks[0, masks.shape[1] // 2, masks.shape[2] // 2])


@pytest.fixture
def opened(tmp_path):
    """Write a segmenter and open it."""
    return lambda write, *words, **options: open_segmenter(str(write(tmp_path, *words, **options)))


def test_smp_agrees_with_the_library(tmp_path, one_thread):
    torch.manual_seed(0)
    path = smp_folder(tmp_path)
    network, images = smp.from_pretrained(path).eval(), noise(2, 3, 256, 256)
    with torch.inference_mode():
        expected = network((images - MEAN) / STD).sigmoid()[:, 0]
    torch.testing.assert_close(open_segmenter(str(path))(images), expected, rtol=1e-5, atol=1e-6)


def test_smp_takes_its_own_preprocessing_and_adds_the_lesions_classes(tmp_path, one_thread):
    torch.manual_seed(0)
    path = smp_as_published(tmp_path)
    kind = smp.Unet.from_pretrained(path, encoder_weights=None).eval()
    images = noise(1, 3, 96, 64)
    with torch.inference_mode():
        expected = 1 - kind((images - 0.5) / 0.2)[0][:, 0]  # softmax is in the network
    torch.testing.assert_close(open_segmenter(str(path))(images), expected, rtol=1e-4, atol=1e-5)


def test_a_transformers_preprocessor_is_read_as_well(tmp_path):
    path = smp_folder(tmp_path)
    saved = {"size": {"height": 32, "width": 64}, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 2]}
    (path / "preprocessor_config.json").write_text(json.dumps(saved))
    segmenter = open_segmenter(str(path))
    assert (segmenter.size, segmenter.mean, segmenter.std) == ((32, 64), (0.1, 0.2, 0.3), (1, 1, 2))


@pytest.mark.parametrize("wrapped", [None, "model", "state_dict"])
def test_torchvision_agrees_with_the_library(tmp_path, one_thread, wrapped):
    torch.manual_seed(0)
    where = torchvision_file(tmp_path, classes=3)
    state = torch.load(tmp_path / "weights.pth", weights_only=True)
    if wrapped:
        torch.save({wrapped: state, "epoch": 3}, tmp_path / "weights.pth")
    network = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=3)
    network.load_state_dict(state)
    images = noise(1, 3, 256, 256)
    with torch.inference_mode():
        expected = 1 - network.eval()((images - MEAN) / STD)["out"].softmax(1)[:, 0]
    torch.testing.assert_close(open_segmenter(where)(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("last", "metadata", "expected"),
    [
        ((), {}, torch.tensor(LOGIT).sigmoid()),
        (("Sigmoid",), {}, torch.tensor(LOGIT).sigmoid()),
        (("Sigmoid", "Identity"), {}, torch.tensor(LOGIT).sigmoid()),
        (("Sigmoid", "Relu"), {}, torch.tensor(LOGIT).sigmoid().sigmoid()),
        (("Sigmoid", "Relu"), {"output": "probability"}, torch.tensor(LOGIT).sigmoid()),
        (("Sigmoid",), {"output": "logits"}, torch.tensor(LOGIT).sigmoid().sigmoid()),
        ((), {"mean": "0.3,0.3,0.3", "std": "0.5,1,2"}, torch.tensor(0.35).sigmoid()),
    ],
)
def test_onnx_by_hand(opened, last, metadata, expected):
    # With mean 0.3, the channels of grey 0.5 are 0.4, 0.2 and 0.1: half their sum is 0.35.
    masks = opened(onnx_file, last, metadata=metadata)(GREY)
    assert middle(masks) == pytest.approx(float(expected), rel=1e-5)


def test_onnx_adds_all_classes_but_the_first(opened):
    # Scores of the three classes are 1, 2 and 3 times that of one.
    expected = 1 - float((torch.tensor([1.0, 2.0, 3.0]) * LOGIT).softmax(0)[0])
    for last in ((), ("Softmax",)):
        assert middle(opened(onnx_file, last, classes=3)(GREY)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "metadata", "size"),
    [
        (("n", 3, "h", "w"), {}, (256, 256)),
        (("n", 3, "h", "w"), {"size": "32,48"}, (32, 48)),
        (("n", 3, 40, 56), {"size": "32,48"}, (40, 56)),
        ((1, 3, 40, "w"), {"size": "32,48"}, (40, 48)),
    ],
)
def test_onnx_size(opened, shape, metadata, size):
    assert opened(onnx_file, shape=shape, metadata=metadata)(noise(2, 3, 20, 30)).shape == (2, *size)


def test_sam_agrees_with_the_library(tmp_path, one_thread):
    torch.manual_seed(0)
    path = sam_folder(tmp_path)
    images = torch.full((1, 3, 48, 64), 0.8)
    images[:, :, 16:32, 20:40] = 0.2
    box = saliency_box((images[0] * 255).round().byte().permute(1, 2, 0).numpy())
    np.testing.assert_allclose(box, (20, 16, 40, 32), atol=3)
    inputs = torch.zeros(1, 3, 64, 64)
    inputs[:, :, :48] = (images - MEAN) / STD
    with torch.inference_mode():
        found = SamModel.from_pretrained(path).eval()(
            pixel_values=inputs, input_boxes=torch.tensor([[[*box]]])
        )
    best = found.pred_masks[0, :, found.iou_scores[0, 0].argmax()][None]
    scores = torch.nn.functional.interpolate(best, (64, 64), mode="bilinear")[0, 0, :48]
    masks = open_segmenter(str(path))(images)
    torch.testing.assert_close(masks[0], scores.sigmoid(), rtol=1e-4, atol=1e-5)


def test_sam_gives_an_empty_mask_where_the_prompt_finds_nothing(tmp_path):
    segmenter = open_segmenter(str(sam_folder(tmp_path)))
    silent = SamSegmenter(segmenter.model, 64, True, segmenter.preprocessing, prompt=lambda image: None)
    assert not silent(noise(2, 3, 30, 40)).any()


def lost(folder):
    return folder / "lost.onnx"


def empty_folder(folder):
    return folder


def of_unknown_kind(folder):
    (folder / "weights.bin").write_bytes(b"1")
    return folder / "weights.bin"


def bare_state_dict(folder):
    torchvision_file(folder)
    return folder / "weights.pth"


def lost_state_dict(folder):
    return f"lraspp_mobilenet_v3_large@{folder / 'lost.pth'}"


def of_no_torchvision_model(folder):
    return torchvision_file(folder).replace("lraspp", "resnet")


def of_another_torchvision_model(folder):
    return torchvision_file(folder).replace("lraspp_mobilenet_v3_large", "fcn_resnet50")


def torchvision_pickle(folder):
    torch.save({"model": print}, folder / "weights.pth")
    return f"fcn_resnet50@{folder / 'weights.pth'}"


def torchvision_list(folder):
    torch.save([1, 2], folder / "weights.pth")
    return f"fcn_resnet50@{folder / 'weights.pth'}"


def torchvision_damaged(folder):
    (folder / "weights.pth").write_bytes(b"nothing")
    return f"fcn_resnet50@{folder / 'weights.pth'}"


def own_damaged(folder):
    path = own(folder)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def own_of_others(folder):
    path = own(folder)
    drop_weights(path)
    return path


def onnx_damaged(folder):
    onnx_file(folder).write_bytes(b"nothing")
    return folder / "tiny.onnx"


def onnx_of_one_channel(folder):
    return onnx_file(folder, shape=("n", 1, "h", "w"))


def onnx_of_four_images(folder):
    return onnx_file(folder, shape=(4, 3, "h", "w"))


def onnx_with_size_of_one(folder):
    return onnx_file(folder, metadata={"size": "64"})


def onnx_with_size_zero(folder):
    return onnx_file(folder, metadata={"size": "0,64"})


def onnx_with_odd_output(folder):
    return onnx_file(folder, metadata={"output": "mask"})


def changed(folder, **fields):
    path = smp_folder(folder)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | fields))
    return path


def smp_of_no_model(folder):
    return changed(folder, _model_class="from_pretrained")


def smp_of_another_model(folder):
    return changed(folder, _model_class="FPN")


def smp_of_four_channels(folder):
    return changed(folder, in_channels=4)


def smp_with_an_encoder_from_the_net(folder):
    return changed(folder, encoder_name="tu-hf-hub:someone/something")


def smp_without_weights(folder):
    path = smp_folder(folder)
    (path / "model.safetensors").unlink()
    return path


def smp_damaged(folder):
    path = smp_folder(folder)
    (path / "config.json").write_text("{")
    return path


def smp_with_odd_preprocessing(folder):
    path = smp_folder(folder)
    (path / "preprocessor_config.json").write_text('{"image_std": [1, 0, 1]}')
    return path


def of_another_transformers_model(folder):
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return folder


def sam_without_some_weights(folder):
    path = sam_folder(folder)
    drop_weights(path / "model.safetensors")
    return path


def sam_damaged(folder):
    path = sam_folder(folder)
    (path / "model.safetensors").write_bytes(b"nothing")
    return path


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lost, r"lost.onnx: no such file.*NAME@FILE"),
        (empty_folder, r"not a known kind.*NAME@FILE"),
        (of_unknown_kind, r"weights.bin: not a known kind"),
        (bare_state_dict, r"weights.pth: not a known kind.*lraspp_mobilenet_v3_large@weights.pth"),
        (lost_state_dict, "lost.pth: no such file"),
        (of_no_torchvision_model, "no segmentation model 'resnet_mobilenet_v3_large': choose one of .*fcn"),
        (of_another_torchvision_model, "weights do not fit fcn_resnet50|no last layer of fcn_resnet50"),
        (torchvision_pickle, "not a readable state dict"),
        (torchvision_list, "no state dict"),
        (torchvision_damaged, "not a readable state dict"),
        (own_damaged, "not a readable safetensors file"),
        (own_of_others, "of no segmenter"),
        (onnx_damaged, "not a readable ONNX file"),
        (onnx_of_one_channel, r"float32 \[N, 3, h, w\], but has images: tensor\(float\)"),
        (onnx_of_four_images, "takes 4 images at once"),
        (onnx_with_size_of_one, "lesioncare.size is '64', not 2 numbers"),
        (onnx_with_size_zero, "lesioncare.size is '0,64'"),
        (onnx_with_odd_output, "'mask', not logits or probability"),
        (smp_of_no_model, "no model 'from_pretrained'"),
        (smp_of_another_model, "cannot be loaded"),
        (smp_of_four_channels, "4 channels"),
        (smp_with_an_encoder_from_the_net, "would have to be fetched"),
        (smp_without_weights, "no model.safetensors"),
        (smp_damaged, "cannot be read as JSON"),
        (smp_with_odd_preprocessing, "preprocessing cannot be understood"),
        (of_another_transformers_model, "type 'bert'"),
        (sam_without_some_weights, "weights are missing"),
        (sam_damaged, "cannot be loaded"),
    ],
)
def test_what_cannot_be_opened_is_one_error(tmp_path, write, message):
    where = str(write(tmp_path))
    with pytest.raises(ModelError, match=f"(?s){message}"):
        open_segmenter(where)


@pytest.mark.parametrize(
    ("write", "package", "message"),
    [
        (onnx_file, "onnxruntime", r"lesioncare\[onnx\]"),
        (onnx_file, "onnx", r"lesioncare\[onnx\]"),
        (sam_folder, "transformers", r"lesioncare\[sam\]"),
    ],
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, write, package, message):
    where = str(write(tmp_path))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=message):
        open_segmenter(where)


def test_a_source_is_found_again_from_another_folder(tmp_path, monkeypatch):
    onnx_file(tmp_path)
    torchvision_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    places = [find_source(name).where for name in ("tiny.onnx", "lraspp_mobilenet_v3_large@weights.pth")]
    monkeypatch.chdir("/")
    assert find_source(places[0]).path == tmp_path / "tiny.onnx"
    assert find_source(places[1]).architecture == "lraspp_mobilenet_v3_large"
