"""Ctrl-C: each command says what is true of it."""

import pytest
import typer
from PIL import Image

from lesioncare.cli.app import app

NETWORK = "--model lesioncare.experiment.demo:small_network --image-size 32"
GOES_ON, ANEW = "stopped. The same command goes on from here.", "stopped. The same command begins anew."
KEPT = "stopped. Every decision is kept; the same command goes on from here."
COMMANDS = {
    "audit": ("audit {run}", "training.apply.load_run", ANEW),
    "boxes check": ("boxes check b.csv", "boxes.formats.read_boxes", ANEW),
    "boxes control": ("boxes control b.csv c.json --images images", "boxes.formats.read_boxes", ANEW),
    "boxes convert": ("boxes convert b.csv c.json", "boxes.formats.read_boxes", ANEW),
    "boxes make": ("boxes make images --method border -o b.json", "boxes.generation.make_boxes", GOES_ON),
    "boxes review": ("boxes review b.csv --images images --no-browser", "review.serve.serve", KEPT),
    "boxes show": ("boxes show b.csv --images images", "boxes.formats.read_boxes", ANEW),
    "boxes stats": ("boxes stats b.csv", "boxes.formats.read_boxes", ANEW),
    "compare": (f"compare {{table}} --arms ce {NETWORK}", "experiment.run_comparison", GOES_ON),
    "data check": ("data check {table}", "data.quality.check_table", ANEW),
    "demo": ("demo", "experiment.demo.run_demo", GOES_ON),
    "evaluate": ("evaluate {run}", "evaluation.RunResult.load", ANEW),
    "export": ("export {run} -o new", "deploy.export.export_run", ANEW),
    "import": ("import folder images", "data.imports.import_dataset", ANEW),
    "predict": ("predict {run} images", "training.apply.load_run", ANEW),
    "report serve": (
        "report serve {run} --no-browser",
        "review.serve.serve",
        "stopped. The same command shows the page again, at another address.",
    ),
    "report write": ("report {run}", "report.build_report", ANEW),
    "segmenter card": ("segmenter card", "boxes.segmentation.file.read_spec", ANEW),
    "segmenter train": (
        "segmenter train images masks -o s.safetensors",
        "training.segmentation.train_segmenter",
        GOES_ON,
    ),
    "splits": ("splits {table}", "training.inputs.read_table", ANEW),
    "train": (f"train {{table}} {NETWORK} -o new", "training.train", GOES_ON),
}


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / folder / "a.png")
    (tmp_path / "b.csv").write_text("image,x1,y1,x2,y2\na.png,1,1,5,5\n")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_stopped_command_says_whether_it_goes_on(run, place, tiny, finished, monkeypatch, name):
    words, inside, said = COMMANDS[name]
    monkeypatch.setattr(f"lesioncare.{inside}", interrupt)
    code, _, errors = run(*words.format(table=tiny, run=finished).split())
    assert code == 130, errors
    assert errors.rstrip().endswith(said)


def test_a_run_that_replaces_another_goes_on_without_that_option(run, place, tiny, monkeypatch):
    monkeypatch.setattr("lesioncare.training.train", interrupt)
    code, _, errors = run("train", tiny, *NETWORK.split(), "-o", "new", "--overwrite")
    assert code == 130
    assert "The same command without --overwrite goes on from here." in errors


def test_no_command_is_forgotten():
    def names(group, before=""):
        for name, one in group.commands.items():
            if hasattr(one, "commands"):
                yield from names(one, f"{before}{name} ")
            else:
                yield f"{before}{name}"

    assert sorted(names(typer.main.get_command(app))) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("words", "inside"),
    [
        ("audit {run} --steps 0 --limit 4 --output new", "report.build_audit_report"),
        ("audit {run} --steps 0 --limit 4 --output new", "evaluation.audit.result.AuditResult.to_dict"),
        ("evaluate {run} {table} --output new", "report.build_report"),
    ],
)
def test_what_was_stopped_while_writing_begins_anew(run, place, tiny, finished, monkeypatch, words, inside):
    words = words.format(table=tiny, run=finished).split()
    with monkeypatch.context() as patch:
        patch.setattr(f"lesioncare.{inside}", interrupt)
        code, _, errors = run(*words)
        assert code == 130, errors
    code, _, errors = run(*words)
    assert code == 0, errors
    assert not list(place.glob(".*.tmp"))
