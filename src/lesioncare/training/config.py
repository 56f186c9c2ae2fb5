"""Everything that decides what a training run does; kept beside its results, so that it can be repeated."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lesioncare.errors import ConfigError
from lesioncare.imbalance import REMEDIES

AttentionName = Literal[
    "none", "care", "energy", "l1", "outside-square", "in-box-cross-entropy", "input-gradient"
]
RemedyName = Literal[
    "none",
    "weighted",
    "focal",
    "class-balanced",
    "class-balanced-focal",
    "ldam-drw",
    "logit-adjusted",
    "balanced-softmax",
    "seesaw",
    "label-smoothing",
    "balanced-sampler",
    "sqrt-sampler",
    "progressive-sampler",
    "mixup",
    "cutmix",
    "crt",
    "tau-norm",
    "lws",
]
Augmentation = Literal["none", "flips", "light", "dermoscopy", "chest"]

__all__ = [
    "AttentionConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "RemedyConfig",
    "ScheduleConfig",
    "TrainConfig",
]


_PARTS = ("data", "model", "schedule", "attention", "remedy")
_OPTIONS = {
    "image_root": "images",
    "box_file": "boxes",
    "name": "model",
    "loss": "attention",
    "method": "remedy",
}
"""Field -> command-line option, where its name is another."""


class Config(BaseModel):
    """Options that are checked when they are given, and cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def build(cls, **fields: Any) -> Self:
        """Make a configuration; for `TrainConfig`, from one dictionary of options per part.

        Raises:
            ConfigError: an option is unknown or has a value that cannot work; the message names it.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise ConfigError("; ".join(map(_in_words, error.errors()))) from error


class DataConfig(Config):
    """Which images, and which of them are for training, validation and test."""

    table: Path
    image_root: Path | None = None  # the table's folder, or images/ in it
    box_file: Path | None = None  # box columns of the table, if it has any
    min_score: float = Field(0, ge=0, le=1)  # boxes of the file with a lower score are left out
    # Boxes that the test images are judged by: those of training, those of the table's columns, or a file.
    test_boxes: Literal["same", "table"] | Path = "same"
    image_column: str | None = None  # None: guessed from the usual names
    label_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    box_columns: tuple[str, str, str, str] | None = None
    box_unit: Literal["auto", "pixel", "fraction"] = "auto"
    folds: int = Field(5, ge=2)
    fold: int = Field(0, ge=0)  # the test fold, where the table has no split column
    validation: float = Field(0.1, ge=0, lt=0.5)  # share of the training images kept for validation
    rare: Literal["auto"] | tuple[str, ...] = "auto"
    check_images: bool = True  # decode every image before training begins

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.folds:
            raise ValueError(
                f"--fold {self.fold} does not exist: the {self.folds} folds are 0 to {self.folds - 1}."
            )
        return self


class ModelConfig(Config):
    """Which network, from which weights, and how much of it learns."""

    name: str = "resnet50"  # a timm model, or package.module:function that takes num_classes
    weights: str = "pretrained"  # "pretrained" (timm's), "none", or a local file
    image_size: tuple[int, int] | None = None  # (height, width); None: what the model was made for
    freeze: str = "none"  # "none", "auto" (all but the last stage), or a layer: all up to it is frozen
    # Keep on disk what does not change while training. "auto": the features of what is frozen; where nothing
    # is, the decoded images, if they fit into half of the disk's free room. "always": where nothing is
    # frozen, some augmented views of each image. "never": nothing.
    cache: Literal["auto", "always", "never"] = "auto"
    views: int = Field(4, ge=1)  # augmented views kept of each image; epoch e sees view e mod views
    # Layers of the maps that attention guides; found by itself. The first one is judged and shown.
    target_layer: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @property
    def shown_layer(self) -> str | None:
        """The layer whose maps are judged and shown, in every run, whatever it was guided by."""
        return self.target_layer[0] if isinstance(self.target_layer, tuple) else self.target_layer


class ScheduleConfig(Config):
    """How the network learns."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(5e-4, gt=0)  # AdamW, cosine after a linear warm-up of one epoch
    weight_decay: float = Field(0.01, ge=0)
    augment: Augmentation = "light"
    seed: int = Field(0, ge=0)
    augment_on: Literal["batch", "item"] = "batch"  # a batch in one go, or each image alone
    workers: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"  # processes that load images
    accelerator: str = "auto"
    devices: int = Field(1, ge=1)
    strategy: Literal["auto", "ddp"] = "auto"  # several devices train by DDP either way
    precision: str = "auto"  # 32 bit on the CPU, mixed on a GPU
    channels_last: bool | Literal["auto"] = "auto"  # weights and images as NHWC: "auto" on a GPU
    compile: bool = False  # torch.compile; the head stays as it is, see training/compilation.py
    accumulate: int = Field(1, ge=1)  # batches whose gradients make one step
    grad_checkpointing: bool = False  # compute the blocks again in the backward pass: less memory, more time
    ema: float | None = Field(None, gt=0, lt=1)  # decay of the weights' moving average, which is then tested
    logger: Literal["csv", "tensorboard"] = "csv"
    # Which epoch's weights the run ends with: the last one's, or those of the epoch with the best balanced
    # accuracy on the validation part.
    select: Literal["last", "best"] = "last"
    patience: int | None = Field(None, ge=1)  # stop after so many epochs in which that did not rise

    @field_validator("strategy", mode="before")
    @classmethod
    def _whole_on_each_device(cls, strategy: Any) -> Any:
        if isinstance(strategy, str) and ("fsdp" in strategy or "deepspeed" in strategy):
            raise ValueError(
                f"--strategy {strategy} is not supported: it splits the weights among the devices, but the "
                "attention map needs the head's whole. Use ddp: the whole network is on every device."
            )
        return strategy

    @model_validator(mode="after")
    def _compiled_or_checkpointed(self) -> Self:
        if self.compile and self.grad_checkpointing:
            raise ValueError("--compile and --grad-checkpointing do not go together: choose one of them.")
        return self


class AttentionConfig(Config):
    """What the class activation maps are asked for, and of which images."""

    loss: AttentionName = "care"
    attend: Literal["rare", "all"] = "all"  # which classes' boxes the loss sees; see docs/evidence.md
    alpha: float = Field(0.5, ge=0, le=1)
    tau: Annotated[float, Field(gt=0, le=1)] = 0.9
    outer: Literal["uniform", "distance"] = "uniform"
    gradient: Literal["full", "half"] = "full"
    reduction: Literal["batch", "boxed", "sum"] = "batch"
    resolution: Literal["feature", "image"] = "feature"
    evidence: Literal["class", "contrast"] = "class"  # "contrast": against the class that it is mistaken for
    cam: Literal["grad-cam", "layer-cam"] = "grad-cam"  # what is guided; judged and shown is Grad-CAM
    start_epoch: int = Field(0, ge=0)


class RemedyConfig(Config):
    """What is done about the imbalance; an option that the remedy does not use changes nothing."""

    method: RemedyName = "none"  # see lesioncare.imbalance.REMEDIES
    gamma: float = Field(2.0, ge=0)  # focal: how fast the loss fades where the network is right
    beta: float = Field(
        0.9999, ge=0, lt=1
    )  # class-balanced, ldam-drw: 0 no weights, towards 1 inverse frequency
    adjust_tau: float = Field(1.0, ge=0)  # logit-adjusted: strength of the prior
    ldam_margin: float = Field(2.0, ge=0)  # ldam-drw: margin of the rarest class, in plain logits
    drw_start: float = Field(0.8, ge=0, le=1)  # ldam-drw: share of the epochs after which weights begin
    smoothing: float = Field(0.1, ge=0, lt=1)  # label-smoothing
    mix_alpha: float = Field(1.0, gt=0)  # mixup, cutmix: Beta(alpha, alpha); 0.2 mixes less
    second_epochs: int = Field(10, ge=1)  # crt, lws: epochs of the final layer alone
    norm_tau: float | None = Field(None, ge=0, le=1)  # tau-norm; None: the best on the validation part


class TrainConfig(Config):
    """One run: data, model, schedule, attention and remedy."""

    data: DataConfig
    model: ModelConfig = ModelConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    attention: AttentionConfig = AttentionConfig()
    remedy: RemedyConfig = RemedyConfig()

    @property
    def arm(self) -> str:
        """What tables and pictures call the run, for example "balanced softmax + CARE, all classes"."""
        remedy = REMEDIES[self.remedy.method].title
        if self.attention.loss == "none":
            return remedy or "no attention"
        name = {"care": "CARE"}.get(self.attention.loss, self.attention.loss)
        attention = name if self.attention.attend == "rare" else f"{name}, all classes"
        return f"{remedy} + {attention}" if remedy else attention

    def without_attention(self) -> "TrainConfig":
        """The same run with no attention: what it is compared with."""
        return self.model_copy(update={"attention": AttentionConfig(loss="none")})

    def to_json(self) -> dict[str, Any]:
        """The options as json values."""
        return self.model_dump(mode="json")


def _in_words(problem: Any) -> str:
    if problem["type"] == "value_error":  # a check of several options, which names them itself
        return str(problem["msg"]).removeprefix("Value error, ")
    place = [str(step) for step in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        return f"{'.'.join(place)}: there is no such option."
    field = place[1] if place[0] in _PARTS and len(place) > 1 else place[0]
    option = _OPTIONS.get(field, field).replace("_", "-")
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"--{option}: {message}, but got {problem['input']!r}."
