import sys

import pytest

from lesioncare.cli import main


@pytest.fixture
def run(monkeypatch, capsys, one_thread):
    """Run the command line in this process; give its exit code and what it wrote to stdout and stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["lesioncare", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "120")
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return end.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture
def train_words(tiny):
    """Words of a train command that ends in a blink; the output is to be added."""
    words = "--model lesioncare.experiment.demo:small_network --image-size 32 --epochs 1 --validation 0"
    return ["train", tiny, *words.split(), "--accelerator", "cpu"]
