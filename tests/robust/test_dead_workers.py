"""A process that loads images and dies is told in one message, and not waited for."""

import os
import signal

import pytest

from lesioncare.data import pixels
from lesioncare.errors import RunError
from lesioncare.training import train


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
