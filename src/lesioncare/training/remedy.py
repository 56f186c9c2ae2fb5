"""From the names on the command line to a remedy: a loss, a sampler, a mixer, built for one training fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lesioncare.data import Batch, EpochSampler
from lesioncare.errors import ConfigError
from lesioncare.imbalance import (
    REMEDIES,
    BalancedSoftmaxLoss,
    ClassDraw,
    ClassificationLoss,
    CrossEntropyLoss,
    FocalLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    MixBatch,
    Mixer,
    Power,
    Progressive,
    Remedy,
    SeesawLoss,
    WeightedLoss,
    effective_number,
    inverse_frequency,
)
from lesioncare.training.config import TrainConfig

__all__ = ["LOSSES", "SHARES", "DrawnSampler", "Treatment", "check_validation", "make_treatment"]

LOSSES: dict[str, Callable[[TrainConfig, Sequence[int]], ClassificationLoss]] = {
    "cross-entropy": lambda _, __: CrossEntropyLoss(),
    "label-smoothing": lambda config, _: CrossEntropyLoss(config.remedy.smoothing),
    "weighted": lambda _, counts: WeightedLoss(CrossEntropyLoss(), inverse_frequency(counts)),
    "focal": lambda config, _: FocalLoss(config.remedy.gamma),
    "class-balanced": lambda config, counts: WeightedLoss(
        CrossEntropyLoss(), effective_number(counts, config.remedy.beta)
    ),
    "class-balanced-focal": lambda config, counts: WeightedLoss(
        FocalLoss(config.remedy.gamma), effective_number(counts, config.remedy.beta)
    ),
    "ldam-drw": lambda config, counts: WeightedLoss(
        LDAMLoss(counts, config.remedy.ldam_margin),
        effective_number(counts, config.remedy.beta),
        start_epoch=round(config.remedy.drw_start * config.schedule.epochs),
    ),
    "logit-adjusted": lambda config, counts: LogitAdjustedLoss(counts, config.remedy.adjust_tau),
    "balanced-softmax": lambda _, counts: BalancedSoftmaxLoss(counts),
    "seesaw": lambda _, counts: SeesawLoss(counts),
}
SHARES: dict[str, Callable[[TrainConfig], Power | Progressive]] = {
    "balanced": lambda _: Power(0),
    "sqrt": lambda _: Power(0.5),
    "progressive": lambda config: Progressive(config.schedule.epochs),
}


class DrawnSampler(EpochSampler):
    """Yields the keys of a `ClassDraw`, as `EpochSampler` yields those of a shuffled order.

    Args:
        draw: which images, of which training part.
        seed: of the order.
    """

    def __init__(self, draw: ClassDraw, *, seed: int) -> None:
        super().__init__(len(draw), seed=seed, shuffle=True)
        self._draw = draw

    def order(self) -> list[tuple[int, int]]:
        """Give the keys of the whole epoch."""
        return self._draw.keys(self.seed, self.epoch)


@dataclass(frozen=True)
class Treatment:
    """A remedy, built for one training fold.

    Attributes:
        remedy: what it is.
        loss: of the logits; knows the fold's class counts where it needs them.
        sampler: of the training images.
        mixer: of a batch's images; None leaves them as they are.
        num_classes: C.
        seed: of the mixing.
    """

    remedy: Remedy
    loss: ClassificationLoss
    sampler: EpochSampler
    mixer: Mixer | None
    num_classes: int
    seed: int = 0

    def prepare(
        self, batch: Batch, boxes: Sequence[Tensor], weights: Sequence[Tensor], step: tuple[int, int]
    ) -> MixBatch:
        """Give what the network learns from: the batch, mixed if the remedy mixes.

        Args:
            batch: of hard labels.
            boxes: those that count, of each image.
            weights: theirs.
            step: epoch, and batch in it: the mixing is random by them and the seed alone.
        """
        images, labels = batch["images"], batch["labels"]
        if self.mixer is None:
            return MixBatch(images, labels, labels, boxes, weights)
        return self.mixer(images, labels, boxes, weights, np.random.default_rng([self.seed, *step]))


def make_treatment(
    config: TrainConfig, labels: NDArray[np.int64], num_classes: int, image_size: tuple[int, int]
) -> Treatment:
    """Build the remedy that a run's options ask for.

    Args:
        config: all options.
        labels: class of each image of the training part, and of no other: all counts are made of them.
        num_classes: C.
        image_size: (H, W) that boxes refer to.

    Raises:
        ConfigError: the remedy counts images, and a class has none.
    """
    remedy, seed = REMEDIES[config.remedy.method], config.schedule.seed
    counts = np.bincount(labels, minlength=num_classes).tolist()
    return Treatment(
        remedy,
        LOSSES[remedy.loss](config, counts),
        _sampler(config, remedy, labels, num_classes),
        None
        if remedy.mixing is None
        else Mixer(remedy.mixing, config.remedy.mix_alpha, num_classes, image_size),
        num_classes,
        seed,
    )


def check_validation(config: TrainConfig, validation: int) -> None:
    """Make sure that what looks at the validation part has one; the test part is never looked at instead.

    Raises:
        ConfigError: there is no validation image, and an option needs some.
    """
    remedy = REMEDIES[config.remedy.method]
    wanting = [
        ("--select best", config.schedule.select == "best"),
        ("--patience", config.schedule.patience is not None),
        ("--remedy tau-norm without --norm-tau", remedy.posthoc and config.remedy.norm_tau is None),
    ]
    named = [option for option, wants in wanting if wants]
    if named and not validation:
        raise ConfigError(
            f"{' and '.join(named)} needs validation images: set some aside with --validation 0.1, "
            "or mark them in the split column."
        )


def _sampler(
    config: TrainConfig, remedy: Remedy, labels: NDArray[np.int64], num_classes: int
) -> EpochSampler:
    seed = config.schedule.seed
    if remedy.sampler == "shuffle":
        return EpochSampler(len(labels), seed=seed, shuffle=True)
    return DrawnSampler(ClassDraw(labels, num_classes, SHARES[remedy.sampler](config)), seed=seed)
