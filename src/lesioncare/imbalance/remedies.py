"""The remedies by name: which loss, which sampler, which mixing, what after training."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["REMEDIES", "Remedy"]

LossName = Literal[
    "cross-entropy",
    "label-smoothing",
    "weighted",
    "focal",
    "class-balanced",
    "class-balanced-focal",
    "ldam-drw",
    "logit-adjusted",
    "balanced-softmax",
    "seesaw",
]
SamplerName = Literal["shuffle", "balanced", "sqrt", "progressive"]
MixingName = Literal["mixup", "cutmix"]
SecondStage = Literal["crt", "lws"]
PostHoc = Literal["tau-norm"]


@dataclass(frozen=True)
class Remedy:
    """What one remedy changes of plain training.

    Attributes:
        title: what tables and pictures call it; empty for plain training.
        loss: in place of cross-entropy.
        sampler: in place of the shuffled order.
        mixing: of each batch's images.
        second_stage: what is learnt anew of the final layer, on a frozen representation, class-balanced.
        posthoc: what is changed of the final layer without learning.
    """

    title: str
    loss: LossName = "cross-entropy"
    sampler: SamplerName = "shuffle"
    mixing: MixingName | None = None
    second_stage: SecondStage | None = None
    posthoc: PostHoc | None = None

    @property
    def changes_head(self) -> bool:
        """Whether the final layer is changed after training."""
        return self.second_stage is not None or self.posthoc is not None


REMEDIES: dict[str, Remedy] = {
    "none": Remedy(""),
    "weighted": Remedy("class weights", loss="weighted"),
    "focal": Remedy("focal loss", loss="focal"),
    "class-balanced": Remedy("class-balanced loss", loss="class-balanced"),
    "class-balanced-focal": Remedy("class-balanced focal loss", loss="class-balanced-focal"),
    "ldam-drw": Remedy("LDAM-DRW", loss="ldam-drw"),
    "logit-adjusted": Remedy("logit-adjusted loss", loss="logit-adjusted"),
    "balanced-softmax": Remedy("balanced softmax", loss="balanced-softmax"),
    "seesaw": Remedy("seesaw loss", loss="seesaw"),
    "label-smoothing": Remedy("label smoothing", loss="label-smoothing"),
    "balanced-sampler": Remedy("class-balanced sampling", sampler="balanced"),
    "sqrt-sampler": Remedy("square-root sampling", sampler="sqrt"),
    "progressive-sampler": Remedy("progressive sampling", sampler="progressive"),
    "mixup": Remedy("mixup", mixing="mixup"),
    "cutmix": Remedy("CutMix", mixing="cutmix"),
    "crt": Remedy("cRT", second_stage="crt"),
    "tau-norm": Remedy("tau-normalisation", posthoc="tau-norm"),
    "lws": Remedy("LWS", second_stage="lws"),
}
