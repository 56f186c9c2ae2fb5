"""An exponential moving average of the weights: what is validated and tested in their place."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["WeightAverage"]

_KEY = "average"


class WeightAverage(pl.Callback):
    """Keeps the moving average of a module's `network`, and shows it to the validation.

        w'_t = d_t w'_{t-1} + (1 - d_t) w_t,    d_t = min(decay, (1 + t) / (10 + t))

    after each optimiser step t, of weights and of batch norm's averages alike. The warm-up of d keeps the
    first, random weights from lasting in short trainings; it is TensorFlow's (`ExponentialMovingAverage`,
    num_updates). The average is in the checkpoint, so that a resumed run has the same.

    Args:
        decay: d, in (0, 1).
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: AveragedModel | None = None
        self._restored: Mapping[str, Any] | None = None
        self._step = 0
        self._own: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the weights as they are, or with the checkpoint's average."""
        network: Any = pl_module.network
        self._average = AveragedModel(network, multi_avg_fn=self._update, use_buffers=True)
        self._step = trainer.global_step
        if self._restored is not None:
            self._average.load_state_dict(self._restored)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any, **__: Any
    ) -> None:
        """Take in the weights, if the optimiser changed them."""
        if self._average is not None and trainer.global_step > self._step:
            self._step = trainer.global_step
            network: Any = pl_module.network
            self._average.update_parameters(network)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Put the average in the weights' place."""
        network: Any = pl_module.network
        self._own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        self.give_to(network)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Put the weights back."""
        network: Any = pl_module.network
        network.load_state_dict(self._own)
        self._own = {}

    def give_to(self, network: nn.Module, checkpoint: Mapping[str, Any] | None = None) -> None:
        """Load the average, the present one or a checkpoint's, into a network."""
        state: Mapping[str, Any] = {}
        if checkpoint is not None:
            state = checkpoint["callbacks"][self.state_key][_KEY]
        elif self._average is not None:
            state = self._average.state_dict()
        prefix = "module."
        network.load_state_dict(
            {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        )

    def state_dict(self) -> dict[str, Any]:
        """Give the average."""
        return {_KEY: {} if self._average is None else self._average.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the average of a checkpoint."""
        self._restored = state_dict[_KEY]

    @torch.no_grad()
    def _update(self, average: Any, current: Any, updates: Tensor | int) -> None:
        count = int(updates)  # on the CPU: the averaged model was made without a device
        decay = min(self._decay, (1 + count) / (10 + count))
        get_ema_multi_avg_fn(decay)(  # type: ignore[no-untyped-call]
            average, current, updates
        )
