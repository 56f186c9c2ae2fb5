"""Several processes that train together leave one run, as if there had been one."""

import os
import subprocess
import sys

import numpy as np
import pytest
from torch import distributed

from lesioncare.data import EpochSampler
from lesioncare.evaluation import RunResult


@pytest.mark.slow
def test_two_processes_train_one_network_and_test_it_once(tiny, tmp_path):
    words = f"train {tiny} --model lesioncare.experiment.demo:small_network --image-size 32 --epochs 2"
    words += " --batch-size 4 --validation 0.2 --attend all --accelerator cpu --devices 2 --output run"
    command = [sys.executable, "-m", "lesioncare", *words.split()]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    result = RunResult.load(tmp_path / "run")
    assert len(result.predictions) == 12
    assert result.history["epoch"].tolist() == [0, 1]
    assert np.isfinite(result.predictions.logits).all()
    assert done.stdout.count("Report:") == 1
    assert (tmp_path / "run" / "report.html").exists()


def test_shares_of_a_shuffled_order_are_even_and_cover_it(monkeypatch):
    whole = list(EpochSampler(7, seed=3, shuffle=True, epoch=2))
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        sampler = EpochSampler(7, seed=3, shuffle=True, epoch=2)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1]) == 3
        assert list(EpochSampler(4, seed=3, shuffle=False)) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert {key for share in shares for key in share} == set(whole)
    assert shares[0][0] == whole[0]
    assert shares[1][0] == whole[1]
