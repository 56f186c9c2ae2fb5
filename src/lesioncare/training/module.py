"""The Lightning module: a plain classifier's loop, with the attention guide around its forward pass."""

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy

from lesioncare.attention import AttentionGuide
from lesioncare.data import Batch, EpochLoader, boxes_by_image
from lesioncare.imbalance import ClassificationLoss
from lesioncare.training.config import ScheduleConfig
from lesioncare.training.finite import LossWatch
from lesioncare.training.memory import memory_format, set_memory_format
from lesioncare.training.remedy import Treatment

__all__ = ["Feed", "GuidedClassifier", "History", "learning_rate_factor"]


class Feed(pl.LightningDataModule):
    """Hands the trainer its loaders, the training one set to the epoch that comes next.

    In a run that is resumed that is not epoch 0, and its processes begin to fetch as soon as they are asked.
    """

    def __init__(
        self,
        train: DataLoader[Any],
        validation: DataLoader[Any] | None,
        augment: Callable[[Batch], Batch] | None = None,
    ) -> None:
        super().__init__()
        self._train = train
        self._validation = validation
        self._augment = augment

    def augment(self, batch: Batch) -> Batch:
        """Augment a training batch whose images are on the device, where that was left for the batch."""
        return batch if self._augment is None else self._augment(batch)

    @property
    def steps(self) -> int:
        """Batches of one epoch in this process."""
        return len(self._train)

    def train_dataloader(self) -> DataLoader[Any]:
        """Give the training batches; asked for once, when the checkpoint was read."""
        if isinstance(self._train, EpochLoader) and self.trainer is not None:
            progress: Any = self.trainer.fit_loop.epoch_progress.current
            self._train.set_epoch(progress.processed)
        return self._train

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Give the validation batches, if there are any."""
        return [] if self._validation is None else [self._validation]


class GuidedClassifier(pl.LightningModule):
    """Trains a network with a classification loss and, where there is a guide, attention.

    No step waits for the device: what only the host looks at (labels, boxes, their numbers) stays with it,
    and the loss is looked at one step later.

    Args:
        network: images, or features of the frozen part, -> logits [N, C].
        feed: what it will be trained on.
        frozen: images -> features where they are not cached; None where they are, or nothing is frozen.
        guide: watches the network; None trains without attention.
        attended: class codes whose boxes the guide sees.
        schedule: epochs, rate and the like.
        treatment: the loss, and how batches are mixed.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        feed: Feed,
        frozen: nn.Module | None,
        guide: AttentionGuide | None,
        attended: frozenset[int],
        schedule: ScheduleConfig,
        treatment: Treatment,
    ) -> None:
        super().__init__()
        self.network = network
        self.frozen = frozen
        self._guide = guide
        self._attended_classes = attended
        self._schedule = schedule
        self._feed = feed
        self._treatment = treatment
        self.loss: ClassificationLoss = treatment.loss  # a module, so that its weights follow to the device
        # Without torchmetrics' checks of its input, which wait for the device.
        self._balanced_accuracy = MulticlassAccuracy(
            treatment.num_classes, average="macro", validate_args=False
        )
        run: Any = torch.compile(network) if schedule.compile and guide is None else network
        # Not as an attribute, which would make it a submodule: it has the network's parameters, or is it.
        self._runs: tuple[nn.Module, ...] = (run if guide is None else guide.model,)
        self._finite = LossWatch()
        self._format = torch.preserve_format
        self._convert: Callable[[Any], Any] = _unchanged  # to the precision that the trainer wants

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Lay out the weights as the device likes them, before other processes copy them."""
        self._format = memory_format(self._schedule.channels_last, self.trainer.strategy.root_device)
        self._convert = self.trainer.precision_plugin.convert_input
        set_memory_format(self, self._format)

    def train(self, mode: bool = True) -> "GuidedClassifier":
        """Set the mode of what learns; the frozen part stays as it was trained."""
        super().train(mode)
        if self.frozen is not None:
            self.frozen.eval()
        return self

    def transfer_batch_to_device(
        self,
        batch: Any,
        device: torch.device,
        dataloader_idx: int,  # noqa: ARG002
    ) -> Any:
        """Send the images to the device, and augment them there; labels and boxes stay where they are."""
        images = batch["images"].to(device, non_blocking=True)
        sent: Any = {**batch, "images": images}
        sent = self._feed.augment(sent)
        # Lightning gives batches the precision of training before, when these were still bytes.
        images = self._convert(sent["images"])
        if images.ndim == 4:
            images = images.to(memory_format=self._format)
        return {**sent, "images": images}

    def on_fit_start(self) -> None:
        """Send along what a compiled network has of its own: it copies tensors that are no parameters."""
        self._runs[0].to(self.device)

    def on_train_epoch_start(self) -> None:
        """Tell the loss and the guide which epoch begins."""
        self.loss.set_epoch(self.current_epoch)
        if self._guide is not None:
            self._guide.set_epoch(self.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:  # noqa: ARG002
        """Let an epoch's randomness follow from seed and epoch, so that a resumed run equals a whole one.

        Not at the epoch's start: after that Lightning makes the loader's iterator, which draws a random
        number, but in a run's first epoch, resumed or not, it is made before.
        """
        if batch_index == 0:
            torch.manual_seed(self._schedule.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Give the loss of one batch."""
        step = self.current_epoch, batch_index
        mixed = self._treatment.prepare(batch, *self._attended(batch), step)
        images, inputs = len(batch["labels"]), self._inputs(mixed.images)
        targets, labels = (
            values.to(inputs.device, non_blocking=True) for values in (mixed.targets, mixed.labels)
        )
        classification: Tensor
        loss: Tensor
        if self._guide is None:
            classification = loss = self.loss(self._runs[0](inputs), targets)
        else:
            with self._guide.watch():
                logits = self._runs[0](inputs)
            classification = self.loss(logits, targets)
            loss = self._guide.combine(classification, labels, mixed.boxes, mixed.weights)
            self._log_attention(loss, classification, images)
        self._finite.add(loss, self.current_epoch)
        self._log("train_loss", loss, images, prog_bar=True)
        self._log("train_classification_loss", classification, images)
        return loss

    def on_train_epoch_end(self) -> None:
        """Look at the last step's loss, before the epoch's checkpoint is written."""
        self._finite.check()

    def validation_step(self, batch: Batch, batch_index: int) -> None:  # noqa: ARG002
        """Count one batch into the validation loss (cross-entropy, whatever was trained) and accuracy."""
        logits = self.network(self._inputs(batch["images"]))
        labels = batch["labels"].to(logits.device, non_blocking=True)
        self._balanced_accuracy.update(logits, labels)
        images, loss = len(logits), functional.cross_entropy(logits, labels)
        self._log("validation_loss", loss, images)
        self._log("validation_balanced_accuracy", self._balanced_accuracy, images, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; a linear warm-up over the first epoch (at most a fifth of the steps), then a cosine to 0."""
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(
            learning, lr=self._schedule.learning_rate, weight_decay=self._schedule.weight_decay
        )
        # Not trainer.estimated_stepping_batches: it asks for the training loader before a checkpoint is read.
        steps = -(-self._feed.steps // self._schedule.accumulate)
        total = self._schedule.epochs * max(1, steps)
        warm_up = max(1, min(total // self._schedule.epochs, total // 5))
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, warm_up, total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _inputs(self, images: Tensor) -> Tensor:
        if self.frozen is None:
            return images
        with torch.no_grad():
            features: Tensor = self.frozen(images)
        return features

    def _attended(self, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
        """Boxes and weights of each image; none for the images of other classes."""
        seen = [label in self._attended_classes for label in batch["labels"].tolist()]
        boxes, weights = boxes_by_image(batch)
        return _where(seen, boxes), _where(seen, weights)

    def _log_attention(self, loss: Tensor, classification: Tensor, images: int) -> None:
        guide = self._guide
        if guide is not None and guide.active:
            attention = (loss - (1 - guide.alpha) * classification) / guide.alpha
            self._log("train_attention_loss", attention, images)

    def _log(self, name: str, value: Any, images: int, *, prog_bar: bool = False) -> None:
        self.log(name, value, on_step=False, on_epoch=True, prog_bar=prog_bar, batch_size=images)


class History(pl.Callback):
    """Keeps one row of numbers per epoch, in the checkpoint too, so that a resumed run has them all."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Add the epoch's row."""
        numbers = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": float(trainer.current_epoch), **numbers})

    def state_dict(self) -> dict[str, Any]:
        """Give the rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])


def _where(seen: list[bool], values: list[Tensor]) -> list[Tensor]:
    return [value if shown else value[:0] for value, shown in zip(values, seen, strict=True)]


def _unchanged(images: Any) -> Any:
    return images


def learning_rate_factor(step: int, warm_up: int, total: int) -> float:
    """Share of the learning rate at a step: a linear warm-up, then a cosine to 0."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, total - warm_up)))
