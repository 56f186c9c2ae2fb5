"""The table that `train`, `evaluate` and `report` print."""

from dataclasses import replace

import numpy as np
import pytest

from lesioncare.cli.show import show_results
from lesioncare.evaluation import RunResult

BRACKETS = "In brackets: how many of the images with a box have a map with a positive part"


@pytest.fixture
def shown(finished, capsys, monkeypatch):
    """Print a finished run of which only the first so many common test images have a positive map."""
    monkeypatch.setenv("COLUMNS", "120")
    run = RunResult.load(finished)

    def shown(positive):
        found = run.predictions
        common = np.flatnonzero(~np.isin(found.target, [run.classes.index(name) for name in run.rare]))
        energy = np.full(len(found), 0.5)
        energy[common[positive:]] = np.nan
        show_results([replace(run, predictions=replace(found, energy=energy))])
        return " ".join(capsys.readouterr().out.replace("\u2502", " ").split()), len(common)

    return shown


@pytest.mark.parametrize(("positive", "energy"), [(2, "50.0 %"), (0, "-")])
def test_an_energy_of_some_images_alone_says_of_how_many(shown, positive, energy):
    said, common = shown(positive)
    assert f"energy in box, common {energy} ({positive} of {common})" in said
    assert "energy in box, rare 50.0 % energy" in said
    assert said.count(BRACKETS) == 1


def test_an_energy_of_all_images_has_no_brackets(shown):
    said, common = shown(10_000)
    assert "energy in box, common 50.0 %" in said
    assert f"of {common})" not in said
    assert BRACKETS not in said
