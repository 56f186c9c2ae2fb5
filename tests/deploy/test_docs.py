"""The programs of docs/deploy.md run as they stand there."""

import ast
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from lesioncare.data import find_images
from lesioncare.deploy import ExportedModel

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def place(exported, tiny, tmp_path, monkeypatch):
    """A folder with `exported`, `new_images` and `photo.jpg`."""
    shutil.copytree(exported.directory, tmp_path / "exported")
    (tmp_path / "new_images").mkdir()
    photo = min((tiny.parent / "images").glob("*.jpg"))
    for name in ("photo.jpg", "new_images/photo.jpg"):
        shutil.copy(photo, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:unclosed file")  # short programs leave files to the interpreter
def test_an_export_is_used_in_a_few_lines_with_and_without_lesioncare(place, capsys):
    with_it, without = PROGRAMS
    names: dict = {}
    exec(compile(with_it, "deploy.md", "exec"), names)
    model = ExportedModel(place / "exported")
    expected = model.predict(find_images(place / "new_images"))
    np.testing.assert_array_equal(names["logits"], expected)
    capsys.readouterr()  # how far the prediction is, where it takes long
    exec(compile(without, "deploy.md", "exec"), {})
    told = ast.literal_eval(capsys.readouterr().out)
    probabilities = softmax(expected[0] / model.manifest.temperature)
    assert tuple(told) == model.manifest.classes
    np.testing.assert_allclose(list(told.values()), probabilities, atol=0.02)  # Pillow rounds otherwise
