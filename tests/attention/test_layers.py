"""Other layers than the last, several at once, and LayerCAM."""

import pytest
import timm
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import nn

from lesioncare.attention import (
    AttentionGuide,
    CARELoss,
    EnergyLoss,
    InputGradientLoss,
    Regions,
    closed_form_cam,
    head_gradient_cam,
)
from lesioncare.attention.cam import head_gradient_cams
from lesioncare.errors import ConfigError, ModelError

from .models import Pooled, gradients, hook_count, mlp, same_state, snapshot

LABELS = torch.tensor([2, 0])
BOXES = [torch.tensor([[5.5, 3.0, 40.0, 33.25]], dtype=torch.float64)] * 2
IMAGES = torch.rand(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=3).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)  # timm begins with blocks that add nothing
    return model


def guide_of(model, layers, **options) -> AttentionGuide:
    return AttentionGuide(model, alpha=1.0, target_layer=layers, **options)


def attention(guide) -> torch.Tensor:
    with guide.watch():
        guide.model(IMAGES)
    return guide.attention_loss(LABELS, BOXES)


def loss_of(loss, cam) -> torch.Tensor:
    return loss(cam, Regions(BOXES, (64, 64), tuple(cam.shape[1:]), dtype=cam.dtype)).mean()


def captum_cam(model, layer, method) -> torch.Tensor:
    """Captum's Grad-CAM; and LayerCAM from captum's gradient x activation, as test_resnet's are positive."""
    x, where = IMAGES.clone().requires_grad_(), model.get_submodule(layer)
    graph = {"grad_kwargs": {"create_graph": True}}
    if method == "grad-cam":
        maps = LayerGradCam(model, where).attribute(x, LABELS, relu_attributions=False, **graph)
        return maps[:, 0]
    return LayerGradientXActivation(model, where).attribute(x, LABELS, **graph).relu().sum(1)


def test_layer_cam_worked_out_by_hand():
    # s_0 = A_11 A_22, s_1 = -s_0: ds_0/dA_1 = (A_22, 0) = (1, 0), ds_0/dA_2 = (0, A_11) = (0, 2)
    features = torch.tensor([[[[2.0, 5.0]], [[3.0, 1.0]]]], requires_grad=True)
    score = features[:, 0, 0, 0] * features[:, 1, 0, 1]
    logits, zero, one = torch.stack([score, -score], 1), torch.tensor([0]), torch.tensor([1])
    assert head_gradient_cam(features, logits, zero, zero, method="layer-cam").tolist() == [[[2, 2]]]
    assert head_gradient_cam(features, logits, zero, one, method="layer-cam").tolist() == [[[0, 0]]]
    # Grad-CAM of the same: a_1 = 1/2, a_2 = 1
    assert head_gradient_cam(features, logits, zero, zero).tolist() == [[[4, 3.5]]]


def test_layer_cam_in_closed_form_worked_out_by_hand():
    features = torch.tensor([[[[1.0, -2.0]], [[3.0, 1.0]]]])
    weight = torch.tensor([[9.0, 9.0], [2.0, -1.0]])
    cam = closed_form_cam(features, weight, torch.tensor([1]), method="layer-cam")
    assert cam.tolist() == [[[1, 0]]]  # 2 (1, -2) / 2, without its negative part


def test_layer_cam_in_closed_form_equals_the_heads_gradient():
    torch.manual_seed(3)
    model = Pooled().double().eval()
    features = model.features(IMAGES[..., :16, :16])
    logits = model.head(features.mean((2, 3)))
    closed = closed_form_cam(features, model.head.weight, LABELS, method="layer-cam")
    general = head_gradient_cam(features, logits, torch.arange(2), LABELS, method="layer-cam")
    torch.testing.assert_close(closed, general)
    found, expected = (gradients(model, cam.square().sum()) for cam in (closed, general))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", ["grad-cam", "layer-cam"])
@pytest.mark.parametrize("layer", ["layer1", "layer2", "layer4"])
def test_maps_losses_and_gradients_of_any_layer_equal_captum(layer, method):
    model = network()
    ours = attention(guide_of(model, layer, cam=method))
    cam = captum_cam(model, layer, method)
    theirs = loss_of(CARELoss(), cam)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradients(model, ours), gradients(model, theirs), rtol=1e-6, atol=1e-9)
    guide = guide_of(model, layer, cam=method)
    with guide.watch():
        model(IMAGES)
    torch.testing.assert_close(guide.class_activation_map(LABELS), cam, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["grad-cam", "layer-cam"])
@pytest.mark.parametrize("weights", [None, [3, 0, 1]])
def test_several_layers_give_the_weighted_mean_of_their_losses(weights, method):
    model, layers = network(), ["layer4", "layer3", "layer2"]
    parts = [loss_of(EnergyLoss(), captum_cam(model, layer, method)) for layer in layers]
    expected = sum(parts) / 3 if weights is None else (3 * parts[0] + parts[2]) / 4
    guide = guide_of(model, layers, layer_weights=weights, loss=EnergyLoss(), cam=method)
    found = attention(guide)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradients(model, found), gradients(model, expected), rtol=1e-6, atol=1e-9)
    assert [target.closed_form for target in guide.targets] == [True, False, False]
    assert [target.name for target in guide.targets] == layers


def test_half_takes_the_weights_of_every_layer_as_constants():
    model = network()
    found = attention(guide_of(model, ["layer3", "layer2"], gradient="half"))
    assert gradients(model, found)["layer4.0.conv1.weight"].abs().max() == 0
    full = attention(guide_of(model, ["layer3", "layer2"]))
    torch.testing.assert_close(found, full)
    assert gradients(model, full)["layer4.0.conv1.weight"].abs().max() > 0


def test_one_gradient_serves_layers_inside_each_other():
    """The later layer depends on the earlier one; each gets its own gradient all the same."""
    first = torch.rand(1, 2, 2, 2, requires_grad=True)
    second = first.square()
    logits = second.sum((2, 3))
    zero = torch.tensor([0])
    early, late = head_gradient_cams([first, second], logits, zero, zero)
    torch.testing.assert_close(late, second[:, 0])
    torch.testing.assert_close(early, 2 * first[:, 0].mean() * first[:, 0])


def test_the_first_layers_map_is_given():
    model = network()
    maps = []
    for layers in (["layer2", "layer4"], ["layer2"], "layer2"):
        guide = guide_of(model, layers)
        with guide.watch():
            model(IMAGES)
        maps.append(guide.class_activation_map(LABELS))
    assert torch.equal(maps[0], maps[1])
    assert torch.equal(maps[0], maps[2])


def test_the_map_is_the_classes_own_whatever_is_guided():
    model, maps = network(), []
    for evidence in ("class", "contrast"):
        guide = guide_of(model, ["layer4", "layer3"], evidence=evidence)
        with guide.watch():
            model(IMAGES)
        maps.append(guide.class_activation_map(LABELS))
    assert torch.equal(*maps)


def test_a_pass_watched_at_several_layers_is_the_plain_one_and_leaves_no_hook():
    model = network().train()
    before, random = snapshot(model), torch.get_rng_state()
    expected = model(IMAGES)
    model.load_state_dict(before)
    torch.set_rng_state(random)
    guide = guide_of(model, ["layer4", "layer1"])
    with guide.watch():
        assert torch.equal(model(IMAGES), expected)
    assert hook_count(model) == 0
    total = guide.attention_loss(LABELS, BOXES)
    assert all(parameter.grad is None for parameter in model.parameters())
    total.backward()
    model.load_state_dict(before)
    with pytest.raises(ZeroDivisionError), guide.watch():
        _ = model(IMAGES), 1 / 0
    assert hook_count(model) == 0
    assert set(snapshot(model)) == set(before)
    assert not same_state(before, snapshot(model))  # batch norm counted the pass that ran


@pytest.mark.parametrize(
    "options",
    [
        {"target_layer": []},
        {"target_layer": ["pool", "pool"]},
        {"target_layer": ["features", "pool"], "layer_weights": [1]},
        {"target_layer": ["features", "pool"], "layer_weights": [0, 0]},
        {"target_layer": ["features", "pool"], "layer_weights": [2, -1]},
        {"target_layer": ["features", "pool"], "layer_weights": [float("nan"), 1]},
        {"target_layer": ["features", "pool"], "loss": InputGradientLoss()},
        {"cam": "score-cam"},
    ],
)
def test_impossible_layers_are_refused(options):
    with pytest.raises(ConfigError, match=r"Expected|layers"):
        AttentionGuide(Pooled(mlp()), **options)


def test_an_unknown_layer_among_several_is_named():
    with pytest.raises(ModelError, match=r"no layer 'layer9'"):
        AttentionGuide(network(), target_layer=["layer4", "layer9"])
