"""A run that was killed ends, by the same command, as if it had never been stopped."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lesioncare.cli import main
from lesioncare.evaluation import RunResult

NETWORK = """
import time
from torch import nn

class Stem(nn.Conv2d):
    def forward(self, x):
        time.sleep(0.03)  # so that there is time to kill it
        return super().forward(x)

def make(num_classes):
    return nn.Sequential(
        Stem(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, 2), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Dropout2d(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(12, num_classes),
    )
"""


@pytest.fixture
def command(tiny, tmp_path, monkeypatch):
    """Words of a train command for a network that drops out at random; its output comes last."""
    (tmp_path / "slownet.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slownet", raising=False)
    words = f"train {tiny} --model slownet:make --image-size 32 --epochs 8 --batch-size 8 --validation 0.2"
    return [*words.split(), "--accelerator", "cpu", "--attend", "all", "--augment", "dermoscopy"]


def kill_once(command, output, appears):
    """Start the command in a process of its own and kill it when a file appears in its output."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "lesioncare", *command, "--output", str(output)]
    with subprocess.Popen(
        words, cwd=output.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and not any(output.glob(appears)) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        printed = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, printed
    assert not (output / "result.json").exists()


def finish(command, output, monkeypatch):
    """Run the command in this process, to its end."""
    monkeypatch.setattr(sys, "argv", ["lesioncare", *command, "--output", str(output)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    return RunResult.load(output)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "appears"),
    [
        ([], "checkpoints/last.ckpt"),
        (["--augment-on", "batch"], "checkpoints/last.ckpt"),
        (["--freeze", "2", "--views", "4"], "features/train/*/view1.npy"),
        (["--freeze", "2", "--views", "2"], "checkpoints/last.ckpt"),
        (["--freeze", "2", "--views", "2", "--workers", "1"], "checkpoints/last.ckpt"),
    ],
    ids=["training", "on-whole-batches", "caching", "training-on-cached-features", "with-a-worker"],
)
def test_a_killed_run_ends_as_if_it_had_not_been_stopped(command, tmp_path, monkeypatch, more, appears):
    kill_once([*command, *more], tmp_path / "killed", appears)
    resumed = finish([*command, *more], tmp_path / "killed", monkeypatch)
    whole = finish([*command, *more], tmp_path / "whole", monkeypatch)
    assert resumed.history["epoch"].tolist() == list(range(8))
    assert resumed.history.equals(whole.history)
    for name in ("model.safetensors", "predictions.csv", "history.csv", "maps.npz"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "killed" / "features").exists()


@pytest.mark.slow
def test_an_interrupted_run_is_not_taken_for_a_complete_one(command, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "lesioncare", *command, "--output", "run"]
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while process.poll() is None and not any(tmp_path.glob("run/checkpoints/last.ckpt")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        printed = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "stopped. The same command goes on from here." in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "run" / "result.json").exists()
