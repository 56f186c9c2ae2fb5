import io
import re
import sys

import pytest

from lesioncare import progress
from lesioncare.training import train
from lesioncare.training.epochs import EpochLines


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.slow
def test_the_bar_counts_epochs_from_one(options, tmp_path, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    train(options(), tmp_path / "run")
    shown = screen.getvalue()
    assert set(re.findall(r"Epoch [^:]*", shown)) == {"Epoch 1/2", "Epoch 2/2"}
    assert "train_loss=" in shown


@pytest.mark.slow
def test_a_pipe_gets_a_line_for_each_epoch(options, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    train(options(), tmp_path / "run")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]
    number = r"[0-9]+\.[0-9]{3}"
    assert len(lines) == 2
    for epoch, line in enumerate(lines, start=1):
        assert re.fullmatch(
            rf"Epoch {epoch}/2: train_loss {number}, validation_balanced_accuracy {number}", line
        )


@pytest.mark.slow
def test_a_training_that_goes_on_says_so_once_before_its_first_epoch(options, tmp_path, monkeypatch, capsys):
    def stop(_, trainer, *__):
        if trainer.current_epoch == 1:
            raise RuntimeError("a power cut")

    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(EpochLines, "on_train_epoch_start", stop)
        with pytest.raises(RuntimeError, match="a power cut"):
            train(options(), tmp_path / "run")
    assert "Going on" not in capsys.readouterr().out
    train(options(), tmp_path / "run")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("Epoch", "Going on"))]
    assert lines[0] == "Going on after epoch 1."
    assert [line.split(":")[0] for line in lines[1:]] == ["Epoch 2/2"]
