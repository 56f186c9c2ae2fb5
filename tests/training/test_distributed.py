"""Several processes that train together leave one run, as if there had been one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed

from lesioncare.data import EpochSampler
from lesioncare.data.synthetic import SyntheticConfig, write_dataset
from lesioncare.errors import ConfigError
from lesioncare.evaluation import RunResult
from lesioncare.training import TrainConfig


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


@pytest.mark.slow
def test_a_plain_loop_in_two_processes_learns_what_one_does(tmp_path):
    """The boxes lie with one of them; the other has none, and takes part all the same."""
    script = Path(__file__).parent / "ddp_loop.py"

    def start(rank, processes, out):
        words = [sys.executable, str(script), str(rank), str(processes), str(tmp_path / "store"), str(out)]
        return subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)

    runs = [start(0, 1, tmp_path / "one.pt"), *(start(rank, 2, tmp_path / "two.pt") for rank in range(2))]
    for run in runs:
        _, said = run.communicate(timeout=240)
        assert run.returncode == 0, said.decode()
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    for head, parameters in one.items():
        for name, value in parameters.items():
            torch.testing.assert_close(two[head][name], value, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_run_on_two_devices_equals_one_with_the_same_batches(tmp_path):
    (tmp_path / "plainnet.py").write_text(
        "from torch import nn\n\ndef make(num_classes):\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.GroupNorm(2, 8), nn.SiLU(),\n"
        "        nn.Conv2d(8, 12, 3, 2), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "        nn.Linear(12, num_classes))\n"
    )
    counts = {"common-mole": 12, "network": 9, "red-lacunae": 3}
    table = write_dataset(tmp_path / "data", SyntheticConfig(train_counts=counts, n_test=4, size=32))
    words = f"train {table} --model plainnet:make --image-size 32 --epochs 4 --validation 0 --accelerator cpu"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
    for more in ("--batch-size 8 --output one", "--batch-size 4 --devices 2 --output two"):  # rare boxes only
        done = subprocess.run(
            [sys.executable, "-m", "lesioncare", *words.split(), *more.split()],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-5)  # AdamW enlarges the last digits


def test_what_splits_the_weights_is_refused():
    with pytest.raises(ConfigError, match=r"fsdp is not supported: .* Use ddp"):
        TrainConfig.build(data={"table": "t.csv"}, schedule={"strategy": "fsdp"})
