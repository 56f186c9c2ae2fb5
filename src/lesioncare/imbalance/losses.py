r"""Classification losses for imbalanced classes.

Each maps logits z [N, C] and a target to the mean loss of the N images (`reduction="none"`: to [N]). The
target is the class y of each image, [N], or a distribution q over the classes, [N, C], as mixing makes it:

    L(z, q) = sum_c q_c L(z, c)

so that a loss is defined by L(z, y) alone. The mean divides by N, also where classes are weighted (torch's
own divides by the sum of the batch's weights): an image then weighs the same in every batch. In the formulas
p = softmax(z), and n_c is the number of training images of class c. The network is never changed: every loss
reads its plain logits.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.errors import ConfigError, DataError
from lesioncare.imbalance.weights import checked_counts
from lesioncare.tensors import INTEGERS, at_least_float32

Counts = Sequence[int] | Tensor
Reduction = Literal["mean", "none"]

__all__ = [
    "BalancedSoftmaxLoss",
    "ClassificationLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "SeesawLoss",
    "WeightedLoss",
]


class ClassificationLoss(nn.Module):
    """What all losses share; one of its own overrides `per_class`.

    Args:
        reduction: "mean" over the images, or "none".
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "none"):
            raise ConfigError(f"Expected `reduction` to be 'mean' or 'none', but got {reduction!r}.")
        self.reduction = reduction

    def set_epoch(self, epoch: int) -> None:
        """Tell which epoch begins, counted from 0; most losses do not care."""

    def per_class(self, logits: Tensor) -> Tensor:
        """Give L(z, c) of every class c, [N, C]."""
        raise NotImplementedError

    def _check_classes(self, logits: Tensor) -> None:
        """Of each class a loss keeps a number, or a row of them."""
        for numbers in self.buffers():
            if len(numbers) != logits.shape[1]:
                raise DataError(f"Expected logits of {len(numbers)} classes, but got {list(logits.shape)}.")

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the loss of a batch.

        Raises:
            DataError: the logits are not [N, C], or the target is neither classes [N] in [0, C) (of which the
                range is looked at on the CPU alone) nor distributions [N, C].
        """
        target = _checked(logits, target)
        self._check_classes(logits)
        losses = self.per_class(at_least_float32(logits))
        hard = target.ndim == 1
        each = losses.gather(1, target[:, None]).squeeze(1) if hard else (target * losses).sum(1)
        return each.mean() if self.reduction == "mean" else each


class CrossEntropyLoss(ClassificationLoss):
    r"""Cross-entropy, with label smoothing if asked for.

        L(z, y) = -sum_c q_c log p_c,    q_c = (1 - smoothing) [c = y] + smoothing / C

    Source of the smoothing: Szegedy et al., Rethinking the Inception architecture, CVPR 2016, section 7.

    Args:
        smoothing: in [0, 1).
        reduction: see `ClassificationLoss`.
    """

    def __init__(self, smoothing: float = 0.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        if not 0 <= smoothing < 1:
            raise ConfigError(f"Expected `smoothing` to be in [0, 1), but got {smoothing}.")
        self.smoothing = smoothing

    def per_class(self, logits: Tensor) -> Tensor:
        """Give L(z, c) of every class c, [N, C]."""
        surprise = -logits.log_softmax(1)
        return (1 - self.smoothing) * surprise + self.smoothing * surprise.mean(1, keepdim=True)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the loss of a batch; torch's own function does it."""
        target = _checked(logits, target)
        return functional.cross_entropy(
            at_least_float32(logits), target, label_smoothing=self.smoothing, reduction=self.reduction
        )


class FocalLoss(ClassificationLoss):
    r"""Cross-entropy that fades for images that are already right.

        L(z, y) = -(1 - p_y)^gamma log p_y

    The softmax form; of two classes with logits (0, x) it equals the sigmoid form of the paper at x.

    Source: Lin et al., Focal loss for dense object detection, ICCV 2017, equation 4.

    Args:
        gamma: at least 0; 0 is cross-entropy.
        reduction: see `ClassificationLoss`.
    """

    def __init__(self, gamma: float = 2.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        if not gamma >= 0:
            raise ConfigError(f"Expected `gamma` to be at least 0, but got {gamma}.")
        self.gamma = gamma

    def per_class(self, logits: Tensor) -> Tensor:
        """Give L(z, c) of every class c, [N, C]."""
        log_p = logits.log_softmax(1)
        # 1 - p from below: the power's slope at exactly 0 is infinite for gamma < 1.
        others = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -(others**self.gamma) * log_p


class WeightedLoss(ClassificationLoss):
    r"""A loss whose images weigh by their class.

        L(z, y) = w_y L'(z, y)

    With `inverse_frequency` it is the usual class-weighted loss; with `effective_number` the class-balanced
    loss (Cui et al., CVPR 2019, section 4), of cross-entropy or of the focal loss. From a later epoch on it
    is deferred re-weighting (Cao et al., NeurIPS 2019, algorithm 1).

    Args:
        loss: L'.
        weights: w, [C].
        start_epoch: before this epoch, counted from 0, all weights are 1; tell the epoch with `set_epoch`.
        reduction: see `ClassificationLoss`.
    """

    weights: Tensor

    def __init__(
        self,
        loss: ClassificationLoss,
        weights: Tensor,
        *,
        start_epoch: int = 0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.loss = loss
        self.start_epoch = start_epoch
        self.epoch = 0
        # Not in the checkpoint: the weights follow from the counts.
        self.register_buffer("weights", weights.float(), persistent=False)

    def set_epoch(self, epoch: int) -> None:
        """Tell which epoch begins, counted from 0."""
        self.epoch = epoch
        self.loss.set_epoch(epoch)

    def per_class(self, logits: Tensor) -> Tensor:
        """Give L(z, c) of every class c, [N, C]."""
        losses = self.loss.per_class(logits)
        return losses * self.weights.to(losses.dtype) if self.epoch >= self.start_epoch else losses


class LDAMLoss(ClassificationLoss):
    r"""Label-distribution-aware margins: a rare class must win by more.

        L(z, y) = -log( e^{s (z_y - D_y)} / (e^{s (z_y - D_y)} + sum_{c != y} e^{s z_c}) )
        D_c = margin (min_k n_k / n_c)^{1/4}

    The paper applies it to a normalised head, whose logits are cosines in [-1, 1], with the largest margin
    0.5, a quarter of their range, and s = 30. Here the network keeps its head, so that margins are in units
    of plain logits: s = 1, for plain logits find their own scale, and a margin of 2, a quarter of the range
    of about 8 that trained logits have. The paper's deferred re-weighting is `WeightedLoss` around this loss.

    Source: Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS 2019,
    section 3.

    Args:
        counts: n, [C].
        margin: of the rarest class, at least 0.
        scale: s, above 0.
        reduction: see `ClassificationLoss`.
    """

    margins: Tensor

    def __init__(
        self, counts: Counts, margin: float = 2.0, scale: float = 1.0, *, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        if not margin >= 0 or not scale > 0:
            raise ConfigError(
                f"Expected `margin` to be at least 0 and `scale` above 0, but got {margin} and {scale}."
            )
        numbers = checked_counts(counts)
        self.scale = scale
        margins = margin * (numbers.min() / numbers) ** 0.25
        self.register_buffer("margins", margins.float(), persistent=False)

    def per_class(self, logits: Tensor) -> Tensor:
        """Give L(z, c) of every class c, [N, C]."""
        shifted = logits[:, None, :] - torch.diag(
            self.margins.to(logits.dtype)
        )  # row c: class c is the target
        return -(self.scale * shifted).log_softmax(2).diagonal(dim1=1, dim2=2)


class LogitAdjustedLoss(ClassificationLoss):
    r"""Cross-entropy of logits to which the training prior is added, in training only.

        L(z, y) = -log( e^{z_y + tau log pi_y} / sum_c e^{z_c + tau log pi_c} ),    pi_c = n_c / sum_k n_k

    What the network itself must then say is the posterior under balanced classes: its plain logits are
    adjusted already, and must not be adjusted again (see `adjust_logits`).

    Source: Menon et al., Long-tail learning via logit adjustment, ICLR 2021, equation 10.

    Args:
        counts: n, [C].
        tau: strength; 0 is cross-entropy.
        reduction: see `ClassificationLoss`.
    """

    shift: Tensor

    def __init__(self, counts: Counts, tau: float = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        if not 0 <= tau < float("inf"):
            raise ConfigError(f"Expected `tau` to be at least 0 and finite, but got {tau}.")
        numbers = checked_counts(counts)
        shift = tau * (numbers / numbers.sum()).log()
        self.register_buffer("shift", shift.float(), persistent=False)

    def per_class(self, logits: Tensor) -> Tensor:
        """Give L(z, c) of every class c, [N, C]."""
        return -(logits + self.shift.to(logits.dtype)).log_softmax(1)


class BalancedSoftmaxLoss(LogitAdjustedLoss):
    r"""Cross-entropy of a softmax in which each class counts as often as it has training images.

        L(z, y) = -log( n_y e^{z_y} / sum_c n_c e^{z_c} )

    As a softmax does not change when all logits are shifted alike, this is `LogitAdjustedLoss` with tau = 1,
    found in another way.

    Source: Ren et al., Balanced meta-softmax for long-tailed visual recognition, NeurIPS 2020, theorem 1.

    Args:
        counts: n, [C].
        reduction: see `ClassificationLoss`.
    """

    def __init__(self, counts: Counts, *, reduction: Reduction = "mean") -> None:
        super().__init__(counts, 1.0, reduction=reduction)


class SeesawLoss(ClassificationLoss):
    r"""Common classes push rare ones down less, except where these win against the truth.

        L(z, y) = -log( e^{z_y} / (e^{z_y} + sum_{c != y} M_yc C_yc e^{z_c}) )
        M_yc = min(1, n_c / n_y)^p,    C_yc = max(1, p_c / p_y)^q

    M weakens what an image of a common class y does to a rarer class c; C, taken as a constant, strengthens
    it again where c is the more probable one. Of the equalised losses it is the one whose softmax form is
    defined without a threshold between rare and common and without random numbers. The paper counts the
    images while it trains; here n is known beforehand.

    Source: Wang et al., Seesaw loss for long-tailed instance segmentation, CVPR 2021, section 3.

    Args:
        counts: n, [C].
        mitigation: the exponent p, at least 0.
        compensation: the exponent q, at least 0.
        reduction: see `ClassificationLoss`.
    """

    log_mitigation: Tensor

    def __init__(
        self,
        counts: Counts,
        mitigation: float = 0.8,
        compensation: float = 2.0,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if not mitigation >= 0 or not compensation >= 0:
            raise ConfigError(
                f"Expected the exponents to be at least 0, but got {mitigation} and {compensation}."
            )
        logarithms = checked_counts(counts).log()
        factors = mitigation * (logarithms[None, :] - logarithms[:, None]).clamp(max=0)  # row y, column c
        self.compensation = compensation
        self.register_buffer("log_mitigation", factors.float(), persistent=False)

    def per_class(self, logits: Tensor) -> Tensor:
        """Give L(z, c) of every class c, [N, C]."""
        constant = logits.detach()
        lead = (constant[:, None, :] - constant[:, :, None]).clamp(min=0)  # log max(1, p_c / p_y)
        factors = self.log_mitigation.to(logits.dtype) + self.compensation * lead
        return torch.logsumexp(logits[:, None, :] + factors, dim=2) - logits


def _checked(logits: Tensor, target: Tensor) -> Tensor:
    """The target, classes as int64."""
    if logits.ndim != 2 or not logits.shape[1]:
        raise DataError(f"Expected logits of shape [N, C], but got {list(logits.shape)}.")
    classes = target.ndim == 1 and len(target) == len(logits) and target.dtype in INTEGERS
    if not classes and not (target.shape == logits.shape and target.is_floating_point()):
        raise DataError(
            "Expected a target of integers [N] or of shares [N, C], but got "
            f"{target.dtype} of shape {list(target.shape)} for logits {list(logits.shape)}."
        )
    # On a GPU this would wait for it in every step.
    if classes and target.device.type == "cpu" and target.numel() and not _within(target, logits.shape[1]):
        raise DataError(f"Expected classes in [0, {logits.shape[1]}), but got {target.tolist()}.")
    return target.long() if classes else target


def _within(target: Tensor, classes: int) -> bool:
    return int(target.min()) >= 0 and int(target.max()) < classes
