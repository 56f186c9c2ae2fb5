"""The same comparison, whoever trains its cells."""

import os
import sys
import warnings

import pytest

from lesioncare.errors import ConfigError, RunError
from lesioncare.experiment import ComparisonConfig, InOrder, InProcesses, OnRay, run_comparison
from lesioncare.experiment.runners import gpu_of, share_of_cores

DEADLY = """
import os, signal
from lesioncare.experiment.demo import small_network

def make(num_classes):
    if os.environ["TEST_MAIN"] != str(os.getpid()):
        os.kill(os.getpid(), signal.SIGKILL)
    return small_network(num_classes)
"""


def files(directory):
    names = ("model.safetensors", "predictions.csv", "maps.npz", "cells.csv", "pairs.csv")
    found = [path for name in names for path in directory.rglob(name)]
    return {path.relative_to(directory): path.read_bytes() for path in found}


@pytest.fixture
def plan(settings):
    model = settings()["model"] | {"freeze": "5", "views": 2}
    return ComparisonConfig.build(settings(model=model))


@pytest.mark.slow
def test_two_processes_give_the_same(plan, tmp_path):
    run_comparison(plan, tmp_path / "one", runner=InOrder(threads=1))
    told = []
    pool = InProcesses(2, threads=1)
    run_comparison(plan, tmp_path / "two", runner=pool, progress=lambda cell, *_: told.append(str(cell)))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert sorted(told) == sorted(str(cell) for cell in plan.cells)


@pytest.mark.slow
def test_two_ray_workers_give_the_same(plan, tmp_path):
    pytest.importorskip("ray", reason="needs the extra lesioncare[ray]")
    run_comparison(plan, tmp_path / "one", runner=InOrder(threads=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        run_comparison(plan, tmp_path / "ray", runner=OnRay("local", workers=2, threads=1))
    assert files(tmp_path / "one") == files(tmp_path / "ray")


def test_ray_is_an_extra(plan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"lesioncare\[ray\]"):
        run_comparison(plan, tmp_path / "c", runner=OnRay())


@pytest.mark.slow
def test_a_worker_that_dies_is_reported(settings, tmp_path, monkeypatch):
    (tmp_path / "deadlynet.py").write_text(DEADLY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TEST_MAIN", str(os.getpid()))
    model = settings()["model"] | {"name": "deadlynet:make"}
    plan = ComparisonConfig.build(settings(model=model))
    with pytest.raises(RunError, match=r"A worker process died .* Finished cells are kept"):
        run_comparison(plan, tmp_path / "c", runner=InProcesses(2, threads=1))


@pytest.mark.slow
def test_what_a_worker_cannot_do_is_said_with_the_cell(settings, tmp_path):
    arms = {"wild": {"schedule": {"learning_rate": 1e30}}}
    plan = ComparisonConfig.build(settings(arms=arms))
    with pytest.raises(RunError, match=r"(?s)2 of 2 cells failed.*wild, fold 1, seed 0: The loss became"):
        run_comparison(plan, tmp_path / "c", runner=InProcesses(2, threads=1))


@pytest.mark.parametrize(
    ("visible", "gpus", "expected"),
    [(None, 2, ["0", "1", "0"]), ("", 3, ["0", "1", "2"]), ("5, GPU-ab", 2, ["5", "GPU-ab", "5"])],
)
def test_workers_are_dealt_the_gpus_in_turn(monkeypatch, visible, gpus, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu_of(worker, gpus) for worker in range(3)] == expected


@pytest.mark.parametrize(("given", "workers", "threads"), [(12, 3, 4), (12, 5, 2), (2, 3, 1)])
def test_workers_share_the_cores_that_this_process_may_use(monkeypatch, given, workers, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(given)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)  # the machine's, of which a job has a part
    assert share_of_cores(workers) == threads
