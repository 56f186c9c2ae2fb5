from dataclasses import replace

import pandas as pd
import pytest
import yaml

from lesioncare.cli.show_comparison import pair_sentences
from lesioncare.evaluation import ArmComparison, PairDifference, Spread


@pytest.fixture
def words(tiny, tmp_path):
    """Words of a compare command that ends in a blink; arms and output are to be added."""
    rows = pd.read_csv(tiny).drop(columns=["split", "artefacts"])
    rows.to_csv(tmp_path / "folds.csv", index=False)
    more = "--model lesioncare.experiment.demo:small_network --image-size 32 --epochs 1 --validation 0.2"
    return [
        *("compare", tmp_path / "folds.csv", "--images", tiny.parent, "--folds", "0,1/2"),
        *more.split(),
        *["--rare", "red-lacunae", "--accelerator", "cpu", "--batch-size", "16"],
    ]


def test_compare_trains_and_tells(run, words, tmp_path):
    code, said, error = run(*words, "--arms", "ce,care-all", "--output", tmp_path / "c")
    assert (code, error) == (0, "")
    assert "1 of 4 cells: ce, fold 0, seed 0; about" in said
    assert "4 of 4 cells: care-all, fold 1, seed 0\n" in said
    assert "care-all, compared with ce:" in said
    assert "Rare recall" in said
    assert "Pairs of arms whose difference is shown, after correction: 0 of 1 in" in said
    assert {"pairs.csv", "arms.tex", "report.html"} <= {path.name for path in (tmp_path / "c").iterdir()}
    code, again, _ = run(*words, "--arms", "ce,care-all", "--output", tmp_path / "c")
    assert code == 0
    assert "of 4 cells" not in again
    assert "care-all, compared with ce:" in again
    first = (tmp_path / "c" / "report.html").read_bytes()
    (tmp_path / "c" / "report.html").unlink()
    assert run("report", tmp_path / "c")[0] == 0
    assert (tmp_path / "c" / "report.html").read_bytes() == first
    assert "has a report of its own" in run("report", tmp_path / "c", tmp_path / "c")[2]


def test_all_pairs_are_counted_and_said_to_be_elsewhere():
    one = PairDifference(
        "rare_recall", 0.4, 0.5, 0.1, 0.05, 0.15, 90, 30, 0.01, 0.03, 3, Spread((0.1,), (0.1,))
    )
    not_shown = replace(one, p_corrected=0.2)
    found = {("ce", "care"): one, ("ce", "energy"): not_shown, ("care", "energy"): not_shown}
    pairs = {pair: {"rare_recall": difference} for pair, difference in found.items()}
    three = ArmComparison((0,), (0,), 2000, {"ce": {}, "care": {}, "energy": {}}, pairs)
    counted, elsewhere = pair_sentences(three)
    assert counted == ("Pairs of arms whose difference is shown, after correction: 1 of 3 in rare recall.")
    assert elsewhere.startswith("Printed are the pairs with ce; all 3 pairs are in pairs.csv and")
    two = replace(three, singles={"ce": {}, "care": {}}, pairs={("ce", "care"): pairs["ce", "care"]})
    assert pair_sentences(two) == (
        "Pairs of arms whose difference is shown, after correction: 1 of 1 in rare recall.",
    )
    assert pair_sentences(replace(three, singles={"ce": {}}, pairs={})) == ()


def test_an_arm_of_control_boxes_is_told_and_who_judges_by_them(run, words, tiny, tmp_path):
    true, control = tmp_path / "true.csv", tmp_path / "anywhere.csv"
    assert run("boxes", "convert", tiny, true, "--images", tiny.parent)[0] == 0
    assert run("boxes", "control", true, control, "--images", tiny.parent)[0] == 0
    plan = {"arms": {"ce": None, "care": {"attention": "care", "boxes": str(control)}}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    words = [*words, "--config", tmp_path / "plan.yaml", "--folds", "0/2"]
    code, said, error = run(*words, "--boxes", true, "--output", tmp_path / "c")
    assert (code, error) == (0, "")
    assert "care learnt from control boxes" in " ".join(said.split())
    assert "judged by control" not in said
    assert "care learnt from control boxes" in (tmp_path / "c" / "report.html").read_text("utf-8")
    code, said, error = run(*words, "--boxes", control, "--output", tmp_path / "d")
    assert (code, error) == (0, "")
    assert "ce and care are judged by control boxes" in " ".join(said.split())
    assert "(--boxes)" in said


def test_a_refused_comparison_leaves_the_one_that_is_there_alone(run, words, tmp_path):
    words = [*words, "--arms", "ce,care-all", "--output", tmp_path / "c"]
    assert run(*words)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c").iterdir()}
    code, said, error = run(*words, "--learning-rate", "0.01")
    assert code == 2
    assert len(said.splitlines()) == 1  # the columns that are read
    assert "holds a run with other options: schedule.learning_rate" in error
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "c").iterdir()} == before


def test_a_dry_run_lists_the_cells_and_trains_none(run, words, tmp_path):
    output = ("--output", tmp_path / "c")
    code, said, _ = run(*words, "--arms", "ce,none,focal+energy-all", "--seeds", "2", "--dry-run", *output)
    assert code == 0
    assert "none, fold 0, seed 0: cells/ce/fold0-seed0 (the same training as ce)" in said
    assert said.splitlines()[-1] == "3 arms x 2 folds x 2 seeds: 8 trainings, 8 of them to do."
    assert not (tmp_path / "c").exists()


def test_options_count_before_the_file(run, words, tmp_path):
    plan = {"table": "folds.csv", "model": {"name": "resnet18", "freeze": "5"}, "arms": ["care"], "seeds": 3}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    config = ("--config", tmp_path / "plan.yaml", "--dry-run", "--output", tmp_path / "c")
    assert "1 arm x 5 folds x 3 seeds" in run("compare", *config)[1]
    assert "1 arm x 2 folds x 1 seed" in run(*words, *config, "--seeds", "1")[1]
    assert "2 arms x 2 folds x 3 seeds" in run(*words, *config, "--arms", "ce,care")[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "There are no arms: give --arms"),
        (("--arms", "plan.yaml"), "plan.yaml is a plan, not an arm: give it with --config plan.yaml"),
        (("--arms", "ce", "--model", "resnet_50"), "arm 'ce': timm has no model 'resnet_50'. Did you mean "),
        (("--arms", "ce,cra"), "'cra' is neither a remedy nor an attention loss"),
        (("--arms", "ce", "--workers", "0"), "--workers must be at least 1"),
        (("--arms", "ce", "--image-size", "big"), "--image-size needs a number"),
        (("--arms", "ce", "--config", "none.yaml"), "none.yaml: no such file"),
        (("--arms", "ce", "--epochs", "0"), "--epochs: input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_work_ends_in_one_message(run, words, tmp_path, more, said):
    code, _, error = run(*words, *more, "--output", tmp_path / "c")
    assert code == 2
    assert said in error
    assert not (tmp_path / "c").exists()
