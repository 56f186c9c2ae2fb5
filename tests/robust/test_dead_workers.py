"""A process that dies is told in one message, and not waited for; what was finished is kept."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lesioncare.data import pixels
from lesioncare.errors import RunError
from lesioncare.experiment import Comparison
from lesioncare.training import train

from .processes import NETWORK, TRAINING, all_end, children


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking a process that has threads
@pytest.mark.parametrize("freeze", ["none", "5"], ids=["training", "caching-features"])
def test_a_dead_loader_is_an_error_and_not_a_hang(options, tmp_path, monkeypatch, freeze):
    here, read = os.getpid(), pixels.read_image

    def dying(path):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(path)

    monkeypatch.setattr(pixels, "read_image", dying)
    config = options(
        model={"freeze": freeze, "cache": "auto" if freeze == "5" else "never"}, schedule={"workers": 1}
    )
    with pytest.raises(RunError, match=r"process that loads images died.*same command goes on.*--workers"):
        train(config, tmp_path / "run")
    monkeypatch.setattr(pixels, "read_image", read)
    assert train(config, tmp_path / "run").history["epoch"].tolist() == [0, 1]


@pytest.mark.slow
def test_a_dead_worker_of_a_comparison_is_told_and_the_same_command_goes_on(settings, tiny, tmp_path):
    settings()  # whose table is folds.csv
    (tmp_path / "slownet.py").write_text(NETWORK)
    words = f"compare folds.csv --images {tiny.parent} --arms ce,care-all --folds 2 --workers 2 --threads 1 "
    words += TRAINING.replace("--epochs 30", "--epochs 8") + " --rare red-lacunae --output out"

    def start():
        return subprocess.Popen(
            [sys.executable, "-m", "lesioncare", *words.split()],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    with start() as process:
        deadline = time.monotonic() + 300
        while process.poll() is None and not (done := _finished(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.01)
        left = children(process.pid)
        os.kill(children(process.pid, doing="spawn_main")[0], signal.SIGKILL)
        printed = process.communicate(timeout=120)[0]
    assert process.returncode == 2, printed
    assert "A worker process died" in printed
    assert "the same command goes on" in printed
    assert "Traceback" not in printed
    assert all_end(left)
    assert 1 <= len(done) <= len(_finished(tmp_path)) < 4
    with start() as process:
        printed = process.communicate(timeout=600)[0]
    assert process.returncode == 0, printed
    assert Comparison.load(tmp_path / "out").complete
    assert done.items() <= _finished(tmp_path).items()


def _finished(place):
    return {path: path.stat().st_mtime_ns for path in place.glob("out/cells/*/*/result.json")}
