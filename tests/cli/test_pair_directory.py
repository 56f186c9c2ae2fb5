"""Every command says what to give instead of the directory that holds the two runs of --baseline."""

import shutil
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "words", ["evaluate pair", "evaluate pair table.csv", "predict pair images", "report single"]
)
def test_the_directory_of_a_baseline_is_said_to_hold_two_runs(
    run, finished, tiny, tmp_path, monkeypatch, words
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny, "table.csv")
    for run_of_pair in ("pair/with", "pair/without", "single/without"):
        shutil.copytree(finished, run_of_pair)
    code, _, error = run(*words.split())
    assert code == 2
    given = words.split()[1]
    told = {
        "pair": "It holds two: give pair/with or pair/without.",
        "single": "It holds one: give single/without.",
    }
    assert f"{given}: is not the directory of one run. {told[given]}" in error
    assert "again" not in error


@pytest.mark.parametrize("command", ["predict {} images", "report {}", "evaluate {}"])
def test_a_comparison_or_an_arm_of_it_is_told_from_a_run(run, finished, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "c/cells/care/fold0-seed0")
    for given, told in (("c", "It is a comparison"), ("c/cells/care", "It holds runs")):
        code, _, error = run(*command.format(given).split())
        assert code == 2
        said = (
            f"is not the directory of one run. {told}: give a single run, such as c/cells/care/fold0-seed0."
        )
        assert said in error


def test_the_report_of_one_directory_is_in_it_and_replaces_no_other_file(
    run, finished, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "one")
    assert run("report", "one")[0] == 0
    assert Path("one/report.html").read_text("utf-8").lstrip().lower().startswith("<!doctype html")
    assert run("report", "one")[0] == 0
    Path("one/report.html").write_text("mine")
    code, _, error = run("report", "one")
    assert code == 2
    assert "report.html: is there, and is no file that this command wrote" in error
    assert Path("one/report.html").read_text() == "mine"
    assert not Path("report.html").exists()


def test_runs_of_one_name_go_by_their_directories(run, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        shutil.copytree(finished, name)
    code, shown, errors = run("report", "first", "second", "--output", "both.html")
    assert code == 0, errors
    page = Path("both.html").read_text("utf-8")
    assert all(f"({name})" in page for name in ("first", "second"))
    assert "(second)" in " ".join(shown.split())


@pytest.mark.parametrize("command", ["report", "audit"])
def test_a_run_given_twice_is_refused(run, finished, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for name in ("pair/without", "pair/with"):
        shutil.copytree(finished, name)
    code, _, error = run(command, "pair", "pair/../pair/with")
    assert code == 2
    assert "pair/../pair/with: is given twice. Give each run once." in " ".join(error.split())


@pytest.mark.parametrize("command", ["report", "evaluate", "audit"])
def test_a_training_that_was_stopped_is_said_to_be_so(run, finished, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "pair/without")
    Path("pair/without/result.json").unlink()
    code, _, error = run(command, "pair")
    assert code == 2
    told = "pair: is not the directory of one run. Its training was stopped before a run was finished."
    assert f"{told} Give the same train command again." in " ".join(error.split())
