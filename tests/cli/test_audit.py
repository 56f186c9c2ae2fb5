import shutil

import pandas as pd
from typer.testing import CliRunner

from lesioncare.cli.app import app
from lesioncare.evaluation.audit import AuditResult

QUICK = ("--artefacts", "hair", "--steps", 2)
ARM = "CARE, all classes"


def test_a_run_is_audited_on_its_own_test_part(run, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    code, shown, errors = run("audit", tmp_path / "run", *QUICK)
    assert code == 0, errors
    folder = tmp_path / "run" / "audit"
    assert sorted(path.name for path in folder.iterdir()) == ["audit.csv", "audit.html", "audit.json"]
    result = AuditResult.load(folder)
    assert result.versions == ("original", "hidden", "lesion", "swapped", "hair")
    said = " ".join(shown.split())
    for words in (
        "12 images with a lesion's box",
        "hidden",
        "chance",
        *result.sentences("CARE, all classes"),
    ):
        assert " ".join(words.split()) in said
    assert f"Audit: {folder / 'audit.html'}" in shown
    assert "95 % intervals" not in said  # of so few lesions there are none
    assert "in %; no interval: the smallest class tested has" in said
    first = (folder / "audit.html").read_bytes()
    assert run("audit", tmp_path / "run", *QUICK)[0] == 0  # again, in place of the first
    assert (folder / "audit.html").read_bytes() == first


def test_the_help_says_what_the_artefacts_are_of_and_nothing_of_skin():
    shown = CliRunner().invoke(app, ["audit", "--help"], env={"COLUMNS": "400"}).output
    assert "artefacts are those of dermoscopy and mean little on X-rays and ultrasound" in shown
    assert "skin" not in shown


def test_both_runs_of_a_pair_are_compared_on_another_table(run, finished, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("without", "with"):
        shutil.copytree(finished, tmp_path / "pair" / name)
    frame = pd.read_csv(tiny)
    frame[frame["split"] == "train"].drop(columns="split").to_csv(tmp_path / "other.csv", index=False)
    words = ["--table", tmp_path / "other.csv", "--images", tiny.parent, "--limit", 9, "--output"]
    code, shown, errors = run("audit", "pair", *QUICK, *words, tmp_path / "new" / "audit")
    assert code == 0, errors
    result = AuditResult.load(tmp_path / "new" / "audit")
    assert [one.name for one in result.runs] == [
        f"{ARM} (pair/without)",
        f"{ARM} (pair/with)",
    ]
    assert result.left_out == {"beyond the limit": 16}
    assert "has learnt from 25 of these 25 images" in shown
    assert f"{ARM} (pair/with): the balanced accuracy with the lesion hidden" in " ".join(shown.split())
