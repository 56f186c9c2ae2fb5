"""Every example of the tour, the how-to pages and the method runs, in the page's order, on drawn images.

Nothing is replaced in a command: a few options are added at its end, where the last one counts, so that a
training ends in a second, needs no GPU and no network. Servers end at once, and Ray's work is done in this
process (that Ray gives the same has tests of its own).
"""

import subprocess
import sys

import pytest

from lesioncare.boxes.generation import run_in_processes
from lesioncare.cli import main
from lesioncare.data.synthetic import SyntheticConfig
from lesioncare.experiment import InOrder

from .examples import PAGES, examples

COUNTS = {"common-mole": 24, "network": 12, "red-lacunae": 6}

pytestmark = pytest.mark.slow

TINY = "--model test_resnet --weights none --image-size 64 --epochs 1 --batch-size 16 --accelerator cpu"
ADDED = {
    "train": f"{TINY} --devices 1 --workers 0",
    "compare": f"{TINY} --folds 0/3 --seeds 1 --threads 1",
    "segmenter train": "--epochs 1 --image-size 64 --accelerator cpu",
    "boxes review": "--no-browser",
    "audit": "--limit 6",
}
OWN_NETWORK = "--weights none --image-size 64 --epochs 1 --batch-size 16 --accelerator cpu"
ELSEWHERE = ("pip install", "ray start", "unset ", "fold=")
"""Commands that are no business of lesioncare's."""


def added(words):
    """The options that make a command small."""
    if any(":" in word and word.endswith("build") for word in words):
        return OWN_NETWORK.split()
    name = next((name for name in ADDED if " ".join(words).startswith(name)), None)
    return ADDED[name].split() if name else []


@pytest.fixture
def lesioncare(monkeypatch, one_thread, capsys):
    """Run one command in this process, small."""
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    monkeypatch.setattr("lesioncare.experiment.demo.SyntheticConfig", small_demo)
    monkeypatch.setattr("lesioncare.experiment.OnRay", lambda _address, _workers, threads: InOrder(threads))
    monkeypatch.setattr("lesioncare.boxes.generation.run_on_ray", without_ray)

    def run(words):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["lesioncare", *words, *added(words)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code, f"{' '.join(words)}: {capsys.readouterr().err}"

    return run


def without_ray(maker, chunks, workers, address):
    return run_in_processes(maker, chunks, 1)


def small_demo(size, seed):
    return SyntheticConfig(train_counts=COUNTS, n_test=3, size=size, seed=seed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page, place, lesioncare, monkeypatch):
    monkeypatch.syspath_prepend(str(place))
    names = {"__name__": "example"}
    for example in examples(page):
        if example.title:
            (place / example.title).write_text(example.text, "utf-8")
        if example.kind == "python":
            exec(compile(example.text, str(page), "exec", dont_inherit=True), names)
        elif example.kind == "bash":
            subprocess.run(["bash", "-n", example.title], check=True)
        if example.kind in ("console", "bash"):
            for words in example.commands:
                if not " ".join(words).startswith(ELSEWHERE):
                    assert words[0] == "lesioncare"
                    lesioncare([word.replace("$fold", "1") for word in words[1:]])
    sys.modules.pop("mynet", None)
