"""Every classification loss stays finite, with its gradient, in every precision and for the worst logits.

The attention losses: test_conformance.py and test_guide.py in tests/attention.
"""

import pytest
import torch

from lesioncare.imbalance import losses

COUNTS = [6000, 300, 1]
LOSSES = {
    "cross-entropy": losses.CrossEntropyLoss,
    "label-smoothing": lambda: losses.CrossEntropyLoss(smoothing=0.1),
    "focal": losses.FocalLoss,
    "weighted": lambda: losses.WeightedLoss(losses.CrossEntropyLoss(), torch.tensor([0.1, 1.0, 100.0])),
    "ldam": lambda: losses.LDAMLoss(COUNTS),
    "logit-adjusted": lambda: losses.LogitAdjustedLoss(COUNTS),
    "balanced-softmax": lambda: losses.BalancedSoftmaxLoss(COUNTS),
    "seesaw": lambda: losses.SeesawLoss(COUNTS),
}
LOGITS = {
    "dead": [[0.0, 0.0, 0.0]],
    "constant": [[7.0, 7.0, 7.0], [7.0, 7.0, 7.0]],
    "surely right": [[6e4, -6e4, -6e4]],
    "surely wrong": [[-6e4, 6e4, -6e4]],
    "all huge": [[6e4, 6e4, 6e4], [-6e4, -6e4, -6e4]],
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("case", LOGITS)
def test_loss_and_gradient_are_finite(name, case, dtype):
    logits = torch.tensor(LOGITS[case], dtype=dtype, requires_grad=True)
    loss = LOSSES[name]()(logits, torch.zeros(len(logits), dtype=torch.int64))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient.dtype == dtype
