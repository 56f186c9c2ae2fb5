import copy
import gc
import weakref
from typing import ClassVar

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from lesioncare.attention import (
    AttentionGuide,
    CARELoss,
    EnergyLoss,
    GuideOptions,
    InBoxCrossEntropyLoss,
    InputGradientLoss,
    L1Loss,
    OutsideSquareLoss,
    Regions,
)
from lesioncare.errors import ConfigError, DataError, ModelError

from . import reference
from .models import Pooled, Reused, TupleOutput, TwoInputs, gradients, hook_count, mlp, same_state, snapshot

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.rand(4, 3, 16, 16, generator=GENERATOR)
LABELS = torch.tensor([0, 2, 1, 2])
NONE = torch.empty(0, 4)
BOXES = [NONE, torch.tensor([[2.0, 3, 9, 12]]), torch.tensor([[0.0, 0, 5, 5], [8, 8, 14, 16]]), NONE]
LOSSES = [
    CARELoss(),
    EnergyLoss(),
    L1Loss(),
    OutsideSquareLoss(),
    InBoxCrossEntropyLoss(),
    InputGradientLoss(),
]


def guide_of(head=None, train=False, **options) -> AttentionGuide:
    torch.manual_seed(1)
    return AttentionGuide(Pooled(copy.deepcopy(head)).train(train), **options)


def attention(guide, boxes=BOXES, weights=None, x=IMAGES, labels=LABELS) -> torch.Tensor:
    with guide.watch():
        guide.model(x)
    return guide.attention_loss(labels, boxes, weights)


def one_by_one(loss=None) -> torch.Tensor:
    """The losses of images 1 and 2 alone."""
    guide = guide_of(loss=loss)
    features = guide.model.features(IMAGES)
    cam = torch.einsum("bk,bkhw->bhw", guide.model.head.weight[LABELS], features)[1:3] / 16
    return (loss or CARELoss())(cam, Regions(BOXES[1:3], (16, 16), (4, 4))).detach()


@pytest.mark.parametrize("loss", LOSSES[:-1], ids=lambda loss: type(loss).__name__)
def test_reductions_by_hand(loss):
    first, second = one_by_one(loss)
    for reduction, expected in (
        ("sum", first + second), ("boxed", (first + second) / 2), ("batch", (first + second) / 4)
    ):  # fmt: skip
        torch.testing.assert_close(attention(guide_of(loss=loss, reduction=reduction)).detach(), expected)


def test_trust_weights_by_hand():
    first, second = one_by_one()
    weights = [torch.empty(0), torch.tensor([0.5]), torch.tensor([0.2, 0.8]), torch.empty(0)]
    for reduction, divisor in (("sum", 1), ("boxed", 2), ("batch", 4)):
        found = attention(guide_of(reduction=reduction), weights=weights).detach()
        torch.testing.assert_close(found, (0.5 * first + 0.5 * second) / divisor)


def test_a_box_of_weight_zero_counts_as_none():
    weights = [torch.empty(0), torch.tensor([0.0]), torch.tensor([1.0, 0.0]), torch.empty(0)]
    fewer = [NONE, NONE, BOXES[2][:1], NONE]
    for reduction in ("sum", "boxed", "batch"):
        found = attention(guide_of(reduction=reduction), weights=weights)
        torch.testing.assert_close(found, attention(guide_of(reduction=reduction), fewer))


def test_weights_follow_the_boxes_that_are_kept():
    boxes = [NONE, torch.tensor([[50.0, 50, 60, 60], [2, 3, 9, 12]]), NONE, NONE]
    weights = [torch.empty(0), torch.tensor([1.0, 0.25]), torch.empty(0), torch.empty(0)]
    found = attention(guide_of(reduction="sum"), boxes, weights).detach()
    torch.testing.assert_close(found, 0.25 * one_by_one()[0])


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_alpha_mixes_the_two_losses(alpha):
    guide, classification = guide_of(alpha=alpha), torch.tensor(2.0, requires_grad=True)
    with guide.watch():
        guide.model(IMAGES)
    total = guide.combine(classification, LABELS, BOXES)
    torch.testing.assert_close(total.detach(), (1 - alpha) * 2.0 + alpha * one_by_one().sum() / 4)
    assert (total is classification) == (alpha == 0)


def test_a_batch_without_boxes_gives_the_classification_loss_alone():
    for boxes in ([NONE] * 4, [torch.empty(0)] * 4, [torch.tensor([[90.0, 90, 99, 99]])] * 4):
        guide, classification = guide_of(alpha=0.3), torch.tensor(2.0, requires_grad=True)
        with guide.watch():
            guide.model(IMAGES)
        assert torch.equal(guide.combine(classification, LABELS, boxes), (1 - 0.3) * classification)
        assert attention(guide, boxes).item() == 0


def test_image_size_is_what_the_boxes_refer_to():
    doubled = [2 * box for box in BOXES]
    torch.testing.assert_close(attention(guide_of(image_size=(32, 32)), doubled), attention(guide_of()))


def test_image_resolution_is_the_upsampled_comparison():
    found = attention(guide_of(resolution="image", reduction="sum")).detach()
    guide = guide_of()
    with guide.watch():
        guide.model(IMAGES)
    maps = guide.class_activation_map(LABELS).detach().double()
    expected = 0.0
    for index in (1, 2):
        mn = torch.from_numpy(reference.normalised(maps[index].numpy()))[None, None]
        up = functional.interpolate(mn, (16, 16), mode="bilinear", align_corners=False)[0, 0].numpy()
        mask = reference.pixel_mask(BOXES[index].tolist(), 16, 16)
        expected += reference.care(up, mask, 1 - mask, 0.9)
    assert found.item() == pytest.approx(expected, abs=1e-5)


# Training only


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("loss", [CARELoss(), InputGradientLoss()])
def test_a_watched_pass_equals_a_plain_one(train, loss):
    guide, plain = guide_of(mlp(), train, loss=loss), guide_of(mlp(), train).model
    plain.load_state_dict(guide.model.state_dict())
    for step in range(3):
        torch.manual_seed(step)
        expected = plain(IMAGES)
        random = torch.get_rng_state()
        torch.manual_seed(step)
        with guide.watch():
            found = guide.model(IMAGES)
        assert torch.equal(found, expected)
        assert torch.equal(torch.get_rng_state(), random)
        assert same_state(guide.model.state_dict(), plain.state_dict())
    assert int(guide.model.features[1].num_batches_tracked) == (3 if train else 0)


def test_the_first_watched_pass_in_evaluation_mode_changes_no_state():
    guide = guide_of()
    before = snapshot(guide.model)
    with guide.watch():
        guide.model(IMAGES)
    assert same_state(before, guide.model.state_dict())


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
def test_nothing_is_in_grad_before_the_users_backward(loss, head):
    guide = guide_of(head, train=True, loss=loss, alpha=1.0)
    with guide.watch():
        logits = guide.model(IMAGES)
    total = guide.combine(functional.cross_entropy(logits, LABELS), LABELS, BOXES)
    assert all(parameter.grad is None for parameter in guide.model.parameters())
    assert IMAGES.grad is None
    total.backward()
    assert all(p.grad.isfinite().all() for p in guide.model.parameters() if p.grad is not None)
    assert guide.model.features[0].weight.grad.abs().sum() > 0


def test_the_true_logit_is_not_lowered_by_a_leaked_gradient():
    guide = guide_of(mlp(), alpha=0.5)
    with guide.watch():
        logits = guide.model(IMAGES)
    classification = functional.cross_entropy(logits, LABELS)
    guide.combine(classification, LABELS, [NONE] * 4).backward(retain_graph=True)
    for name, expected in gradients(guide.model, 0.5 * classification).items():
        torch.testing.assert_close(guide.model.get_parameter(name).grad, expected)


@pytest.mark.parametrize("where", ["block", "model", "search"])
def test_no_hook_and_no_mode_change_survives_an_exception(where):
    guide = guide_of(train=True)
    guide.model.features[1].eval()
    modes = [module.training for module in guide.model.modules()]
    if where != "search":
        attention(guide)
    if where != "block":
        guide.model.head = nn.Linear(9, 3)
    with pytest.raises((RuntimeError, ZeroDivisionError)), guide.watch():
        _ = guide.model(IMAGES), 1 / 0
    assert hook_count(guide.model) == 0
    assert [module.training for module in guide.model.modules()] == modes
    with pytest.raises(ModelError, match="No forward pass"):
        guide.attention_loss(LABELS, BOXES)


# Schedule


@pytest.mark.parametrize("by", ["start_step", "start_epoch"])
def test_before_attention_begins_the_pass_is_the_plain_one(by):
    guide, classification = guide_of(**{by: 2}), torch.tensor(2.0)
    for number in range(2):
        guide.set_epoch(number)
        with guide.watch():
            assert hook_count(guide.model) == 0
            guide.model(IMAGES)
        assert guide.combine(classification, LABELS, BOXES) is classification
    guide.set_epoch(2)
    with guide.watch():
        assert hook_count(guide.model) > 0
        guide.model(IMAGES)
    assert guide.combine(classification, LABELS, BOXES) is not classification


def test_the_schedule_goes_on_where_it_stopped():
    guide = guide_of(start_step=2)
    guide.set_epoch(5)
    guide.combine(torch.tensor(1.0), LABELS, BOXES)
    resumed = guide_of(start_step=2)
    resumed.load_state_dict(guide.state_dict())
    assert (resumed.step, resumed.epoch, resumed.active) == (1, 5, False)
    resumed.combine(torch.tensor(1.0), LABELS, BOXES)
    assert resumed.active


def test_always_watches_before_attention_begins_and_without_gradients():
    guide = guide_of(start_epoch=9)
    for context in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with context(), guide.watch(always=True):
            guide.model(IMAGES)
        with context():
            assert guide.class_activation_map(LABELS).shape == (4, 4, 4)
    guide = guide_of(mlp())
    with torch.no_grad(), guide.watch(always=True):
        guide.model(IMAGES)
    with pytest.raises(ModelError, match="no_grad"):
        guide.class_activation_map(LABELS)


# Wrong use


def test_wrong_order_is_told():
    guide = guide_of()
    with pytest.raises(ModelError, match="first watched pass"):
        _ = guide.target
    with pytest.raises(ModelError, match="No forward pass"):
        guide.combine(torch.tensor(1.0), LABELS, BOXES)
    with guide.watch():
        guide.model(IMAGES)
        guide.model(IMAGES)
    with pytest.raises(ModelError, match="2 times"):
        guide.combine(torch.tensor(1.0), LABELS, BOXES)
    attention(guide)
    with pytest.raises(ModelError, match="No forward pass"):  # a pass is used once
        guide.attention_loss(LABELS, BOXES)


@pytest.mark.parametrize(
    ("labels", "boxes", "weights", "message"),
    [
        (LABELS[:3], BOXES, None, "`target`.*4 images.*3"),
        (LABELS, BOXES[:2], None, "`boxes`.*4 images.*2"),
        (LABELS, BOXES, [torch.ones(1)], "`weights`.*4 images.*1"),
        (LABELS, BOXES, [torch.ones(0), torch.ones(1), torch.ones(1), torch.ones(0)], "Image 2 has 2 boxes"),
        (
            LABELS,
            BOXES,
            [torch.ones(0), torch.ones(1) * 2, torch.ones(2), torch.ones(0)],
            r"image 1 has \[2.0\]",
        ),
        (
            LABELS,
            BOXES,
            [torch.ones(0), torch.ones(1) * torch.nan, torch.ones(2), torch.ones(0)],
            "weights in",
        ),
        (torch.eye(4), BOXES, None, "integers"),
        (torch.tensor(1), BOXES, None, "integers"),
        (torch.tensor([True, False, True, False]), BOXES, None, "integers"),
        (torch.tensor([0, 3, 1, 2]), BOXES, None, r"classes in \[0, 3\)"),
        (torch.tensor([0, -1, 1, 2]), BOXES, None, r"classes in \[0, 3\)"),
        (LABELS, [BOXES[1] * torch.nan, *BOXES[1:]], None, "finite"),
        (LABELS, [torch.ones(4), *BOXES[1:]], None, r"shape \[n, 4\]"),
        (LABELS, [torch.ones(1, 5), *BOXES[1:]], None, r"shape \[n, 4\]"),
    ],
)
def test_wrong_arguments_are_refused(labels, boxes, weights, message):
    with pytest.raises(DataError, match=message):
        attention(guide_of(), boxes, weights, labels=labels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
@pytest.mark.parametrize("head", [None, mlp()])
@pytest.mark.parametrize("evidence", ["class", "contrast"])
def test_any_type_of_integers_is_a_target(dtype, head, evidence):
    values = [
        attention(guide_of(head, evidence=evidence), labels=LABELS.to(kind)) for kind in (dtype, torch.int64)
    ]
    assert values[0] == values[1]


@pytest.mark.parametrize(
    "options",
    [{"alpha": -0.1}, {"alpha": 1.1}, {"alpha": float("nan")}, {"reduction": "mean"}, {"gradient": "none"},
     {"resolution": "pixel"}, {"start_step": -1}, {"start_epoch": -1}],
)  # fmt: skip
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="Expected"):
        guide_of(**options)
    assert GuideOptions().reduction == "batch"


# Degenerate inputs


@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("case", ["black", "dead", "one class", "one image", "whole image", "one pixel"])
def test_degenerate_inputs_give_finite_losses_and_gradients(case, loss, head):
    guide = guide_of(head, loss=loss, alpha=1.0)
    x, labels, boxes = IMAGES, LABELS, BOXES
    if case == "black":
        x = torch.zeros_like(IMAGES)
    elif case == "dead":
        nn.init.zeros_(guide.model.features[0].weight)
        nn.init.zeros_(guide.model.features[0].bias)
    elif case == "one class":
        labels = torch.zeros(4, dtype=torch.int64)
        guide.model.head = nn.Linear(4, 1) if head is None else mlp(classes=1)
    elif case == "one image":
        x, labels, boxes = x[1:2], labels[1:2], boxes[1:2]
    else:
        boxes = [torch.tensor([[0.0, 0, 16, 16] if case == "whole image" else [3.0, 3, 4, 4]])] * 4
    value = attention(guide, boxes, x=x, labels=labels)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients(guide.model, value).values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
def test_autocast_gives_finite_losses_close_to_float32(dtype, loss, head):
    guide = guide_of(head, loss=loss)
    expected = attention(guide_of(head, loss=loss)).detach()
    with torch.autocast("cpu", dtype):
        value = attention(guide)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.detach(), expected, rtol=0.1, atol=0.05)
    assert all(gradient.isfinite().all() for gradient in gradients(guide.model, value).values())


@pytest.mark.parametrize("name", ["test_efficientnet", "test_convnext"])
def test_autocast_on_whole_networks(name):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=3)
    guide = AttentionGuide(model, alpha=0.5)
    x = torch.rand(2, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        with guide.watch():
            logits = model(x)
        box = torch.tensor([[10.0, 10, 40, 40]])
        total = guide.combine(functional.cross_entropy(logits, LABELS[:2]), LABELS[:2], [box, box])
    total.backward()
    assert total.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


# Models of one's own


def test_hand_written_models_can_be_guided():
    torch.manual_seed(0)
    for model, call in (
        (TupleOutput(), lambda model: model(image=IMAGES)[0]),
        (TwoInputs(), lambda model: model(torch.rand(4), image=IMAGES)),
        (Reused(), lambda model: model(IMAGES)),
    ):
        for loss in (CARELoss(), InputGradientLoss()):
            guide = AttentionGuide(model, loss=loss, alpha=0.5)
            with guide.watch():
                logits = call(model)
            guide.combine(functional.cross_entropy(logits, LABELS), LABELS, BOXES).backward()
            assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_a_reused_layer_gives_the_map_and_not_the_heads_vector():
    torch.manual_seed(0)
    model = Reused()
    guide = AttentionGuide(model)
    with guide.watch():
        model(IMAGES)
    maps = guide.class_activation_map(LABELS)
    features = model.conv2(model.conv1(IMAGES).relu()).relu().detach().requires_grad_()
    logits = model.fc2(model.fc1(features.mean((2, 3))).relu())
    (grad,) = torch.autograd.grad(logits[torch.arange(4), LABELS].sum(), features)
    torch.testing.assert_close(maps, (grad.mean((2, 3), keepdim=True) * features).sum(1))


def test_input_gradient_loss_equals_the_softmax_formula_and_finite_differences():
    # logits W x: d/dx sum_k log p_k = sum_k W_k - C sum_k p_k W_k
    draw = np.random.default_rng(0)
    weight, x, box = draw.normal(size=(3, 12)), draw.normal(size=12), (0.3, 0.0, 1.0, 1.6)
    keep = 1 - reference.pixel_mask([box], 2, 2)

    def loss_of(w):
        p = np.exp(w @ x) / np.exp(w @ x).sum()
        gradient = w.sum(0) - len(w) * p @ w
        return reference.input_gradient(gradient.reshape(3, 2, 2), 1 - keep)

    flat = nn.Linear(12, 3, bias=False).double()
    flat.weight.data = torch.from_numpy(weight.copy())
    model = nn.Sequential(nn.Identity(), nn.Conv2d(3, 3, 1), nn.Flatten(), flat).double()
    nn.init.zeros_(model[1].bias)
    model[1].weight.data = torch.eye(3, dtype=torch.float64)[:, :, None, None]
    guide = AttentionGuide(model, loss=InputGradientLoss(), alpha=1.0)
    box = torch.tensor([box], dtype=torch.float64)
    value = attention(guide, [box], x=torch.from_numpy(x).reshape(1, 3, 2, 2), labels=torch.tensor([0]))
    assert value.item() == pytest.approx(loss_of(weight), rel=1e-6)
    expected = reference.numeric_gradient(loss_of, weight)
    np.testing.assert_allclose(gradients(model, value)["3.weight"], expected, rtol=1e-5, atol=1e-5)


# Memory


class Token:
    pass


class Mark(torch.autograd.Function):
    """Passes on; its token lives as long as the graph."""

    alive: ClassVar[weakref.WeakSet] = weakref.WeakSet()

    @staticmethod
    def forward(ctx, x):
        ctx.token = Token()
        Mark.alive.add(ctx.token)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@pytest.mark.parametrize("loss", [CARELoss(), InputGradientLoss()])
@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
def test_no_graph_outlives_its_step(loss, head):
    guide = guide_of(head, loss=loss)
    model = guide.model
    inner = model.features.forward
    model.features.forward = lambda x: Mark.apply(inner(x))
    gc.disable()
    try:
        for _ in range(50):
            with guide.watch():
                logits = model(IMAGES)
            total = guide.combine(functional.cross_entropy(logits, LABELS), LABELS, BOXES)
            assert len(Mark.alive) >= 1
            if loss == CARELoss():
                total.backward()
            del logits, total
            assert len(Mark.alive) == 0
    finally:
        gc.enable()


def test_guidance_moves_attention_into_the_box():
    guide = guide_of(train=True, loss=CARELoss(tau=1.0), alpha=1.0)
    optimiser = torch.optim.SGD(guide.model.parameters(), lr=0.5)
    values = []
    for _ in range(40):
        value = attention(guide)
        values.append(value.item())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    assert values[-1] < values[0] - 0.05


@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
@pytest.mark.parametrize("gradient", ["full", "half"])
def test_contrast_leaves_out_what_speaks_for_the_rival_too(head, gradient):
    """A head whose classes all have the same weights: no evidence for one against another, so no gradient."""
    guide = guide_of(head=head, loss=EnergyLoss(), evidence="contrast", gradient=gradient)
    last = guide.model.head if head is None else guide.model.head[-1]
    with torch.no_grad():
        last.weight.copy_(last.weight[:1].expand_as(last.weight))
    attention(guide).backward()
    assert all(float(one.grad.abs().max()) == 0 for one in guide.model.features.parameters())


def test_contrast_needs_a_rival():
    guide = AttentionGuide(Pooled(nn.Linear(4, 1)), evidence="contrast")
    with pytest.raises(ModelError, match="two classes"):
        attention(guide, labels=torch.zeros(4, dtype=torch.long))
