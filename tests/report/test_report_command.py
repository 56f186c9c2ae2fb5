import shlex
import sys

import pytest
from typer.testing import CliRunner

from lesioncare.cli.app import app
from lesioncare.report.command import command_line
from lesioncare.training import TrainConfig

PLAIN = {"data": {"table": "table.csv"}}
RICH = {
    "data": {
        "table": "my table.csv",
        "image_root": "all images",
        "box_file": "boxes.csv",
        "group_column": "patient; rm -rf",
        "box_columns": ("x0", "y0", "x1", "y1"),
        "box_unit": "pixel",
        "rare": ("DF", "vascular lesion"),
        "check_images": False,
        "fold": 2,
    },
    "model": {
        "name": "resnet18",
        "weights": "none",
        "image_size": (192, 256),
        "freeze": "auto",
        "cache": "never",
    },
    "schedule": {
        "epochs": 3,
        "learning_rate": 1e-4,
        "augment": "dermoscopy",
        "precision": "32-true",
        "select": "best",
        "patience": 2,
    },
    "attention": {"loss": "energy", "attend": "all", "alpha": 0.25, "outer": "distance"},
    "remedy": {"method": "tau-norm", "norm_tau": 0.5, "beta": 0.99},
}


@pytest.mark.parametrize("parts", [PLAIN, RICH])
def test_the_command_makes_the_same_settings_again(parts, monkeypatch):
    taken = {}
    monkeypatch.setattr(
        sys.modules["lesioncare.cli.train"], "_run", lambda parts, *_, **__: taken.update(parts)
    )
    monkeypatch.setattr("lesioncare.cli.options.tell_columns", lambda *_: None)  # there is no such table
    config = TrainConfig.build(**parts)
    program, *arguments = shlex.split(command_line(config.to_json()).replace("\\\n", ""))
    outcome = CliRunner().invoke(app, arguments)
    assert program == "lesioncare"
    assert outcome.exit_code == 0, outcome.output
    assert TrainConfig.build(**taken) == config


def test_settings_from_before_there_were_remedies_give_their_command():
    settings = TrainConfig.build(**RICH).to_json()
    del settings["remedy"]
    assert "--attention energy" in command_line(settings)
    assert "--remedy" not in command_line(settings)


def test_other_settings_give_no_command():
    assert command_line({}) == ""
    assert command_line({"data": {"table": "t.csv"}, "seed": 0}) == ""
