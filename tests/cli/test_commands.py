import csv
import io
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
from typer.testing import CliRunner

from lesioncare.cli.app import app
from lesioncare.data import Columns, assign_folds, load_table
from lesioncare.evaluation import RunResult

COMMANDS = ["demo", "train", "evaluate", "audit", "predict", "export", "report", "splits"]


def title(page):
    """The text of a page's title, by a parser that knows what is markup and what is text."""
    found = []

    class Reader(HTMLParser):
        def handle_data(self, data):
            if self.get_starttag_text() == "<title>":
                found.append(data)

    Reader().feed(page)
    return found[0].strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_how_to_call_it(command):
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "100"})
    assert shown.exit_code == 0
    assert f"lesioncare {command} " in shown.output.split("Examples")[1]


def test_help_lists_the_commands_and_is_shown_without_any():
    alone = CliRunner().invoke(app, [])
    asked = CliRunner().invoke(app, ["-h"])
    assert asked.exit_code == 0
    assert all(f" {name} " in asked.output for name in COMMANDS)
    assert alone.output.split() == asked.output.split()


SUBCOMMANDS = [
    *("report write", "report serve", "data check", "segmenter train", "segmenter card"),
    *(f"boxes {name}" for name in ("make", "review", "convert", "show", "stats", "check")),
]


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_the_help_of_a_subcommand_shows_examples_and_whole_paragraphs(command):
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "400"}).output
    assert f"lesioncare {command.removesuffix(' write')} " in shown.split("Examples")[1]
    said = shown[: shown.index(" Arguments ")].splitlines()[2:]
    sentences = [line.strip() for line in said if line.strip(" \u2500\u256d\u256e")]
    assert all(line.endswith(".") for line in sentences)


def test_help_wraps_paragraphs_as_a_whole():
    shown = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "80"}).output
    text = shown[shown.index("The table needs") : shown.index("Arguments")]
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 3]
    assert all(len(line) > 55 for line in lines[:-2])


def test_splits_shows_and_writes_the_folds_that_training_uses(run, tiny, tmp_path):
    code, shown, _ = run("splits", tiny, "--folds", 3, "--output", tmp_path / "folds.csv")
    assert code == 0
    with (tmp_path / "folds.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    table = load_table(tiny, Columns(group="group"))
    expected = assign_folds(table.labels, table.groups, n_folds=3, seed=0)
    assert list(rows[0]) == ["image", "label", "group", "fold"]
    assert [int(row["fold"]) for row in rows] == expected.tolist()
    assert [row["image"] for row in rows] == table.frame["image"].tolist()
    assert rows[0]["label"] == "common-mole"
    groups = pd.DataFrame(rows).groupby("group")["fold"].nunique()
    assert (groups == 1).all()
    assert "red-lacunae" in shown
    assert "fold 2" in shown


def test_splits_shows_class_names_that_look_like_markup(run, tiny, tmp_path):
    text = tiny.read_text().replace(",network,", ",[/b] [red]x,").replace(",common-mole,", ",<script>,")
    (tmp_path / "table.csv").write_text(text)
    code, shown, errors = run("splits", tmp_path / "table.csv", "--images", tiny.parent, "--folds", 2)
    assert code == 0, errors
    assert "[/b] [red]x" in shown


def test_train_evaluate_predict_report(run, train_words, tiny, tmp_path):
    """What a newcomer does, in this order."""
    code, shown, errors = run(*train_words, "--output", tmp_path / "run")
    assert code == 0, errors
    for words in ("recall of red-lacunae (rare)", "balanced accuracy", "no interval: the smallest class"):
        assert words in shown
    assert f"Report: {tmp_path / 'run' / 'report.html'}" in shown
    assert title((tmp_path / "run" / "report.html").read_text("utf-8"))

    code, again, _ = run("evaluate", tmp_path / "run")
    assert code == 0
    numbers = again.splitlines()
    assert len(numbers) > 10
    assert numbers == shown.splitlines()[-len(numbers) - 1 : -1]

    elsewhere = tmp_path / "elsewhere"
    code, shown, errors = run("evaluate", tmp_path / "run", tiny, "--output", elsewhere)
    assert code == 0, errors
    assert "has learnt from 25 of these 37 images" in shown
    assert len(RunResult.load(elsewhere).predictions) == 37
    assert (elsewhere / "report.html").is_file()

    (tmp_path / "new").mkdir()
    for image in ("test-network-0000-0.jpg", "test-red-lacunae-0000-0.jpg"):
        shutil.copy(tiny.parent / "images" / image, tmp_path / "new")
    code, shown, errors = run("predict", tmp_path / "run", tmp_path / "new", "-o", tmp_path / "p.csv")
    assert code == 0, errors
    assert "Predictions of 2 images: " in shown
    code, _, errors = run("predict", tmp_path / "run", tmp_path / "new", "-o", tmp_path / "p.csv")
    assert code == 2
    assert "already there" in errors
    frame = pd.read_csv(tmp_path / "p.csv")
    assert frame["image"].tolist() == ["test-network-0000-0.jpg", "test-red-lacunae-0000-0.jpg"]
    assert frame.filter(like="probability:").sum(axis=1).tolist() == pytest.approx([1, 1])

    code, shown, errors = run("report", tmp_path / "run", "--output", tmp_path / "r.html", "--title", "A < B")
    assert code == 0, errors
    assert title((tmp_path / "r.html").read_text("utf-8")) == "A < B"


@pytest.fixture
def control(run, tiny, tmp_path):
    """A file of control boxes of the tiny table's images."""
    assert run("boxes", "convert", tiny, tmp_path / "true.csv", "--images", tiny.parent)[0] == 0
    words = ("boxes", "control", tmp_path / "true.csv", tmp_path / "anywhere.csv", "--images", tiny.parent)
    assert run(*words)[0] == 0
    return tmp_path / "anywhere.csv"


def test_boxes_of_a_control_are_said_to_be_one(run, train_words, control, tiny, tmp_path):
    code, shown, errors = run(*train_words, "--boxes", control, "--output", tmp_path / "run")
    assert code == 0, errors
    columns, boxes = shown.splitlines()[:2]
    assert columns.endswith("split (part).")  # not the table's boxes, which are not read
    assert boxes.startswith("Attention learns from 37 boxes on 37 of 37 images (control, anywhere 37), of")
    for words in ("learnt from control boxes", "is judged by control boxes", "--test-boxes FILE"):
        assert words in " ".join(shown.split())
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "judged by control boxes" in page
    assert "Looks at the control boxes" in page
    assert "of the map lies in the control box" in page
    code, _, errors = run("audit", tmp_path / "run", "--output", tmp_path / "audit")
    assert code == 2
    assert "something else would be hidden" in " ".join(errors.split())
    code, shown, errors = run("evaluate", tmp_path / "run", tiny)  # whose own columns are the lesions'
    assert code == 0, errors
    assert "learnt from control boxes" in " ".join(shown.split())
    assert "judged by control" not in " ".join(shown.split())


def test_a_control_is_told_where_the_lesions_judge(run, train_words, control, tmp_path):
    words = ("--boxes", control, "--test-boxes", "table", "--output", tmp_path / "run")
    code, shown, errors = run(*train_words, *words)
    assert code == 0, errors
    assert "learnt from control boxes" in " ".join(shown.split())
    assert "judged by control" not in " ".join(shown.split())
    assert "lesion's box" in (tmp_path / "run" / "report.html").read_text("utf-8").replace("&#39;", "'")


def test_a_baseline_trains_both_and_compares(run, train_words, tiny, tmp_path):
    code, shown, errors = run(*train_words, "--output", tmp_path / "pair", "--baseline", "--freeze", "5")
    assert code == 0, errors
    assert shown.index("Training: no attention") < shown.index("Training: CARE")
    said = f"Attention learns from 37 boxes on 37 of 37 images, of {tiny}."
    assert shown.index(said) < shown.index("Training: no attention")
    assert shown.count("Attention learns from") == 1
    assert RunResult.load(tmp_path / "pair" / "without").name == "no attention"
    assert RunResult.load(tmp_path / "pair" / "with").name == "CARE, all classes"
    assert not (tmp_path / "pair" / "features").exists()
    code, _, errors = run(
        "report", tmp_path / "pair" / "without", tmp_path / "pair" / "with", "-o", tmp_path / "r.html"
    )
    assert code == 0, errors


def test_a_remedy_is_chosen_by_name(run, train_words, tmp_path):
    words = [*train_words, "--remedy", "balanced-softmax", "--attend", "all"]
    code, _, errors = run(*words, "--output", tmp_path / "run")
    assert code == 0, errors
    result = RunResult.load(tmp_path / "run")
    assert result.name == "balanced softmax + CARE, all classes"
    assert result.config["remedy"]["method"] == "balanced-softmax"
    code, _, errors = run(*train_words, "--remedy", "prayer", "--output", tmp_path / "other")
    assert code == 2
    assert all(name in errors for name in ("--remedy", "'balanced-softmax'", "'lws'", "'prayer'"))
    code, _, errors = run(*train_words, "--select", "best", "--output", tmp_path / "other")
    assert code == 2
    assert "--select best needs validation images" in errors.replace("\n", " ")
    assert not (tmp_path / "other").exists()


def test_several_layers_are_guided_and_the_first_one_is_shown(run, train_words, tmp_path):
    words = [*train_words, "--cam", "layer-cam", "--attend", "all"]
    layers = ["--target-layer", "11", "--target-layer", "8, 5"]
    code, _, errors = run(*words, *layers, "--output", tmp_path / "run")
    assert code == 0, errors
    result = RunResult.load(tmp_path / "run")
    assert result.config["found"] == {"target_layer": "11, 8, 5", "closed_form": False}
    assert result.config["model"]["target_layer"] == ["11", "8", "5"]
    assert result.maps.shape == (12, 4, 4)
    for wrong, message in (
        (["--target-layer", "11,11"], "each once"),
        (["--target-layer", "11,nowhere"], "no layer 'nowhere'"),
        (["--cam", "score-cam"], "--cam"),
    ):
        code, _, errors = run(*train_words, *wrong, "--output", tmp_path / "other")
        assert code == 2
        assert message in " ".join(errors.split())
    assert not (tmp_path / "other").exists()


def test_the_same_command_again_only_shows_the_run(run, train_words, tmp_path):
    words = [*train_words, "--output", tmp_path / "run"]
    first = run(*words)
    when = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
    assert run(*words)[1].endswith(first[1][first[1].index("┏") :])
    assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == when


def test_a_bad_command_can_be_corrected(run, train_words, tmp_path):
    words = [*train_words, "--output", tmp_path / "run"]
    assert run(*words, "--rare", "nothing")[0] == 2
    assert run(*words, "--rare", "network")[0] == 0
    assert RunResult.load(tmp_path / "run").rare == ("network",)


def test_columns_split_and_boxes_can_be_named(run, train_words, tiny, tmp_path):
    """Odd column names, fractions of the image, and no usual name to guess."""
    frame = pd.read_csv(tiny)
    for column in ("x1", "y1", "x2", "y2"):
        frame[column] /= 32
    names = {"image": "scan", "label": "what is it", "group": "who", "split": "part"}
    names |= {"x1": "links", "y1": "oben", "x2": "rechts", "y2": "unten"}
    stream = io.StringIO()
    frame.rename(columns=names).drop(columns="artefacts").to_csv(stream, index=False, sep=";")
    (tmp_path / "table.csv").write_text(stream.getvalue())
    words = ["train", tmp_path / "table.csv", *train_words[2:], "--images", tiny.parent, "--output"]
    columns = ["--image-column", "scan", "--label-column", "what is it", "--group-column", "who"]
    columns += ["--split-column", "part", "--box-columns", "links, oben,rechts,unten"]
    code, _, errors = run(*words, tmp_path / "run", *columns)
    assert code == 0, errors
    assert run(*train_words, "--output", tmp_path / "plain")[0] == 0
    odd, plain = RunResult.load(tmp_path / "run").predictions, RunResult.load(tmp_path / "plain").predictions
    assert odd.image.tolist() == plain.image.tolist()
    assert odd.group.tolist() == plain.group.tolist()
    assert all(abs(a - b).max() < 1e-3 for a, b in zip(odd.boxes, plain.boxes, strict=True))
    code, _, errors = run(*words, tmp_path / "pixels", *columns, "--box-unit", "pixel")
    assert code in (0, 2)  # boxes under one pixel may be refused, but never in a traceback
    assert "Traceback" not in errors


def test_a_model_in_the_current_folder_is_found(run, train_words, tmp_path, monkeypatch):
    (tmp_path / "net_of_mine.py").write_text("from lesioncare.experiment.demo import small_network as make\n")
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(*train_words, "--model", "net_of_mine:make", "--output", "run")
    assert code == 0, errors


def test_a_table_without_groups_is_said_to_have_none(run, tiny, tmp_path):
    table = tiny.read_text("utf-8").replace(",group,", ",series,", 1)
    (tiny.parent / "ungrouped.csv").write_text(table, "utf-8")
    code, shown, errors = run("splits", tiny.parent / "ungrouped.csv", "--folds", "2")
    assert code == 0, errors
    assert "No group column" in shown
    assert "series" in shown
    code, shown, _ = run("splits", tiny, "--folds", "2")
    assert "No group column" not in shown


def test_a_network_with_one_answer_is_said_to_have_one(run, train_words, tiny, tmp_path, monkeypatch):
    (tmp_path / "constant.py").write_text(
        "import torch\n\n"
        "class Constant(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.bias = torch.nn.Parameter(torch.tensor([0.0, 0.0, 9.0]))\n\n"
        "    def forward(self, images):\n"
        "        return self.bias.expand(len(images), 3)\n\n"
        "def make(num_classes):\n"
        "    return Constant()\n"
    )
    monkeypatch.chdir(tmp_path)
    words = [*train_words, "--model", "constant:make", "--attention", "none", "--output", "run"]
    code, shown, errors = run(*words)
    assert code == 0, errors
    said = "The network calls every image red-lacunae: its recall of that class says nothing"
    assert said in " ".join(shown.split())
    assert said in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert said in " ".join(run("evaluate", "run")[1].split())


def test_the_columns_that_are_read_are_told(run, train_words, tiny, tmp_path):
    frame = pd.read_csv(tiny)
    frame.rename(columns={"image": "image_id", "label": "dx"}).to_csv(tiny.parent / "named.csv", index=False)
    told = "Columns read: image_id (image), dx (class), group (lesion or patient)"
    for command in (("splits", "--folds", "2"), ("data", "check"), ("train", *train_words[2:])):
        words = [command[0], *([command[1]] if command[0] == "data" else [])]
        rest = command[len(words) :]
        where = ("--output", tmp_path / "run") if command[0] == "train" else ()
        code, shown, errors = run(*words, tiny.parent / "named.csv", *rest, *where)
        assert code == 0, errors
        [line] = [line for line in shown.splitlines() if line.startswith("Columns read")]
        assert line.startswith(told)
        if command[0] != "splits":
            assert line == f"{told}, split (part), x1, y1, x2, y2 (box)."
    code, shown, _ = run("splits", tiny.parent / "named.csv", "--folds", "2", "--group-column", "dx")
    assert "dx (lesion or patient)" in shown


def test_sentences_are_whole_lines_where_no_terminal_is(run, train_words, tmp_path):
    """A log is searched, and a broken sentence is not found."""
    code, shown, errors = run(*train_words, "--output", tmp_path / "run")
    assert code == 0, errors
    [line] = [line for line in shown.splitlines() if line.startswith("Balanced accuracy: ")]
    assert len(line) > 90
    assert line.endswith("6 are needed.")


def test_a_misspelt_column_is_told_before_torch_is_loaded(run, train_words, tmp_path):
    words = [*train_words, "--output", tmp_path / "run", "--group-column", "gruop"]
    code, shown, errors = run(*words)
    assert (code, shown) == (2, "")
    assert "no column 'gruop'" in errors
    assert "Did you mean 'group'? Name the right one (--group-column)." in errors
    code, shown, errors = run("train", tmp_path, "--output", tmp_path / "run")
    assert (code, shown) == (2, "")
    assert "is a folder" in errors


def test_a_table_in_which_twins_share_a_group_is_written(run, tiny, tmp_path):
    image = next((tiny.parent / "images").iterdir())
    folder = tmp_path / "images"
    shutil.copytree(tiny.parent / "images", folder)
    shutil.copy(image, folder / "again.jpg")
    frame = pd.read_csv(tiny)[["image", "label"]]
    frame.loc[len(frame)] = ["again.jpg", frame.label[0]]
    frame.to_csv(tmp_path / "table.csv", index=False)
    words = ("data", "check", tmp_path / "table.csv", "--groups", tmp_path / "grouped.csv")
    code, shown, errors = run(*words)
    assert code == 0, errors
    assert f"Table with groups (--group-column group): {tmp_path / 'grouped.csv'}" in shown
    found = pd.read_csv(tmp_path / "grouped.csv")
    assert found.group.iloc[-1] == found.group[[image.stem in name for name in found.image]].iloc[0]
    assert found.group.nunique() <= len(frame) - 1
    code, _, errors = run(*words)
    assert code == 2
    assert "is there already" in errors
