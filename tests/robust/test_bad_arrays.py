"""Arrays of the wrong shape or range, found by benchmarks/stress/fuzz.py: one error, of lesioncare."""

import numpy as np
import pytest
import torch
from torch import nn

from lesioncare.attention import AttentionGuide, Regions
from lesioncare.data.splits import assign_folds
from lesioncare.errors import LesionCareError
from lesioncare.imbalance import FocalLoss, LDAMLoss, Mixer, tau_normalise

LOGITS = torch.zeros(3, 3)
BOXES = [torch.tensor([[1.0, 1.0, 9.0, 9.0]])] * 2


def guided(target, **places):
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    guide = AttentionGuide(network)
    with guide.watch():
        loss = network(torch.zeros(2, 3, 32, 32)).sum()
    return guide.combine(loss, target, **places)


def mixed(labels):
    mixer = Mixer("mixup", 1.0, 3, (32, 32))
    mixer(torch.zeros(2, 3, 32, 32), labels, BOXES, [torch.ones(1)] * 2, np.random.default_rng(0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: guided(torch.tensor([-1, 0]), boxes=BOXES),
        lambda: guided(torch.tensor([0, 3]), boxes=BOXES),
        lambda: guided(torch.tensor([0, 1]), masks=torch.tensor(0.5)),
        lambda: Regions.from_masks(torch.zeros(2, 1, 0), (2, 2)),
        lambda: assign_folds(np.zeros(3), np.float32(1), n_folds=2, seed=0),
        lambda: assign_folds(np.zeros(0), np.zeros(0), n_folds=2, seed=0),
        lambda: assign_folds(np.zeros((2, 2)), np.zeros((2, 2)), n_folds=2, seed=0),
        lambda: LDAMLoss([9, 5, 2, 1])(LOGITS, torch.tensor([0, 1, 2])),
        lambda: FocalLoss()(LOGITS, torch.tensor([0, 1, 3])),
        lambda: FocalLoss()(torch.tensor(0.0), torch.tensor([0])),
        lambda: tau_normalise(torch.tensor(3.0), 0.5),
        lambda: mixed(torch.tensor([0.0, 1.0])),
        lambda: mixed(torch.tensor([0, 1, 2])),
        lambda: mixed(torch.tensor([0, 3])),
    ],
)
def test_a_wrong_array_is_refused(call):
    with pytest.raises(LesionCareError):
        call()


def test_the_right_ones_are_taken():
    assert guided(torch.tensor([0, 2]), boxes=BOXES).isfinite()
    assert LDAMLoss([9, 5, 2])(LOGITS, torch.tensor([0, 1, 2])).isfinite()
    mixed(torch.tensor([0, 2]))
