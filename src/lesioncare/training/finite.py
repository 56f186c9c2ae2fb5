"""Noticing that a loss is no number, without waiting for the device at each step."""

import math

import torch
from torch import Tensor

from lesioncare.errors import RunError

__all__ = ["LossWatch"]


class LossWatch:
    """Looks at each loss one step later, when the device has long computed it.

    Asking for a loss at once would make the host wait until the device has done all that was queued. Here the
    loss is copied to the host behind the step's forward pass, and read after the next one was queued.

    Args:
        name: what the message calls the loss.
    """

    def __init__(self, name: str = "The loss") -> None:
        self._name = name
        self._value: Tensor | None = None
        self._when = ""
        self._copied: torch.cuda.Event | None = None

    def add(self, loss: Tensor, epoch: int) -> None:
        """Take the loss of a step, a scalar, and look at that of the step before.

        Args:
            loss: of the step.
            epoch: counted from 0; messages and bars count from 1.

        Raises:
            RunError: that one was not finite.
        """
        self.check()
        self._when = f"in epoch {epoch + 1}"
        self._value = loss.detach().to("cpu", non_blocking=True)  # pinned, where it comes from a GPU
        self._copied = torch.cuda.current_stream(loss.device).record_event() if loss.is_cuda else None

    def check(self) -> None:
        """Look at the last loss; waits for it. To be called at an epoch's end, before its checkpoint.

        Raises:
            RunError: it was not finite.
        """
        if self._value is None:
            return
        if self._copied is not None:
            self._copied.synchronize()
        value, self._value = float(self._value), None
        if not math.isfinite(value):
            raise RunError(
                f"{self._name} became {value} {self._when}. "
                "Lower the learning rate; the last checkpoint is kept."
            )
