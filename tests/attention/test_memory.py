"""Fifty steps leave nothing behind; a thousand are measured in benchmarks/memory.py."""

import gc

import pytest
import timm
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lesioncare.attention import AttentionGuide


def live_tensors():
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.mark.parametrize("hidden", [False, True], ids=["closed-form", "differentiated-head"])
@pytest.mark.parametrize("gradient", ["full", "half"])
def test_steps_leave_no_tensors_behind(hidden, gradient):
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=3).train()
    if hidden:
        model.fc = nn.Sequential(nn.Linear(model.fc.in_features, 4), nn.Tanh(), nn.Linear(4, 3))
    guide = AttentionGuide(model, gradient=gradient)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    images, labels = torch.rand(2, 3, 48, 48), torch.tensor([0, 2])
    boxes = [torch.tensor([[4.0, 4.0, 30.0, 30.0]]), torch.empty(0, 4)]

    def step():
        with guide.watch():
            logits = model(images)
        loss = guide.combine(cross_entropy(logits, labels), labels, boxes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(5):
        step()
    before = live_tensors()
    for _ in range(50):
        step()
    assert guide.target.closed_form == (not hidden)
    assert live_tensors() <= before
