"""Each loss against a value by hand and an independent reference; what all share, at the end."""

import math

import pytest
import torch
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from lesioncare.errors import ConfigError, DataError
from lesioncare.imbalance import (
    BalancedSoftmaxLoss,
    CrossEntropyLoss,
    FocalLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    SeesawLoss,
    WeightedLoss,
    adjust_logits,
    effective_number,
    inverse_frequency,
)

COUNTS = [60, 25, 10, 5]
LOSSES = {
    "cross-entropy": CrossEntropyLoss,
    "label-smoothing": lambda **named: CrossEntropyLoss(0.1, **named),
    "focal": FocalLoss,
    "focal-below-one": lambda **named: FocalLoss(0.5, **named),
    "weighted": lambda **named: WeightedLoss(CrossEntropyLoss(), inverse_frequency(COUNTS), **named),
    "class-balanced-focal": lambda **named: WeightedLoss(FocalLoss(), effective_number(COUNTS), **named),
    "ldam": lambda **named: LDAMLoss(COUNTS, **named),
    "logit-adjusted": lambda **named: LogitAdjustedLoss(COUNTS, **named),
    "balanced-softmax": lambda **named: BalancedSoftmaxLoss(COUNTS, **named),
    "seesaw": lambda **named: SeesawLoss(COUNTS, **named),
}
every_loss = pytest.mark.parametrize("build", LOSSES.values(), ids=LOSSES.keys())


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(12, 4, generator=generator, dtype=torch.float64)
    return logits, torch.arange(12) % 4


def one(loss, logits, label):
    return float(loss(torch.tensor([logits]), torch.tensor([label])))


# By hand


def test_plain_and_smoothed_by_hand():
    """Two logits that differ by log 3: p = 3/4 and 1/4."""
    logits = [math.log(3), 0.0]
    assert one(CrossEntropyLoss(), logits, 0) == pytest.approx(math.log(4 / 3))
    assert one(CrossEntropyLoss(0.2), logits, 0) == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))


def test_focal_by_hand():
    assert one(FocalLoss(2.0), [math.log(3), 0.0], 0) == pytest.approx((1 / 4) ** 2 * math.log(4 / 3))
    assert one(FocalLoss(2.0), [math.log(3), 0.0], 1) == pytest.approx((3 / 4) ** 2 * math.log(4))


def test_weighted_by_hand():
    """Counts 6 and 2: weights 2/3 and 2."""
    loss = WeightedLoss(CrossEntropyLoss(), inverse_frequency([6, 2]))
    assert one(loss, [math.log(3), 0.0], 0) == pytest.approx(2 / 3 * math.log(4 / 3))
    assert one(loss, [math.log(3), 0.0], 1) == pytest.approx(2 * math.log(4))


def test_ldam_by_hand():
    """Counts 16 and 1: margins (1/16)^(1/4) = 1/2 of the largest, and the largest, here 2 log 3."""
    loss = LDAMLoss([16, 1], margin=2 * math.log(3))
    assert loss.margins.tolist() == pytest.approx([math.log(3), 2 * math.log(3)])
    assert one(loss, [math.log(9), 0.0], 0) == pytest.approx(math.log(4 / 3))  # 9 / 3 against 1
    assert one(loss, [0.0, math.log(9)], 1) == pytest.approx(math.log(2))  # 9 / 9 against 1
    assert one(LDAMLoss([16, 1], 2 * math.log(3), 2), [math.log(9), 0.0], 0) == pytest.approx(
        math.log(10 / 9)
    )


def test_logit_adjusted_and_balanced_softmax_by_hand():
    """Priors 3/4 and 1/4, equal logits: the rare class's share is 1/4, with tau = 2 it is 1/10."""
    assert one(LogitAdjustedLoss([3, 1]), [0.0, 0.0], 1) == pytest.approx(math.log(4))
    assert one(LogitAdjustedLoss([3, 1], 2), [0.0, 0.0], 1) == pytest.approx(math.log(10))
    assert one(BalancedSoftmaxLoss([3, 1]), [0.0, 0.0], 1) == pytest.approx(math.log(4))
    assert one(BalancedSoftmaxLoss([3, 1]), [0.0, math.log(2)], 1) == pytest.approx(math.log(5 / 2))


def test_seesaw_by_hand():
    """Counts 4 and 1 with p = 1: the common class pushes the rare one with a quarter of its weight."""
    assert one(SeesawLoss([4, 1], 1, 0), [0.0, 0.0], 0) == pytest.approx(math.log(5 / 4))
    assert one(SeesawLoss([4, 1], 1, 0), [0.0, 0.0], 1) == pytest.approx(math.log(2))
    # The wrong class is twice as probable: with q = 2 it counts four times, a quarter of which is once.
    assert one(SeesawLoss([4, 1], 1, 2), [0.0, math.log(2)], 0) == pytest.approx(math.log(3))
    assert one(SeesawLoss([4, 1], 1, 2), [math.log(2), 0.0], 1) == pytest.approx(math.log(9))


# Against other implementations


def test_plain_weighted_and_smoothed_are_torchs(batch):
    logits, labels = batch
    weights = inverse_frequency(COUNTS)
    plain = torch.nn.CrossEntropyLoss(reduction="none")
    weighted = torch.nn.CrossEntropyLoss(weights, reduction="none")
    torch.testing.assert_close(CrossEntropyLoss(reduction="none")(logits, labels), plain(logits, labels))
    ours = WeightedLoss(CrossEntropyLoss(), weights, reduction="none")
    torch.testing.assert_close(ours(logits, labels), weighted(logits, labels), rtol=1e-6, atol=0)
    torch.testing.assert_close(CrossEntropyLoss(0.3)(logits, labels), LabelSmoothingCrossEntropy(0.3)(*batch))


def test_soft_targets_are_timms(batch):
    logits, _ = batch
    shares = torch.rand(12, 4, dtype=torch.float64).softmax(1)
    torch.testing.assert_close(CrossEntropyLoss()(logits, shares), SoftTargetCrossEntropy()(logits, shares))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_of_two_classes_is_torchvisions_sigmoid_form(gamma):
    x = torch.linspace(-8, 8, 21, dtype=torch.float64)
    logits = torch.stack([torch.zeros_like(x), x], 1)
    for label in (0, 1):
        target = torch.full_like(x, label)
        expected = sigmoid_focal_loss(x, target, alpha=-1, gamma=gamma)
        ours = FocalLoss(gamma, reduction="none")(logits, target.long())
        torch.testing.assert_close(ours, expected)


def test_the_adjusted_losses_are_cross_entropy_of_logits_adjusted_the_other_way(batch):
    logits, labels = batch
    shifted = torch.from_numpy(adjust_logits(logits, COUNTS, tau=-1.5))
    expected = functional.cross_entropy(shifted, labels)
    torch.testing.assert_close(LogitAdjustedLoss(COUNTS, 1.5)(logits, labels), expected, rtol=1e-6, atol=0)
    exponentials = torch.tensor(COUNTS) * logits.exp()
    expected = -(exponentials / exponentials.sum(1, keepdim=True)).log()[range(12), labels].mean()
    torch.testing.assert_close(BalancedSoftmaxLoss(COUNTS)(logits, labels), expected, rtol=1e-6, atol=0)


def test_ldam_is_the_papers_code(batch):
    """Subtract the margin at the target, scale, and take cross-entropy."""
    logits, labels = batch
    margins = 1 / torch.tensor(COUNTS).double() ** 0.25
    margins = margins * 0.5 / margins.max()
    picked = functional.one_hot(labels, 4).bool()
    expected = functional.cross_entropy(
        30 * torch.where(picked, logits - margins[labels][:, None], logits), labels
    )
    torch.testing.assert_close(LDAMLoss(COUNTS, 0.5, 30)(logits, labels), expected, rtol=1e-6, atol=0)


def test_seesaw_term_by_term(batch):
    """The formula with loops and plain exponentials."""
    logits, labels = batch
    ours = SeesawLoss(COUNTS, reduction="none")(logits, labels)
    for z, y, loss in zip(logits, labels.tolist(), ours.tolist(), strict=True):
        p, total = z.softmax(0), z[y].exp()
        for c in set(range(4)) - {y}:
            mitigation = min(1.0, COUNTS[c] / COUNTS[y]) ** 0.8
            total = total + mitigation * max(1.0, float(p[c] / p[y])) ** 2 * z[c].exp()
        assert loss == pytest.approx(-float((z[y].exp() / total).log()), rel=1e-6)


# The limits in which a loss is another one


@pytest.mark.parametrize(
    "loss",
    [
        FocalLoss(0.0),
        LDAMLoss(COUNTS, 0.0),
        LogitAdjustedLoss(COUNTS, 0.0),
        BalancedSoftmaxLoss([7, 7, 7, 7]),
        SeesawLoss(COUNTS, 0.0, 0.0),
        WeightedLoss(CrossEntropyLoss(), inverse_frequency([7, 7, 7, 7])),
    ],
)
def test_without_its_effect_it_is_cross_entropy(loss, batch):
    torch.testing.assert_close(loss(*batch), functional.cross_entropy(*batch), rtol=1e-6, atol=0)


def test_deferred_weights_begin_in_their_epoch(batch):
    plain, weights = LDAMLoss(COUNTS), effective_number(COUNTS)
    deferred = WeightedLoss(LDAMLoss(COUNTS), weights, start_epoch=4)
    at_once = WeightedLoss(LDAMLoss(COUNTS), weights)
    assert WeightedLoss(LDAMLoss(COUNTS), weights, start_epoch=1)(*batch) == plain(
        *batch
    )  # no epoch told yet
    for epoch, expected in ((0, plain), (3, plain), (4, at_once), (9, at_once)):
        deferred.set_epoch(epoch)
        assert deferred(*batch) == expected(*batch)
    assert plain(*batch) != at_once(*batch)


# What all share


@every_loss
def test_mean_is_the_mean_of_none(build, batch):
    each = build(reduction="none")(*batch)
    assert each.shape == (12,)
    torch.testing.assert_close(build()(*batch), each.mean())


@every_loss
def test_a_certain_soft_target_is_the_hard_one_and_a_mixture_lies_between(build, batch):
    logits, labels = batch
    loss = build(reduction="none")
    certain, other = functional.one_hot(labels, 4).double(), functional.one_hot(labels.flip(0), 4).double()
    torch.testing.assert_close(loss(logits, certain), loss(logits, labels))
    mixed = loss(logits, 0.3 * certain + 0.7 * other)
    torch.testing.assert_close(mixed, 0.3 * loss(logits, labels) + 0.7 * loss(logits, labels.flip(0)))


@every_loss
@pytest.mark.parametrize("size", [1.0, 100.0, 1e4])
def test_losses_and_gradients_are_finite(build, size):
    logits = (size * torch.tensor([[1.0, -1, 0, 0.5], [0, 0, 0, 0]])).requires_grad_()
    for labels in ([0, 0], [1, 3]):
        value = build()(logits, torch.tensor(labels))
        (gradient,) = torch.autograd.grad(value, logits)
        assert value.isfinite()
        assert gradient.isfinite().all()


@every_loss
def test_descent_finds_the_target(build, batch):
    logits, labels = batch[0].clone().requires_grad_(), batch[1]
    for _ in range(300):
        (gradient,) = torch.autograd.grad(build(reduction="none")(logits, labels).sum(), logits)
        logits = (logits - 0.5 * gradient).detach().requires_grad_()
    assert torch.equal(logits.argmax(1), labels)


@every_loss
def test_half_precision_logits_give_a_loss_in_single(build, batch):
    value = build()(batch[0].bfloat16(), batch[1])
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, build()(batch[0].bfloat16().float(), batch[1]))


@every_loss
def test_nothing_of_a_loss_enters_a_checkpoint(build):
    assert not build().state_dict()


@every_loss
@pytest.mark.parametrize(
    "target", [torch.zeros(5).long(), torch.zeros(12, 3), torch.zeros(12, 4).long(), torch.zeros(12).bool()]
)
def test_another_target_is_refused(build, batch, target):
    with pytest.raises(DataError, match=r"\[N, C\]"):
        build()(batch[0], target)


@every_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_any_type_of_integers_is_a_target(build, batch, dtype):
    assert build()(batch[0], batch[1].to(dtype)) == build()(*batch)


@every_loss
@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_class_that_there_is_not_is_refused(build, batch, wrong):
    target = torch.tensor([wrong, *[0] * (len(batch[0]) - 1)])
    with pytest.raises(DataError, match=r"classes in \[0, 4\)"):
        build()(batch[0], target)


@every_loss
@pytest.mark.parametrize("shape", [(), (12,), (12, 0), (12, 4, 2)])
def test_logits_are_a_row_of_classes_for_each_image(build, batch, shape):
    with pytest.raises(DataError, match=r"logits of shape \[N, C\]"):
        build()(torch.zeros(shape), batch[1])


def test_defaults_are_those_that_the_help_names(batch):
    assert LDAMLoss(COUNTS)(*batch) == LDAMLoss(COUNTS, 2.0, 1.0)(*batch)
    assert FocalLoss()(*batch) == FocalLoss(2.0)(*batch)
    assert LogitAdjustedLoss(COUNTS)(*batch) == LogitAdjustedLoss(COUNTS, 1.0)(*batch)


@pytest.mark.parametrize(
    "build",
    [
        lambda: CrossEntropyLoss(1.0),
        lambda: CrossEntropyLoss(reduction="sum"),
        lambda: FocalLoss(-1),
        lambda: LDAMLoss(COUNTS, -1),
        lambda: LDAMLoss(COUNTS, 1, 0),
        lambda: LogitAdjustedLoss(COUNTS, -1),
        lambda: LogitAdjustedLoss(COUNTS, float("inf")),
        lambda: SeesawLoss(COUNTS, -1),
        lambda: LDAMLoss([5, 0]),
        lambda: LogitAdjustedLoss([5, 0]),
        lambda: BalancedSoftmaxLoss([5, 0]),
        lambda: SeesawLoss([5, 0]),
    ],
)
def test_values_that_cannot_work_are_refused(build):
    with pytest.raises(ConfigError):
        build()
