import numpy as np
import pytest
import timm
import torch
from captum.attr import LayerGradCam

from lesioncare.attention import AttentionGuide, CARELoss, closed_form_cam, head_gradient_cam
from lesioncare.errors import ModelError

from . import reference
from .models import Pooled, Tail, add_in_place, gradients, mlp, relu_in_place

BOX = (2.5, 3.0, 9.0, 12.25)
LABELS = torch.tensor([2, 0])


def images(size: int = 16, dtype=torch.float64) -> torch.Tensor:
    return torch.rand(2, 3, size, size, dtype=dtype, generator=torch.Generator().manual_seed(0))


def model_of(kind: str) -> Pooled:
    torch.manual_seed(3)
    return Pooled(None if kind == "linear" else mlp()).double().eval()


def guided_loss(model, gradient="full", x=None, labels=LABELS, layer=None) -> torch.Tensor:
    """The CARE loss of a guide, alone, one box in each image."""
    x = images() if x is None else x
    guide = AttentionGuide(model, loss=CARELoss(), alpha=1.0, gradient=gradient, target_layer=layer)
    with guide.watch():
        model(x)
    return guide.attention_loss(labels, [torch.tensor([BOX], dtype=x.dtype)] * len(x))


def care_of_maps(maps: torch.Tensor, size: int) -> torch.Tensor:
    """The mean CARE loss of maps [B, h, w], from the reference's areas and torch's own operations."""
    pixels = reference.pixel_mask([BOX], size, size)
    inside, outside = (
        torch.from_numpy(reference.cell_sums(p, *maps.shape[1:])).to(maps) for p in (pixels, 1 - pixels)
    )
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    mn = (maps - low) / (high - low)
    gain = ((mn * inside).sum((1, 2)) / inside.sum()).clamp(max=0.9)
    return ((mn * outside).sum((1, 2)) / outside.sum() - gain).mean()


def captum_maps(model, layer, x, labels=LABELS) -> torch.Tensor:
    return LayerGradCam(model, layer).attribute(
        x.clone().requires_grad_(),
        target=labels,
        grad_kwargs={"create_graph": True},
        attr_dim_summation=True,
        relu_attributions=False,
    )[:, 0]


def test_closed_form_worked_out_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])
    weight = torch.tensor([[9.0, 9.0], [2.0, -1.0]])
    assert closed_form_cam(features, weight, torch.tensor([1])).tolist() == [[[-0.5, 1.5]]]
    assert closed_form_cam(features, weight[:, :, None, None], torch.tensor([1])).tolist() == [[[-0.5, 1.5]]]


def test_head_gradient_worked_out_by_hand():
    # s = (mean A_1)^2 / 2: ds/dA_1j = mean(A_1) / hw, so that a_1 = 1.5 / 2 and a_2 = 0
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]], requires_grad=True)
    logits = features[:, 0].mean((1, 2))[:, None].square() / 2
    cam = head_gradient_cam(features, logits, torch.tensor([0]), torch.tensor([0]))
    assert cam.tolist() == [[[0.75, 1.5]]]


def test_only_the_asked_images_are_mapped():
    model = model_of("mlp")
    features = model.features(images())
    logits = model.head(features.mean((2, 3)))
    both = head_gradient_cam(features, logits, torch.tensor([0, 1]), LABELS)
    one = head_gradient_cam(features, logits, torch.tensor([1]), LABELS[1:])
    torch.testing.assert_close(one, both[1:])


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_map_loss_and_all_parameter_gradients_equal_captum(kind):
    model = model_of(kind)
    guide = AttentionGuide(model)
    with guide.watch():
        model(images())
    assert guide.target.closed_form == (kind == "linear")
    expected = captum_maps(model, model.features, images())
    torch.testing.assert_close(guide.class_activation_map(LABELS), expected, rtol=1e-9, atol=1e-12)
    ours, theirs = guided_loss(model), care_of_maps(expected, 16)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(model, ours), gradients(model, theirs), rtol=1e-6, atol=1e-10)
    assert sum(float(g.abs().sum()) for g in gradients(model, ours).values()) > 1e-3


@pytest.mark.parametrize(("name", "layer"), [("test_resnet", "layer4"), ("test_convnext", "stages")])
def test_timm_models_equal_captum_in_float32(name, layer):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=3).eval()
    x = images(64, torch.float32)
    ours = guided_loss(model, x=x)
    theirs = care_of_maps(captum_maps(model, model.get_submodule(layer), x), 64)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    expected, found = gradients(model, theirs), gradients(model, ours)
    for key, value in expected.items():
        scale = max(float(value.abs().max()), 1e-2)
        assert float((found[key] - value).abs().max()) < 1e-4 * scale, key


@pytest.mark.parametrize("gradient", ["full", "half"])
def test_closed_form_equals_the_heads_gradient(gradient):
    model = model_of("linear")
    features = model.features(images())
    logits = model.head(features.mean((2, 3)))
    closed = closed_form_cam(features, model.head.weight, LABELS, gradient)
    general = head_gradient_cam(features, logits, torch.arange(2), LABELS, gradient)
    torch.testing.assert_close(closed, general)
    found, expected = (gradients(model, care_of_maps(cam, 16)) for cam in (closed, general))
    torch.testing.assert_close(found, expected)
    assert (found["head.weight"].abs().sum() > 0) == (gradient == "full")


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_half_equals_constant_weights(kind):
    model = model_of(kind)
    features = model.features(images())
    scores = model.head(features.mean((2, 3)))[torch.arange(2), LABELS].sum()
    (grad,) = torch.autograd.grad(scores, features, retain_graph=True)
    detached = (grad.mean((2, 3), keepdim=True) * features).sum(1)
    expected = gradients(model, care_of_maps(detached, 16))
    torch.testing.assert_close(gradients(model, guided_loss(model, "half")), expected)
    full = gradients(model, guided_loss(model, "full"))
    assert not torch.allclose(
        full["head.weight" if kind == "linear" else "head.0.weight"], torch.zeros(1).double()
    )


# A whole network in numpy, to differentiate by finite differences: features tanh(C x) at 2 x 3 cells,
# logits V tanh(U g + b) with g the mean over cells, map weights V_y diag(1 - tanh^2) U / hw.


def numpy_maps(parameters: dict[str, np.ndarray], x: np.ndarray, label: int, weights=None):
    features = np.tanh(np.einsum("kc,chw->khw", parameters["conv"], x))
    hidden = np.tanh(parameters["u"] @ features.mean((1, 2)) + parameters["b"])
    if weights is None:
        weights = parameters["u"].T @ (parameters["v"][label] * (1 - hidden**2)) / features[0].size
    return np.einsum("k,khw->hw", weights, features), weights


@pytest.mark.parametrize("gradient", ["full", "half"])
def test_parameter_gradients_equal_finite_differences_of_a_numpy_network(gradient):
    draw = np.random.default_rng(5)
    shapes = {"conv": (4, 3), "u": (5, 4), "b": (5,), "v": (2, 5)}
    values = {name: draw.normal(size=shape) for name, shape in shapes.items()}
    x = draw.normal(size=(3, 2, 3))
    box = (0.4, 0.0, 2.0, 1.3)
    inside = reference.pixel_mask([box], 2, 3)
    _, constant = numpy_maps(values, x, 1)

    def loss_of(name):
        def loss(value):
            cam, _ = numpy_maps(values | {name: value}, x, 1, constant if gradient == "half" else None)
            return reference.care(reference.normalised(cam), inside, 1 - inside, 0.9)

        return loss

    conv, u, v = (
        torch.nn.Conv2d(3, 4, 1, bias=False),
        torch.nn.Linear(4, 5),
        torch.nn.Linear(5, 2, bias=False),
    )
    model = torch.nn.Sequential(
        conv, torch.nn.Tanh(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), u, torch.nn.Tanh(), v
    ).double()
    parameters = {"conv": conv.weight, "u": u.weight, "b": u.bias, "v": v.weight}
    for name, parameter in parameters.items():
        parameter.data = torch.from_numpy(values[name]).reshape(parameter.shape).clone()
    guide = AttentionGuide(model, alpha=1.0, gradient=gradient, loss=CARELoss(0.9))
    with guide.watch():
        model(torch.from_numpy(x)[None])
    loss = guide.attention_loss(torch.tensor([1]), [torch.tensor([box], dtype=torch.float64)])
    assert loss.item() == pytest.approx(loss_of("b")(values["b"]), abs=1e-12)
    loss.backward()
    for name, parameter in parameters.items():
        found = np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.numpy()
        expected = reference.numeric_gradient(loss_of(name), values[name])
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("after", [torch.nn.ReLU(inplace=True), relu_in_place, add_in_place])
def test_in_place_operations_after_the_layer_leave_map_and_gradients_right(after):
    torch.manual_seed(0)
    model = Tail(after).double()
    features = model.conv(images())
    logits = model.fc(after(features.clone()).mean((2, 3)))
    (grad,) = torch.autograd.grad(logits[torch.arange(2), LABELS].sum(), features, create_graph=True)
    theirs = care_of_maps((grad.mean((2, 3), keepdim=True) * features).sum(1), 16)
    ours = guided_loss(model, layer="conv")
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(model, ours), gradients(model, theirs))


def test_half_precision_is_widened():
    features = torch.rand(1, 4, 3, 3, dtype=torch.float16)
    assert closed_form_cam(features, torch.rand(2, 4), torch.tensor([0])).dtype == torch.float32
    features.requires_grad_()
    logits = features.mean((2, 3)) * 1e-4  # gradients far below fp16's smallest number once averaged
    cam = head_gradient_cam(features, logits, torch.tensor([0]), torch.tensor([2]))
    expected = features.detach().float()[:, 2] * 1e-4 / 9
    torch.testing.assert_close(cam, expected, rtol=2e-2, atol=0)
    contrast = head_gradient_cam(
        features, logits, torch.tensor([0]), torch.tensor([2]), rival=torch.tensor([1])
    )
    other = features.detach().float()[:, 1] * 1e-4 / 9
    torch.testing.assert_close(contrast, expected - other, rtol=2e-2, atol=1e-8)


def test_missing_graphs_are_told():
    features, logits = torch.rand(1, 2, 3, 3), torch.rand(1, 2)
    zero = torch.tensor([0])
    with pytest.raises(ModelError, match="no_grad"):
        head_gradient_cam(features, logits, zero, zero)
    with pytest.raises(ModelError, match="no_grad"):
        head_gradient_cam(features, logits.clone().requires_grad_(), zero, zero)
    with pytest.raises(ModelError, match="no_grad"):
        head_gradient_cam(features.clone().requires_grad_(), logits, zero, zero)
    with pytest.raises(ModelError, match="do not depend"):
        head_gradient_cam(features.requires_grad_(), logits.requires_grad_(), zero, zero)


def test_several_threads_add_up_the_images_of_a_class_in_one_order():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        features, target = torch.randn(64, 1280, 4, 4), torch.arange(64) % 3
        gradients = []
        for _ in range(20):
            weight = torch.ones(3, 1280, requires_grad=True)
            (closed_form_cam(features, weight, target) ** 2).sum().backward()
            gradients.append(weight.grad)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


def test_the_contrast_map_worked_out_by_hand():
    """Weights 2 - 9 = -7 and -1 - 9 = -10: (-7 - 30) / 2 and (-14 - 10) / 2."""
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])
    weight = torch.tensor([[9.0, 9.0], [2.0, -1.0]])
    cam = closed_form_cam(features, weight, torch.tensor([1]), rival=torch.tensor([0]))
    assert cam.tolist() == [[[-18.5, -12.0]]]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_the_contrast_map_is_captums_own_minus_the_rivals(kind):
    model, x = model_of(kind), images()
    rivals = model(x).detach().scatter(1, LABELS[:, None], -torch.inf).argmax(1)
    guide = AttentionGuide(model, loss=lambda cam, _: cam.flatten(1).sum(1), alpha=1.0, evidence="contrast")
    with guide.watch():
        model(x)
    value = guide.attention_loss(LABELS, [torch.tensor([BOX], dtype=x.dtype)] * 2)
    found = gradients(model, value)
    maps = captum_maps(model, model.features, x) - captum_maps(model, model.features, x, rivals)
    expected = maps.flatten(1).sum(1).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    torch.testing.assert_close(found, gradients(model, expected), rtol=1e-7, atol=1e-10)
