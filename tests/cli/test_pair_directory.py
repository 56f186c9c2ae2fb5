"""Every command says what to give instead of the directory that holds the two runs of --baseline."""

import shutil

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
