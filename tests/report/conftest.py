from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lesioncare.evaluation import RunResult
from lesioncare.report import build_report

from .helpers import PER_CLASS, Page, make_run


@pytest.fixture
def images(tmp_path) -> Path:
    """Two of every three test images; the others are gone."""
    folder = tmp_path / "images"
    folder.mkdir()
    for row in range(sum(PER_CLASS.values())):
        if row % 3:
            shade = (200, 120 + row, 100)
            Image.new("RGB", (40, 30), shade).save(folder / f"secret-name-{row}.png")
    return folder


@pytest.fixture
def plain(images) -> RunResult:
    return make_run(images)


@pytest.fixture
def care(images) -> RunResult:
    return make_run(images, "CARE", gain=1.5, energy=0.6, seed=1)


@pytest.fixture
def page(tmp_path) -> Callable[..., Page]:
    """Build the report of some runs and parse it."""

    def build(*runs, **options):
        return Page(build_report(runs, tmp_path / "out" / "report.html", **options).read_text("utf-8"))

    return build
