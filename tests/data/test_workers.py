import os
from types import SimpleNamespace

import pytest
import torch

from lesioncare.data import workers
from lesioncare.data.workers import auto_workers, limit_cores, usable_cores

MEGABYTE = 2**20


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many cores, torch threads, and free bytes of shared memory."""

    def build(cores, threads=1, shared=2**40):
        monkeypatch.setattr(workers, "usable_cores", lambda: cores)
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        free = SimpleNamespace(f_bavail=shared // 4096, f_frsize=4096)
        monkeypatch.setattr(os, "statvfs", lambda path: free)

    return build


@pytest.mark.parametrize(
    ("cores", "threads", "on_cpu", "expected"),
    [
        (16, 16, False, 15),
        (64, 64, False, 16),
        (16, 16, True, 15),
        (2, 2, False, 1),
        (2, 2, True, 0),  # both cores compute
        (2, 1, True, 1),
        (1, 1, True, 0),
        (1, 1, False, 0),
    ],
)
def test_all_cores_less_one_load_images(machine, cores, threads, on_cpu, expected):
    machine(cores, threads)
    assert auto_workers(10_000, MEGABYTE, on_cpu=on_cpu) == expected


def test_a_few_images_need_no_worker(machine):
    machine(16)
    assert auto_workers(300, MEGABYTE, on_cpu=False) == 0
    assert auto_workers(301, MEGABYTE, on_cpu=False) == 15


def test_no_more_workers_than_shared_memory_has_room_for(machine):
    machine(16, shared=64 * MEGABYTE)  # a container's: half of it holds three batches of each worker
    assert auto_workers(10_000, 5 * MEGABYTE, on_cpu=False) == 2
    assert auto_workers(10_000, 11 * MEGABYTE, on_cpu=False) == 0


def test_processes_that_share_the_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr(workers, "_limit", None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert usable_cores() == 12
    limit_cores(4)
    assert usable_cores() == 4
    limit_cores(99)
    assert usable_cores() == 12


def test_trainings_on_several_devices_share_the_cores(machine):
    machine(16)
    assert auto_workers(10_000, MEGABYTE, on_cpu=False, sharing=4) == 3
