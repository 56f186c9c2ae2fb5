"""From the names on the command line to an attention loss and its guide."""

from collections.abc import Callable

from torch import Tensor, nn

from lesioncare.attention import (
    AttentionGuide,
    AttentionLoss,
    CARELoss,
    EnergyLoss,
    InBoxCrossEntropyLoss,
    InputGradientLoss,
    L1Loss,
    OutsideSquareLoss,
)
from lesioncare.attention.trace import evaluation_mode
from lesioncare.training.config import AttentionConfig, TrainConfig

__all__ = ["ATTENTION_LOSSES", "find_layer", "make_guide"]

ATTENTION_LOSSES: dict[str, Callable[[AttentionConfig], AttentionLoss]] = {
    "care": lambda config: CARELoss(tau=config.tau, outer=config.outer),
    "energy": lambda config: EnergyLoss(),  # noqa: ARG005
    "l1": lambda config: L1Loss(),  # noqa: ARG005
    "outside-square": lambda config: OutsideSquareLoss(),  # noqa: ARG005
    "in-box-cross-entropy": lambda config: InBoxCrossEntropyLoss(),  # noqa: ARG005
    "input-gradient": lambda config: InputGradientLoss(),  # noqa: ARG005
}


def make_guide(config: TrainConfig, network: nn.Module, image_size: tuple[int, int]) -> AttentionGuide | None:
    """Make the guide that a run's options ask for; None without attention."""
    attention = config.attention
    if attention.loss == "none":
        return None
    return AttentionGuide(
        network,
        loss=ATTENTION_LOSSES[attention.loss](attention),
        target_layer=config.model.target_layer,
        alpha=attention.alpha,
        image_size=image_size,
        gradient=attention.gradient,
        reduction=attention.reduction,
        resolution=attention.resolution,
        evidence=attention.evidence,
        cam=attention.cam,
        start_epoch=attention.start_epoch,
    )


def find_layer(guide: AttentionGuide, inputs: Tensor) -> Tensor:
    """Have a guide find its layer before training, and give the model's logits [N, C].

    In evaluation mode throughout: what a checkpointed block computes again must be what it computed.

    Raises:
        ModelError: there is no such layer.
    """
    with evaluation_mode(guide.model), guide.watch(always=True):
        logits: Tensor = guide.model(inputs)
    return logits.detach()
