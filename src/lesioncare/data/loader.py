"""A loader of training batches that is ahead of the trainer also from one epoch to the next."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset

from lesioncare.data.dataset import Batch, EpochSampler, Key, collate

__all__ = ["EpochLoader"]


class EpochLoader(DataLoader[Batch]):
    """Gives the batches of one epoch after another, each time that it is iterated.

    torch's own loader fetches the first batch of an epoch when it is asked for: a GPU waits at each epoch's
    start, and a rare disease's epochs are short. Here the processes go on to the next epoch while the
    trainer is still busy with this one, its validation and its checkpoint. What is given is the same: a
    batch depends on (seed, epoch, place) alone.

    Args:
        dataset: gives an item for each key (epoch, index).
        sampler: gives the keys of an epoch.
        batch_size: images of a batch.
        epochs: how many there will be, counted from 0; nothing is fetched for later ones.
        drop_last: whether a batch that is not full is left out.
        options: of torch's `DataLoader`.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        sampler: EpochSampler,
        *,
        batch_size: int,
        epochs: int,
        drop_last: bool = False,
        **options: Any,
    ) -> None:
        self.batches = _Batches(sampler, batch_size, epochs, drop_last)
        super().__init__(dataset, batch_sampler=self.batches, collate_fn=collate, **options)
        self._ahead: Iterator[Batch] | None = None  # what comes next, if no epoch was left before its end

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of `epoch`, counted from 0."""
        if epoch != self.batches.epoch:
            self.batches.epoch, self._ahead = epoch, None

    def __iter__(self) -> Any:
        """Give the batches of the next epoch."""
        ahead, self._ahead = self._ahead, None
        ahead = super().__iter__() if ahead is None else ahead
        for left in reversed(range(len(self))):
            batch = next(ahead)
            if not left:
                self.batches.epoch += 1
                self._ahead = ahead if self.batches.epoch < self.batches.epochs else None
            yield batch


class _Batches:
    """The keys of each batch, from `epoch` on to the last epoch; its length is that of one epoch."""

    def __init__(self, sampler: EpochSampler, size: int, epochs: int, drop_last: bool) -> None:
        self.epoch = sampler.epoch
        self.epochs = epochs
        self._of_epoch = sampler  # not `sampler`: Lightning would set its epoch
        self._size = size
        self._drop_last = drop_last

    def __len__(self) -> int:
        rest = 0 if self._drop_last else self._size - 1
        return (len(self._of_epoch) + rest) // self._size

    def __iter__(self) -> Iterator[list[Key]]:
        for epoch in range(self.epoch, max(self.epochs, self.epoch + 1)):
            self._of_epoch.set_epoch(epoch)
            keys: list[Key] = list(self._of_epoch)
            for batch in range(len(self)):
                yield keys[batch * self._size : (batch + 1) * self._size]
