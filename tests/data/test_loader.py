import time
from multiprocessing import Array

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from lesioncare.data import EpochLoader, EpochSampler, collate
from lesioncare.errors import DataError


class Keys(Dataset):
    """Items that tell their key; notes which epochs were asked for, and fails at one of them if told to."""

    def __init__(self, fails=None):
        self.asked = Array("i", 10)
        self.fails = fails

    def __getitem__(self, key):
        epoch, index = key
        with self.asked.get_lock():
            self.asked[epoch] += 1
        if key == self.fails:
            raise DataError("a damaged image")
        return {
            "image": torch.full((3, 2, 2), 50 * epoch + index, dtype=torch.uint8),
            "label": index,
            "boxes": torch.zeros(index % 2, 4),
            "weights": torch.ones(index % 2),
            "position": index,
        }


@pytest.fixture(params=[0, 2], ids=["in this process", "in two others"])
def make(request):
    """A loader of 10 images in batches of 4; the processes are ended with the test."""
    made = []

    def make(data=None, *, epochs=3, n=10, size=4, **options):
        options |= {"num_workers": request.param, "persistent_workers": request.param > 0}
        sampler = EpochSampler(n, seed=5, shuffle=True)
        loader = EpochLoader(data or Keys(), sampler, batch_size=size, epochs=epochs, **options)
        made.append(loader)
        return loader

    yield make
    for loader in made:
        loader.__dict__.update(_ahead=None, _iterator=None)


def values(loader):
    return [batch["images"][:, 0, 0, 0].tolist() for batch in loader]


def plain(epoch, *, n=10, size=4, drop_last=False):
    """What torch's own loader gives."""
    sampler = EpochSampler(n, seed=5, shuffle=True, epoch=epoch)
    return values(
        DataLoader(Keys(), batch_size=size, sampler=sampler, collate_fn=collate, drop_last=drop_last)
    )


def test_epochs_are_those_of_a_plain_loader(make):
    loader = make()
    assert len(loader) == 3
    assert [values(loader) for _ in range(3)] == [plain(epoch) for epoch in range(3)]
    assert values(loader) == plain(3)  # one more than was told


def test_a_resumed_run_begins_with_its_epoch(make):
    loader = make()
    loader.set_epoch(2)
    assert values(loader) == plain(2)
    loader.set_epoch(1)  # and back again, although an epoch was to follow
    assert [values(loader), values(loader)] == [plain(1), plain(2)]


def test_an_epoch_that_was_left_begins_anew(make):
    loader = make()
    assert values(loader) == plain(0)
    for batch in loader:
        assert batch["labels"].tolist()
        break
    assert [values(loader), values(loader)] == [plain(1), plain(2)]


def test_a_batch_that_is_not_full_may_be_left_out(make):
    loader = make(n=9, drop_last=True)
    assert len(loader) == 2
    assert [values(loader), values(loader)] == [plain(epoch, n=9, drop_last=True) for epoch in (0, 1)]
    assert values(make(n=1, drop_last=True)) == []


def test_a_damaged_image_is_told_in_its_epoch(make):
    loader = make(Keys(fails=(1, 3)))
    assert values(loader) == plain(0)
    with pytest.raises(DataError, match="a damaged image"):
        values(loader)


def test_processes_go_on_to_the_next_epoch_but_not_past_the_last():
    data = Keys()
    sampler = EpochSampler(8, seed=5, shuffle=True)
    loader = EpochLoader(data, sampler, batch_size=2, epochs=2, num_workers=2, persistent_workers=True)
    values(loader)
    until = time.monotonic() + 20
    while data.asked[1] < 8 and time.monotonic() < until:
        time.sleep(0.02)
    assert list(data.asked)[:3] == [8, 8, 0]
    values(loader)
    assert list(data.asked)[:3] == [8, 8, 0]
