"""After training: the final layer alone is learnt anew, rescaled or normalised; the representation stays.

Source: Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from lesioncare.attention.trace import evaluation_mode
from lesioncare.data import Batch, collate
from lesioncare.errors import ModelError
from lesioncare.evaluation.metrics import decide
from lesioncare.imbalance import ClassDraw, Power, norm_scales, scale_rows
from lesioncare.progress import track
from lesioncare.training.config import ScheduleConfig
from lesioncare.training.finite import LossWatch
from lesioncare.training.live import loader_workers

Head = nn.Linear | nn.Conv2d

__all__ = ["SecondStage", "choose_tau", "find_head", "normalise_head"]

_TAUS = tuple(step / 10 for step in range(11))


@torch.no_grad()
def find_head(network: nn.Module, example: Tensor) -> Head:
    """Find the linear layer (or 1x1 convolution) whose output is the logits.

    Args:
        network: images -> logits [N, C].
        example: images to try it with.

    Raises:
        ModelError: the logits are no layer's output.
    """
    outputs: list[tuple[Head, Any]] = []
    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    hooks = [
        layer.register_forward_hook(lambda *call: outputs.append((call[0], call[2]))) for layer in layers
    ]
    try:
        with evaluation_mode(network):
            logits = network(example)
    finally:
        for hook in hooks:
            hook.remove()
    for layer, output in reversed(outputs):
        if torch.equal(output.flatten(1), logits):
            found: Head = layer
            return found
    raise ModelError(
        "The remedy changes the final linear layer, but no layer's output is the model's logits. "
        "Choose another --remedy, or a model that ends in a linear layer."
    )


@dataclass(frozen=True)
class SecondStage:
    """Trains the final layer, on images drawn class-balanced, with cross-entropy; AdamW, cosine to 0.

    The network is in evaluation mode and only the final layer learns: its weights from a new start (cRT), or
    one scale f_c per class, w'_c = f_c w_c, which is folded into them at the end (LWS). The layer's bias is
    learnt anew with the weights, and left as it is by the scales.

    Attributes:
        network: what `dataset` holds, images or features, -> logits; contains the head.
        head: its final layer.
        dataset: the training part.
        labels: class of each of its images.
        schedule: batch size, rate and seed.
        epochs: of this stage; the augmented views go on where the first stage ended.
        device: where it runs; afterwards everything is on the CPU.
        augment: what is left to be done to a batch on the device.
    """

    network: nn.Module
    head: Head
    dataset: Dataset[Any]
    labels: NDArray[np.int64]
    schedule: ScheduleConfig
    epochs: int
    device: torch.device
    augment: Callable[[Batch], Batch] | None = None

    def retrain(self) -> None:
        """Classifier re-training (cRT): the final layer starts anew and learns alone."""
        torch.manual_seed(self.schedule.seed)
        self.head.reset_parameters()
        self._learn(list(self.head.parameters()), self.network, decay=self.schedule.weight_decay)

    def rescale(self) -> None:
        """Learnable weight scaling (LWS): one factor per class is learnt, and folded into the weights."""
        scales = nn.Parameter(torch.ones(self.head.weight.shape[0], device=self.device))

        def scaled(inputs: Tensor) -> Tensor:
            logits: Tensor = self.network(inputs)
            bias = 0 if self.head.bias is None else self.head.bias
            return (logits - bias) * scales + bias

        self._learn([scales], scaled, decay=0.0)
        with torch.no_grad():
            self.head.weight.copy_(scale_rows(self.head.weight, scales.cpu()))

    def _learn(
        self, parameters: list[nn.Parameter], logits_of: Callable[[Tensor], Tensor], decay: float
    ) -> None:
        draw = ClassDraw(self.labels, int(self.head.weight.shape[0]), Power(0))
        optimizer = torch.optim.AdamW(parameters, lr=self.schedule.learning_rate, weight_decay=decay)
        steps = self.epochs * -(-len(draw) // self.schedule.batch_size)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))
        )
        finite = LossWatch("The second stage's loss")
        self.network.to(self.device).eval()
        with _learning_alone(self.network, parameters):
            for epoch in track(range(self.epochs), "Second stage", "epochs"):
                for batch in self._loader(draw, epoch):
                    logits = logits_of(self._images(batch))
                    loss = functional.cross_entropy(logits, batch["labels"].to(self.device))
                    finite.add(loss, epoch)
                    optimizer.zero_grad()
                    torch.autograd.backward(loss)
                    optimizer.step()
                    scheduler.step()
                finite.check()
        self.network.cpu()

    def _loader(self, draw: ClassDraw, epoch: int) -> DataLoader[Any]:
        return DataLoader(
            self.dataset,
            batch_size=self.schedule.batch_size,
            sampler=draw.keys(self.schedule.seed, self.schedule.epochs + epoch),
            collate_fn=collate,
            num_workers=loader_workers(self.schedule, self.dataset, training=True),
        )

    def _images(self, batch: Batch) -> Tensor:
        sent: Batch = {**batch, "images": batch["images"].to(self.device)}
        return (sent if self.augment is None else self.augment(sent))["images"]


@torch.no_grad()
def normalise_head(head: Head, tau: float) -> None:
    """Replace the final layer's weights by their tau-normalised ones, see `tau_normalise`."""
    head.weight.copy_(scale_rows(head.weight, norm_scales(head.weight, tau)))


def choose_tau(head: Head, logits: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Give the tau of 0, 0.1, ..., 1 with the best balanced accuracy; of equal ones the smallest.

    Args:
        head: the final layer as it was trained.
        logits: its answers to the validation part, [N, C].
        target: the truth, [N].
    """
    bias = 0.0 if head.bias is None else head.bias.detach().double().cpu().numpy()
    weight = head.weight.detach().cpu()

    def accuracy(tau: float) -> float:
        scales = norm_scales(weight.double(), tau).numpy()
        decided = decide((logits - bias) * scales + bias)
        return float(np.mean([(decided[target == code] == code).mean() for code in np.unique(target)]))

    return max(_TAUS, key=accuracy)


@contextmanager
def _learning_alone(network: nn.Module, parameters: list[nn.Parameter]) -> Iterator[None]:
    """Nothing else of the network requires a gradient, so that none is computed."""
    before = {parameter: parameter.requires_grad for parameter in network.parameters()}
    try:
        network.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter, required in before.items():
            parameter.requires_grad_(required)
            parameter.grad = None
