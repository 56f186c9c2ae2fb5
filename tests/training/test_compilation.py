"""Compiled with "aot_eager": all of torch.compile but its code generator, which would need a C++ compiler."""

import copy

import pytest
import timm
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.functional import cross_entropy

from lesioncare.attention import AttentionGuide, InputGradientLoss
from lesioncare.errors import ConfigError, ModelError
from lesioncare.training.compilation import compile_trunk

LABELS = torch.tensor([0, 1, 2, 0])
BOXES = [
    torch.tensor([[1.0, 2.0, 30.0, 40.0]]),
    torch.empty(0, 4),
    torch.tensor([[5.0, 5.0, 60.0, 60.0]]),
    torch.empty(0, 4),
]


@pytest.fixture(autouse=True)
def forgotten():
    """Graphs of one test are no graphs of another."""
    torch._dynamo.reset()


def hidden_layer_head():
    """A head that is no linear layer: its map needs a second derivative."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, 2), nn.SiLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3),
    )  # fmt: skip


def small(name):
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=3)


NETWORKS = {
    "closed form": (lambda: small("test_resnet"), "layer4"),
    "closed form, blocks": (lambda: small("test_efficientnet"), "bn2"),
    "differentiated head": (hidden_layer_head, "4"),
}


def guide_of(model, layer, **options):
    return AttentionGuide(model, target_layer=layer, image_size=(64, 64), **options)


def step(guide, images):
    with guide.watch():
        logits = guide.model(images)
    loss = guide.combine(cross_entropy(logits, LABELS), LABELS, BOXES)
    loss.backward()
    return logits.detach(), loss.detach()


@pytest.mark.parametrize("gradient", ["full", "half"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_compiled_network_learns_the_same_from_one_graph(kind, gradient):
    build, layer = NETWORKS[kind]
    eager = build().train()
    learnt = copy.deepcopy(eager)
    keys = list(learnt.state_dict())
    counter = CompileCounterWithBackend("aot_eager")
    guide = compile_trunk(
        learnt,
        layer,
        torch.rand(2, 3, 64, 64),
        lambda *where: guide_of(*where, gradient=gradient),
        backend=counter,
    )
    assert learnt.training
    assert guide.target.closed_form == kind.startswith("closed form")
    plain = guide_of(eager, layer, gradient=gradient)
    for seed in range(3):
        images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        wanted, found = step(plain, images), step(guide, images)
        torch.testing.assert_close(found, wanted)
    for name, parameter in eager.named_parameters():
        torch.testing.assert_close(learnt.get_parameter(name).grad, parameter.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(learnt.state_dict(), eager.state_dict())  # running averages too, once a step
    assert list(learnt.state_dict()) == keys
    assert counter.frame_count == 1


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        compile_trunk(
            hidden_layer_head(),
            "4",
            torch.rand(2, 3, 64, 64),
            lambda *where: guide_of(*where, loss=InputGradientLoss()),
        )
    with pytest.raises(ModelError, match="without --compile"):
        compile_trunk(hidden_layer_head(), "layer9", torch.rand(2, 3, 64, 64), guide_of)
