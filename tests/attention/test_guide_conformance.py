"""What a guide must do with every attention loss and everything that images can be given to look at."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.attention import (
    AttentionGuide,
    CARELoss,
    EnergyLoss,
    InBoxCrossEntropyLoss,
    InputGradientLoss,
    L1Loss,
    OutsideSquareLoss,
)

from .models import Pooled, hook_count, mlp, same_state, snapshot

LOSSES = {
    "care": CARELoss(),
    "care-distance": CARELoss(outer="distance"),
    "energy": EnergyLoss(),
    "l1": L1Loss(),
    "outside-square": OutsideSquareLoss(),
    "in-box-cross-entropy": InBoxCrossEntropyLoss(),
    "input-gradient": InputGradientLoss(),
}
IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 2, 1, 2])
SEVERAL = torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1]])
NONE = torch.empty(0, 4)
ONE = torch.tensor([[2.0, 3, 9, 12]])
TWO = torch.tensor([[0.0, 0, 5.5, 5], [8, 8, 14, 16]])
MASKS = torch.zeros(4, 16, 16)
MASKS[1, 3:12, 2:9], MASKS[2, 8:, 8:14], MASKS[2, :5, :5] = 1, 1, 0.5


@dataclass(frozen=True)
class Scene:
    """What a batch is given, and options of the guide."""

    given: dict[str, Any]
    target: Tensor = LABELS
    options: dict[str, Any] = field(default_factory=dict)


SCENES = {
    "one box": Scene({"boxes": [NONE, ONE, ONE, NONE]}),
    "several boxes": Scene({"boxes": [NONE, TWO, torch.cat([ONE, TWO]), ONE]}),
    "masks": Scene({"masks": MASKS}),
    "several labels": Scene(
        {
            "boxes": [TWO, ONE, TWO, NONE],
            "box_labels": [
                torch.tensor([0, 2]),
                torch.tensor([-1]),
                torch.tensor([-1, 1]),
                torch.empty(0, dtype=torch.int64),
            ],
        },
        SEVERAL,
    ),
    "masks and several labels": Scene({"masks": MASKS}, SEVERAL),
    "several layers": Scene(
        {"boxes": [NONE, ONE, TWO, NONE]},
        options={"target_layer": ["features", "features.1"], "layer_weights": [2, 1]},
    ),
    "LayerCAM": Scene({"boxes": [NONE, ONE, TWO, NONE]}, options={"cam": "layer-cam"}),
    "all at once": Scene(
        {"masks": MASKS},
        SEVERAL,
        {"target_layer": ["features", "features.0"], "cam": "layer-cam", "resolution": "image"},
    ),
}
CASES = [
    pytest.param(loss, scene, id=f"{name}-{title}")
    for name, loss in LOSSES.items()
    for title, scene in SCENES.items()
    if not (name == "input-gradient" and "target_layer" in scene.options)  # it looks at no layer
]

pytestmark = [
    pytest.mark.parametrize(("loss", "scene"), CASES),
    pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"]),
]


def guide_of(loss, scene, head, **options) -> AttentionGuide:
    torch.manual_seed(1)
    model = Pooled(copy.deepcopy(head))
    return AttentionGuide(model, **({"loss": loss, "alpha": 1.0} | scene.options | options))


def step(guide, scene) -> Tensor:
    with guide.watch():
        logits = guide.model(IMAGES)
    if scene.target.ndim == 2:
        classification = functional.binary_cross_entropy_with_logits(logits, scene.target)
    else:
        classification = functional.cross_entropy(logits, scene.target)
    return guide.combine(classification, scene.target, **scene.given)


def test_a_step_gives_finite_gradients_and_leaves_no_trace(loss, scene, head):
    guide = guide_of(loss, scene, head)
    state, random = snapshot(guide.model), torch.get_rng_state()
    expected = guide.model(IMAGES)
    after = snapshot(guide.model)
    guide.model.load_state_dict(state)
    torch.set_rng_state(random)
    total = step(guide, scene)
    assert same_state(guide.model.state_dict(), after)
    assert hook_count(guide.model) == 0
    assert all(parameter.grad is None for parameter in guide.model.parameters())
    total.backward()
    assert total.shape == ()
    assert total.isfinite()
    convolution: nn.Module = guide.model.features[0]
    assert convolution.weight.grad.isfinite().all()
    assert convolution.weight.grad.abs().max() > 0
    guide.model.load_state_dict(state)
    torch.set_rng_state(random)
    assert torch.equal(guide.model(IMAGES), expected)


def test_descent_lowers_the_loss(loss, scene, head):
    guide = guide_of(loss, scene, head)
    guide.model.eval()
    optimiser = torch.optim.SGD(guide.model.parameters(), lr=1e-3)
    values = []
    for _ in range(15):
        optimiser.zero_grad()
        total = step(guide, scene)
        total.backward()
        optimiser.step()
        values.append(total.item())
    assert min(values[1:]) < values[0]  # not the last: a loss of a clamped logarithm is not smooth


def test_an_image_counts_the_same_in_any_batch(loss, scene, head):
    """In evaluation mode; the sum over images one by one is that of the batch."""
    guide = guide_of(loss, scene, head, reduction="sum")
    guide.model.eval()
    together = step(guide, scene)
    total = 0.0
    for index in range(4):
        with guide.watch():
            guide.model(IMAGES[index : index + 1])
        given = {name: values[index : index + 1] for name, values in scene.given.items()}
        total += guide.combine(torch.tensor(0.0), scene.target[index : index + 1], **given)
    torch.testing.assert_close(together, total, rtol=1e-4, atol=1e-6)


def test_bfloat16_stays_close(loss, scene, head):
    guide = guide_of(loss, scene, head)
    guide.model.eval()
    expected = step(guide, scene).detach()
    with torch.autocast("cpu", torch.bfloat16):
        found = step(guide, scene)
    found.backward()
    torch.testing.assert_close(found.detach(), expected, rtol=0.1, atol=0.05)
    assert all(p.grad is None or p.grad.isfinite().all() for p in guide.model.parameters())
