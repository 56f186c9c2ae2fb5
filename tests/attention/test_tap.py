from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lesioncare.attention.layout import Layout
from lesioncare.attention.tap import first_image, logits_of, tap
from lesioncare.errors import ModelError

from .models import ChannelsLast, Pooled, Tail, Transformer, add_in_place, hook_count, relu_in_place

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_the_pass_is_what_the_model_saw_and_gave():
    model = Pooled().eval()
    with tap(model, lambda: model.features) as passes:
        logits = model(IMAGES)
    (seen,) = passes
    assert seen.image is IMAGES
    assert seen.logits is logits
    torch.testing.assert_close(seen.features, (model.features(IMAGES),), rtol=0, atol=0)


@pytest.mark.parametrize(
    "after", [nn.ReLU(inplace=True), relu_in_place, add_in_place], ids=["module", "function", "operator"]
)
def test_in_place_operations_do_not_reach_what_was_captured(after):
    torch.manual_seed(0)
    model = Tail(after)
    with tap(model, lambda: model.conv) as passes:
        logits = model(IMAGES)
    (features,) = passes[0].features
    assert torch.equal(features, model.conv(IMAGES))
    assert torch.equal(logits, model(IMAGES))
    assert float(features.detach().min()) < 0


CELLS = torch.arange(2 * 3 * 2 * 4.0).reshape(2, 3, 2, 4)  # N, K, h, w


@pytest.mark.parametrize(
    ("layout", "output"),
    [
        (Layout(), CELLS),
        (Layout("channels last"), CELLS.permute(0, 2, 3, 1)),
        (Layout("tokens"), CELLS.flatten(2).transpose(1, 2)),
        (Layout("tokens", 2), torch.cat((torch.rand(2, 2, 3), CELLS.flatten(2).transpose(1, 2)), 1)),
    ],
)
def test_a_layouts_map_and_back(layout, output):
    features = layout.to_map(output, (16, 32))
    assert layout.describes(output)
    assert torch.equal(features, CELLS)
    back = layout.from_map(features, output)
    assert torch.equal(back, output)
    assert back.stride() == output.stride()
    assert back.data_ptr() != output.data_ptr()


@pytest.mark.parametrize(
    ("model", "layer", "layout"),
    [
        (ChannelsLast(), "norm", Layout("channels last")),
        (Transformer(2), "blocks.1.norm1", Layout("tokens", 2)),
    ],
)
def test_the_map_of_any_layout_is_part_of_the_graph(model, layer, layout):
    with tap(model, lambda: model.get_submodule(layer), layout=lambda: layout) as passes:
        logits = model(IMAGES)
    assert torch.equal(logits, model(IMAGES))
    (features,) = passes[0].features
    assert features.shape[2:] == (4, 4)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), features)
    assert gradient.abs().amax((1, 2, 3)).min() > 0


def test_tokens_dropped_in_training_are_told():
    model = Transformer(1)
    layout = Layout("tokens", 1)
    layer = model.blocks[1].norm1
    layer.register_forward_hook(lambda _m, _i, output: output[:, :12])  # patch dropout
    with (
        pytest.raises(ModelError, match=r"11 patch tokens.*16 x 16"),
        tap(model, lambda: layer, layout=lambda: layout),
    ):
        model(IMAGES)
    assert hook_count(model) == 1


def test_memory_format_survives():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).to(memory_format=torch.channels_last)
    strides = []
    with tap(model, lambda: model[0]):
        model[1].register_forward_pre_hook(lambda _m, inputs: strides.append(inputs[0].stride()))
        model(IMAGES.to(memory_format=torch.channels_last))
    model(IMAGES.to(memory_format=torch.channels_last))
    assert strides[0] == strides[1]


def test_hooks_of_others_stay():
    model = Pooled()
    calls = []
    model.register_forward_hook(lambda *_: calls.append("model"))
    model.features.register_forward_pre_hook(lambda *_: calls.append("features"))
    with tap(model, lambda: model.features):
        model(IMAGES)
    model(IMAGES)
    assert calls == ["features", "model"] * 2
    assert hook_count(model) == 2


@pytest.mark.parametrize("when", ["in the block", "in the layer", "in the head", "in the search"])
def test_no_hook_survives_an_exception(when):
    def fail(*_arguments):
        raise ValueError(when)

    model = Pooled()
    if when == "in the layer":
        model.features.forward = fail
    if when == "in the head":
        model.head.forward = fail
    before = fail if when == "in the search" else None
    with pytest.raises(ValueError, match=when), tap(model, lambda: model.features, before=before):
        _ = model(IMAGES), fail()
    assert hook_count(model) == 0


def test_a_failed_pass_leaves_no_features_to_the_next():
    model = Pooled()
    head, model.head = model.head, nn.Linear(9, 9)
    with tap(model, lambda: model.features) as passes:
        with pytest.raises(RuntimeError):
            model(IMAGES)
        model.head = head
        model(IMAGES)
    assert [len(seen.features) for seen in passes] == [1]


def test_a_layer_that_gives_no_tensor_is_told():
    model = nn.Sequential(nn.AdaptiveMaxPool2d(2, return_indices=True))
    with pytest.raises(ModelError, match="one tensor"), tap(model, lambda: model[0]):
        model(IMAGES)


def test_input_gradient_copies_the_image_and_leaves_the_users_alone():
    model = Pooled().eval()
    with tap(model, lambda: model.features, input_gradient=True) as passes:
        logits = model(x=IMAGES)
    assert not IMAGES.requires_grad
    assert passes[0].image.requires_grad
    assert torch.equal(logits, model(IMAGES))


LOGITS = torch.rand(2, 3)


@pytest.mark.parametrize(
    "output",
    [LOGITS, (LOGITS, None), [LOGITS], {"logits": LOGITS}, OrderedDict(loss=1, logits=LOGITS),
     SimpleNamespace(logits=LOGITS)],
)  # fmt: skip
def test_logits_are_found_in_any_usual_output(output):
    assert logits_of(output) is LOGITS


@pytest.mark.parametrize(
    "output", [None, (), {}, {"x": LOGITS}, LOGITS[0], LOGITS.long(), LOGITS[:, :, None]]
)
def test_an_output_without_logits_is_told(output):
    with pytest.raises(ModelError, match="logits"):
        logits_of(output)


def test_the_image_is_the_first_argument_of_four_dimensions():
    for size in (None, (224, 224)):
        for arguments, named in (((LOGITS, IMAGES), {}), ((3,), {"image": IMAGES})):
            found, own = first_image(arguments, named, size)
            assert found is IMAGES
            assert own == (16, 16)
    with pytest.raises(ModelError, match=r"batch of images.*image_size"):
        first_image((LOGITS,), {"age": 3}, None)


def test_tokens_stand_for_images_of_the_size_that_was_told():
    tokens = torch.rand(2, 17, 8)
    found, size = first_image((torch.ones(2, dtype=torch.long), tokens), {}, (64, 48))
    assert found is tokens
    assert size == (64, 48)
