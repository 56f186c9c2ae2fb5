"""The Lightning module of a segmenter: cross-entropy and Dice, and the scores of the validation part."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from segmentation_models_pytorch.losses import DiceLoss
from torch import Tensor, nn
from torch.nn import functional

from lesioncare.boxes.segmentation import SegmenterSpec
from lesioncare.boxes.segmentation.base import prepare
from lesioncare.training.finite import LossWatch
from lesioncare.training.module import learning_rate_factor
from lesioncare.training.segmentation.config import SegmenterConfig

__all__ = ["SegmenterModule", "mask_iou"]


class SegmenterModule(pl.LightningModule):
    """Trains a network on masks with L = BCE + Dice.

    Scores at a fraction of the image's size are enlarged (bilinear) to that of the mask first.

    Source: Milletari et al., 3DV 2016, for the Dice loss.

    Args:
        network: images [N, 3, h, w] -> scores [N, 1, h', w'].
        spec: how it wants its images.
        config: the schedule.
        steps: optimiser steps of one epoch.
    """

    def __init__(self, network: nn.Module, spec: SegmenterSpec, config: SegmenterConfig, steps: int) -> None:
        super().__init__()
        self.network = network
        self._spec, self._config, self._steps = spec, config, steps
        self._dice = DiceLoss("binary")
        self._finite = LossWatch()

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:  # noqa: ARG002
        """Let an epoch's randomness follow from seed and epoch, so that a resumed run equals a whole one."""
        if batch_index == 0:
            torch.manual_seed(self._config.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:  # noqa: ARG002
        """Give the loss of one batch."""
        images, masks = batch
        scores = self._scores(images, masks)
        loss: Tensor = functional.binary_cross_entropy_with_logits(scores, masks) + self._dice(scores, masks)
        self._finite.add(loss, self.current_epoch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(images))
        return loss

    def on_train_epoch_end(self) -> None:
        """Look at the last step's loss, before the epoch's checkpoint is written."""
        self._finite.check()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:  # noqa: ARG002
        """Count one batch into the mean IoU of the masks."""
        images, masks = batch
        iou = mask_iou(self._scores(images, masks) > 0, masks > 0.5).mean()
        self.log("validation_iou", iou, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(images))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; a linear warm-up over the first epoch (at most a fifth of the steps), then a cosine to 0."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self._config.learning_rate, weight_decay=self._config.weight_decay
        )
        total = self._config.epochs * max(1, self._steps)
        warm_up = max(1, min(self._steps, total // 5))
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, warm_up, total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _scores(self, images: Tensor, masks: Tensor) -> Tensor:
        scores: Tensor = self.network(prepare(images, None, self._spec.mean, self._spec.std))
        if scores.shape[-2:] == masks.shape[-2:]:
            return scores
        return functional.interpolate(scores, masks.shape[-2:], mode="bilinear", align_corners=False)


def mask_iou(found: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union [N] of boolean masks [N, 1, h, w]; 1 where both are empty."""
    shared, either = ((one.sum((1, 2, 3))) for one in (found & truth, found | truth))
    return torch.where(either > 0, shared / either.clamp(min=1), torch.ones_like(shared, dtype=torch.float32))
