import dataclasses
import json
import signal
import subprocess
import sys
import time
from os import environ
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from lesioncare.cli import main
from lesioncare.errors import ConfigError, ModelError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.experiment import Comparison, ComparisonConfig, run_comparison
from lesioncare.experiment.demo import small_network
from lesioncare.experiment.runners import InOrder
from lesioncare.training import train
from lesioncare.training.apply import evaluate_run, load_run


def files(directory, *names):
    """The content of all files with these names, by their path in the directory."""
    found = [path for name in names for path in directory.rglob(name)]
    return {path.relative_to(directory): path.read_bytes() for path in found}


RESULTS = ("model.safetensors", "predictions.csv", "history.csv", "maps.npz", "cells.csv", "splits.csv")


@pytest.fixture
def weights(tmp_path):
    """A file of weights, so that the frozen part is the same for all seeds."""
    torch.manual_seed(5)
    save_file(small_network(3).state_dict(), tmp_path / "weights.safetensors")
    return str(tmp_path / "weights.safetensors")


@pytest.fixture
def frozen(settings, weights):
    """Settings of a comparison on frozen features: 2 arms, 2 folds, 2 seeds."""
    model = {"weights": weights, "freeze": "5", "views": 2}
    return settings(seeds=2, model=settings()["model"] | model)


def test_without_weights_a_comparison_is_complete_and_the_same(settings, tmp_path):
    plan = ComparisonConfig.build(settings())
    run_comparison(plan, tmp_path / "with")
    found = run_comparison(plan, tmp_path / "without", drop_weights=True)
    assert found.complete
    names = ("predictions.csv", "validation.csv", "maps.npz", "cells.csv", "pairs.csv")
    assert files(tmp_path / "with", *names) == files(tmp_path / "without", *names)
    assert not files(tmp_path / "without", "model.safetensors", "last.ckpt")
    cell = tmp_path / "without" / "cells" / "ce" / "fold0-seed0"
    with pytest.raises(RunError, match=r"fold0-seed0: its weights were not kept \(--drop-weights\)"):
        load_run(cell)
    told = []
    run_comparison(plan, tmp_path / "without", progress=lambda *one: told.append(one))
    assert not told  # nothing is trained again


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads a process's mappings in /proc")
def test_no_cell_leaves_its_features_mapped(frozen, tmp_path):
    """Fifty cells of HAM10000 would otherwise map 18 GB in each worker."""

    def mapped(*_):
        counts.append(Path("/proc/self/maps").read_text().count(str(tmp_path)))

    counts = []
    run_comparison(ComparisonConfig.build(frozen | {"seeds": 1}), tmp_path / "c", progress=mapped)
    assert counts == [0, 0, 0, 0]


def test_a_comparison_leaves_cells_tables_and_how_it_was_made(settings, tmp_path):
    told = []
    plan = ComparisonConfig.build(settings())
    found = run_comparison(
        plan,
        tmp_path / "c",
        command="a command",
        progress=lambda cell, *numbers: told.append((str(cell), *numbers)),
    )
    assert told[0] == ("ce, fold 0, seed 0", 1, 4)
    assert told[-1] == ("care-all, fold 1, seed 0", 4, 4)
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        *("comparison.json", "splits.csv", "seconds.json", "cells.csv", "arms.csv", "pairs.csv", "cells")
    }
    assert found.complete
    assert found.protocol.command == "a command"
    assert found.protocol.versions.keys() >= {"python", "torch", "lesioncare"}
    assert list(found.results) == ["ce", "care-all"]
    assert found.results["ce"][1, 0].name == "ce"
    assert found.seconds.keys() == {"prepare", "cells", "compare"}
    cells = pd.read_csv(tmp_path / "c" / "cells.csv")
    assert cells[["arm", "fold", "seed"]].to_numpy().tolist() == [
        *(["ce", 0, 0], ["ce", 1, 0], ["care-all", 0, 0], ["care-all", 1, 0])
    ]
    expected = found.results["care-all"][1, 0].metrics.balanced_accuracy
    assert cells["balanced_accuracy"].iloc[-1] == pytest.approx(expected)
    assert set(pd.read_csv(tmp_path / "c" / "arms.csv")["arm"]) == {"ce", "care-all"}
    assert set(pd.read_csv(tmp_path / "c" / "pairs.csv")["arm_b"]) == {"care-all"}


def test_all_arms_and_seeds_see_the_same_images_on_the_same_sides(settings, tmp_path):
    found = run_comparison(ComparisonConfig.build(settings(seeds=2)), tmp_path / "c")
    sides = pd.read_csv(tmp_path / "c" / "splits.csv").set_index("image")
    for cells in found.results.values():
        for (fold, _), result in cells.items():
            side = sides[f"fold{fold}"]
            assert set(result.predictions.image) == set(side.index[side == "test"])
            assert sum(result.train_counts.values()) == (side == "train").sum()
    assert (sides["fold0"] == "test").sum() + (sides["fold1"] == "test").sum() == len(sides)
    for fold in ("fold0", "fold1"):
        assert (sides.groupby("group")[fold].nunique() == 1).all()


def test_a_split_column_without_validation_rows_gives_all_seeds_the_same_validation_part(
    settings, tiny, tmp_path
):
    found = run_comparison(
        ComparisonConfig.build(settings(table=str(tiny), folds=None, seeds=2, arms="ce")), tmp_path / "c"
    )
    first, second = found.results["ce"].values()
    assert first.train_counts == second.train_counts
    assert (first.predictions.logits != second.predictions.logits).any()


def test_a_seed_gives_all_arms_the_same_first_weights(settings, tmp_path):
    arms = {"a": {"attention": "none"}, "b": {"attention": "care-all"}}
    schedule = settings()["schedule"] | {"epochs": 1, "learning_rate": 1e-12}
    found = run_comparison(
        ComparisonConfig.build(settings(arms=arms, schedule=schedule, seeds=2)), tmp_path / "c"
    )
    a, b = found.results["a"], found.results["b"]
    for fold in (0, 1):
        for seed in (0, 1):
            close = np.allclose(a[fold, seed].predictions.logits, b[fold, seed].predictions.logits, atol=1e-4)
            assert close
        assert not np.allclose(a[fold, 0].predictions.logits, a[fold, 1].predictions.logits, atol=1e-4)


def test_a_cell_is_what_train_alone_gives(settings, tmp_path):
    plan = ComparisonConfig.build(settings())
    found = run_comparison(plan, tmp_path / "c")
    cell = plan.cells[-1]
    alone = train(cell.config, tmp_path / "alone")
    np.testing.assert_array_equal(
        alone.predictions.logits, found.results[cell.arm][cell.fold, cell.seed].predictions.logits
    )


def test_images_are_checked_once_and_features_made_once_for_all_cells(frozen, tmp_path, monkeypatch):
    checked, read = [], []
    for place, seen in (("lesioncare.data.checks", checked), ("lesioncare.data.pixels", read)):
        original = sys.modules[place].read_image
        monkeypatch.setattr(
            f"{place}.read_image", lambda path, s=seen, f=original: (s.append(path), f(path))[1]
        )
    run_comparison(ComparisonConfig.build(frozen), tmp_path / "c")
    sides = pd.read_csv(tmp_path / "c" / "splits.csv", keep_default_na=False)[["fold0", "fold1"]]
    images = len(sides)
    assert len(checked) == len(set(checked)) == images
    trained = (sides == "train").any(axis=1).sum()
    assert len(read) == 2 * trained + images  # two augmented views, and each image as it is
    assert not (tmp_path / "c" / "features").exists()


def test_a_cache_of_ones_own_is_kept_and_used_again(frozen, tmp_path, monkeypatch):
    first = run_comparison(ComparisonConfig.build(frozen), tmp_path / "a", cache_dir=tmp_path / "kept")
    made = files(tmp_path / "kept", "*.np[yz]")
    assert len(list((tmp_path / "kept" / "train").iterdir())) == 1
    assert len(list((tmp_path / "kept" / "plain").iterdir())) == 1
    monkeypatch.setattr("lesioncare.training.features._cache_view", None)
    second = run_comparison(ComparisonConfig.build(frozen), tmp_path / "b", cache_dir=tmp_path / "kept")
    assert files(tmp_path / "kept", "*.np[yz]") == made
    assert first.cells_frame().equals(second.cells_frame())


def test_a_test_on_kept_features_says_what_the_whole_network_says(frozen, tmp_path):
    run_comparison(ComparisonConfig.build(frozen), tmp_path / "c")
    trained = load_run(tmp_path / "c" / "cells" / "care-all" / "fold0-seed1")
    data = trained.config.data.model_copy(update={"check_images": False})
    whole = evaluate_run(trained, data)
    place = {image: row for row, image in enumerate(whole.predictions.image)}
    rows = [place[image] for image in trained.result.predictions.image]
    np.testing.assert_allclose(
        trained.result.predictions.logits, whole.predictions.logits[rows], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(trained.result.maps, whole.maps[rows], atol=2e-3)
    for name in ("energy", "pointing", "area_share", "centre_energy"):
        expected = getattr(whole.predictions, name)[rows]
        np.testing.assert_allclose(getattr(trained.result.predictions, name), expected, atol=1e-4)


def test_finished_cells_are_only_read_and_more_can_be_added(settings, tmp_path, monkeypatch):
    run_comparison(ComparisonConfig.build(settings()), tmp_path / "c")
    before = files(tmp_path / "c" / "cells", "*.*")
    assert run_comparison(ComparisonConfig.build(settings()), tmp_path / "c").complete
    assert files(tmp_path / "c" / "cells", "*.*") == before
    trained = []

    def counted(cells, context):
        trained.extend(cells)
        yield from InOrder()(cells, context)

    more = ComparisonConfig.build(settings(arms="ce,care-all,focal"))
    found = run_comparison(more, tmp_path / "c", runner=counted)
    assert [cell.arm for cell in trained] == ["focal", "focal"]
    assert files(tmp_path / "c" / "cells", "*.*").items() >= before.items()
    assert len(found.statistics.pairs) == 3


def test_other_options_for_finished_cells_are_refused_before_anything_is_trained(settings, tmp_path):
    run_comparison(ComparisonConfig.build(settings(arms="ce")), tmp_path / "c")
    schedule = settings()["schedule"] | {"epochs": 3}
    with pytest.raises(RunError, match=r"fold0-seed0: holds a run with other options: schedule.epochs is 2"):
        run_comparison(ComparisonConfig.build(settings(arms="care,ce", schedule=schedule)), tmp_path / "c")
    assert not (tmp_path / "c" / "cells" / "care").exists()


def test_a_foreign_directory_is_refused(settings, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(RunError, match="is not empty and holds no comparison"):
        run_comparison(ComparisonConfig.build(settings()), tmp_path)
    with pytest.raises(RunError, match="holds no comparison"):
        Comparison.load(tmp_path)


def test_a_part_of_a_comparison_is_told_on_what_all_arms_have(settings, tmp_path):
    plan = ComparisonConfig.build(settings(seeds=2))

    def some(cells, context):
        yield from InOrder()(cells[:3], context)

    found = run_comparison(plan, tmp_path / "c", runner=some)
    assert str(found.missing[0]) == "care-all, fold 1, seed 0"
    assert len(found.missing) == 5
    assert found.comparable == ((0,), (0,))
    assert found.statistics.folds == (0,)
    assert len(found.cells_frame()) == 3
    assert not dataclasses.replace(found, results={"ce": {}, "care-all": {}}).comparable[0]


def test_a_cell_that_diverges_does_not_stop_the_others(settings, tmp_path):
    arms = {"wild": {"schedule": {"learning_rate": 1e30}}, "ce": {}}
    with pytest.raises(RunError, match=r"(?s)2 of 4 cells failed.*wild, fold 0, seed 0: The loss became"):
        run_comparison(ComparisonConfig.build(settings(arms=arms)), tmp_path / "c")
    found = Comparison.load(tmp_path / "c")
    assert [str(cell) for cell in found.missing] == ["wild, fold 0, seed 0", "wild, fold 1, seed 0"]
    assert found.statistics is None


def test_an_option_that_cannot_work_stops_all_and_names_the_cell(settings, tmp_path):
    arms = {"ce": {}, "deep": {"model": {"freeze": "nowhere"}}}
    with pytest.raises(ModelError, match=r"deep, fold 0, seed 0: .*no layer 'nowhere'"):
        run_comparison(ComparisonConfig.build(settings(arms=arms)), tmp_path / "c")
    assert not (tmp_path / "c" / "cells" / "ce").exists()


@pytest.mark.parametrize(("judged_by", "smaller"), [(None, False), ("same", True)])
def test_arms_may_have_boxes_of_their_own(settings, folds_table, tmp_path, judged_by, smaller):
    """They learn from them; they are judged by those of the comparison, unless told otherwise."""
    rows = pd.read_csv(folds_table)
    half = rows.assign(x2=(rows["x1"] + rows["x2"]) / 2)
    half[["image", "x1", "y1", "x2", "y2"]].to_csv(tmp_path / "half.csv", index=False)
    arms = {
        "whole": {"attention": "care-all"},
        "half": {"attention": "care-all", "boxes": str(tmp_path / "half.csv")},
    }
    data = settings()["data"] | ({} if judged_by is None else {"test_boxes": judged_by})
    found = run_comparison(ComparisonConfig.build(settings(arms=arms, data=data)), tmp_path / "c")
    whole, half = found.results["whole"][0, 0].predictions, found.results["half"][0, 0].predictions
    assert whole.image.tolist() == half.image.tolist()
    assert (np.nanmean(half.area_share) < np.nanmean(whole.area_share)) == smaller
    assert np.array_equal(half.area_share, whole.area_share) != smaller
    assert (whole.logits != half.logits).any()


SLOW = """
import time
from torch import nn
from lesioncare.experiment.demo import small_network

class Pause(nn.Identity):
    def forward(self, x):
        time.sleep(0.02)  # so that there is time to kill it
        return super().forward(x)

def make(num_classes):
    return nn.Sequential(*small_network(num_classes), Pause(), nn.Dropout(0.2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", "--freeze 5 --views 2"], ids=["training", "on-kept-features"])
def test_a_killed_comparison_ends_as_if_it_had_not_been_stopped(settings, tiny, tmp_path, monkeypatch, more):
    (tmp_path / "slownet.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slownet", raising=False)
    words = (
        f"compare {settings()['table']} --images {tiny.parent} --arms ce,care-all --folds 2 "
        "--model slownet:make --image-size 32 --epochs 3 --batch-size 8 --validation 0.2 "
        "--rare red-lacunae --accelerator cpu "
        f"--augment flips --threads 1 {more}"
    ).split()
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "lesioncare", *words, "--output", str(killed)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 600
        seen = "cells/care-all/fold0-seed0/checkpoints/last.ckpt"
        while process.poll() is None and not (killed / seen).exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    first = killed / "cells" / "ce" / "fold0-seed0" / "result.json"
    finished = first.stat().st_mtime_ns
    assert not (killed / "cells" / "care-all" / "fold0-seed0" / "result.json").exists()
    for output in (killed, whole):
        monkeypatch.setattr(sys, "argv", ["lesioncare", *words, "--output", str(output)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    assert first.stat().st_mtime_ns == finished
    names = (*RESULTS, "arms.csv", "pairs.csv")
    assert files(killed, *names) == files(whole, *names)
    assert len(files(whole, "model.safetensors")) == 4


def test_tables_that_a_kill_after_the_last_cell_left_out_are_written_by_the_same_call(settings, tmp_path):
    plan, tables = ComparisonConfig.build(settings(arms="ce")), ("cells.csv", "arms.csv", "pairs.csv")
    run_comparison(plan, tmp_path / "c")
    whole = files(tmp_path / "c", *tables)
    (tmp_path / "c" / "pairs.csv").unlink()
    lines = (tmp_path / "c" / "cells.csv").read_text().splitlines(keepends=True)
    (tmp_path / "c" / "cells.csv").write_text("".join(lines[:-1]))
    run_comparison(plan, tmp_path / "c")
    assert files(tmp_path / "c", *tables) == whole


def test_tables_of_fewer_cells_are_not_taken_for_those_of_all(settings, tmp_path, monkeypatch):
    run_comparison(ComparisonConfig.build(settings(arms="ce", folds="0/2")), tmp_path / "c")

    def killed(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Comparison, "save_tables", killed)
        with pytest.raises(KeyboardInterrupt):
            run_comparison(ComparisonConfig.build(settings(arms="ce")), tmp_path / "c")
    run_comparison(ComparisonConfig.build(settings(arms="ce")), tmp_path / "c")
    run_comparison(ComparisonConfig.build(settings(arms="ce")), tmp_path / "whole")
    tables = ("cells.csv", "arms.csv", "pairs.csv")
    assert files(tmp_path / "c", *tables) == files(tmp_path / "whole", *tables)


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "comparison.json").write_text(json.dumps({"plan": {"arms": 3}, "protocol": {}}))
    with pytest.raises(RunError, match=r"comparison.json: is damaged"):
        Comparison.load(tmp_path)


def test_attention_without_boxes_is_refused_with_the_name_of_the_cell(settings, folds_table, tmp_path):
    pd.read_csv(folds_table).drop(columns=["x1", "y1", "x2", "y2"]).to_csv(folds_table, index=False)
    with pytest.raises(ConfigError, match=r"care, fold 0, seed 0: .*no image has a box"):
        run_comparison(ComparisonConfig.build(settings(arms="care")), tmp_path / "c")


def test_a_result_is_read_back_as_it_was(settings, tmp_path):
    found = run_comparison(ComparisonConfig.build(settings(arms="ce")), tmp_path / "c")
    alone = RunResult.load(tmp_path / "c" / "cells" / "ce" / "fold1-seed0")
    assert alone.name == "no attention"
    assert (found.results["ce"][1, 0].predictions.logits == alone.predictions.logits).all()
