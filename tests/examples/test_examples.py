"""Every example runs, on drawn images and on its real data set; the documentation quotes them."""

import importlib.util
import os
import re
import runpy
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
DATA = Path(os.environ.get("LESIONCARE_DATA", ROOT.parent / "shared" / "data"))
MOST_LINES = 60
EXAMPLES = {
    # example -> packages beyond this package's own dependencies, data set
    "plain_pytorch": ((), "skin7_200x150"),
    "lightning_callback": ((), "skin7_200x150"),
    "odd_network": ((), "skin7_200x150"),
    "hf_trainer": (("transformers", "accelerate"), "skin7_200x150"),
    "skorch_net": (("skorch",), "skin7_200x150"),
    "fastai_learner": (("fastai",), "skin7_200x150"),
    "monai_busi": (("monai",), "busi"),
    "torchxrayvision_data": (("torchxrayvision",), "cxr_tbx11k"),
}
HELPERS = {"lesions", "busi", "tbx11k"}


def run(name, words, monkeypatch, capsys):
    """Run an example as a person would; give the losses that it prints."""
    for package in EXAMPLES[name][0]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install {package}")
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("LESIONCARE_DATA", str(DATA))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other libraries
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    told = re.search(r"loss with attention: (\S+) in the first 5 steps, (\S+) in", capsys.readouterr().out)
    for helper in HELPERS:
        sys.modules.pop(helper, None)
    return float(told[1]), float(told[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_on_drawn_images_the_loss_falls(name, monkeypatch, capsys, one_thread):
    first, last = run(name, ["--synthetic"], monkeypatch, capsys)
    assert last < first


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("name", EXAMPLES)
def test_on_real_images_the_loss_falls(name, monkeypatch, capsys, one_thread):
    folder = DATA / EXAMPLES[name][1]
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set LESIONCARE_DATA")
    first, last = run(name, [], monkeypatch, capsys)
    assert last < first


def test_without_the_data_an_example_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["plain_pytorch.py"])
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("LESIONCARE_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="set LESIONCARE_DATA, or give --synthetic"):
        runpy.run_path(str(FOLDER / "plain_pytorch.py"), run_name="__main__")
    sys.modules.pop("lesions", None)


def test_every_example_is_tested_and_short():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(EXAMPLES) | HELPERS
    for name in EXAMPLES:
        lines = (FOLDER / f"{name}.py").read_text("utf-8").splitlines()
        assert len(lines) <= MOST_LINES, name


def test_the_documentation_quotes_the_examples_as_they_are():
    page = (ROOT / "docs" / "integrations.md").read_text("utf-8")
    quotes = re.findall(r"<!-- (\w+)\.py -->\n```python\n(.*?)```", page, re.DOTALL)
    assert {name for name, _ in quotes} == set(EXAMPLES)
    for name, quote in quotes:
        assert quote in (FOLDER / f"{name}.py").read_text("utf-8"), name
