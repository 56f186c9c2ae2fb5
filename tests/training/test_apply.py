import json
import shutil

import numpy as np
import pandas as pd
import pytest

from lesioncare.errors import DataError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.training import DataConfig
from lesioncare.training.apply import evaluate_run, load_run


@pytest.fixture(scope="module")
def trained(finished):
    return load_run(finished)


@pytest.fixture
def test_table(tiny, tmp_path):
    """The tiny table's test rows."""
    frame = pd.read_csv(tiny)
    frame[frame["split"] == "test"].to_csv(tmp_path / "test.csv", index=False)
    return tmp_path / "test.csv"


def test_a_loaded_run_says_of_its_test_images_what_it_said_before(trained, finished, test_table, tiny):
    data = DataConfig(table=test_table, image_root=tiny.parent)
    result = evaluate_run(trained, data)
    before = RunResult.load(finished)
    np.testing.assert_array_equal(result.predictions.image, before.predictions.image)
    np.testing.assert_allclose(result.predictions.logits, before.predictions.logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.predictions.energy, before.predictions.energy, rtol=1e-4)
    np.testing.assert_allclose(result.maps, before.maps, atol=2e-3)
    assert result.metrics.balanced_accuracy == before.metrics.balanced_accuracy
    assert result.config["evaluated_on"] == str(test_table)
    assert (result.rare, result.train_counts) == (before.rare, before.train_counts)


def test_every_image_of_another_table_is_tested(trained, tiny):
    assert len(evaluate_run(trained, DataConfig(table=tiny)).predictions) == 25 + 12


def test_another_table_may_have_fewer_classes(trained, test_table, tiny):
    frame = pd.read_csv(test_table)
    frame[frame["label"] == "network"].to_csv(test_table, index=False)
    result = evaluate_run(trained, DataConfig(table=test_table, image_root=tiny.parent))
    assert result.metrics.per_class["common-mole"].recall is None


def test_an_unknown_class_is_refused_with_its_row(trained, test_table, tiny):
    test_table.write_text(test_table.read_text().replace(",network,", ",melanoma,"))
    with pytest.raises(DataError, match=r"test.csv: a label that is no class \('melanoma'\).*row 6"):
        evaluate_run(trained, DataConfig(table=test_table, image_root=tiny.parent))


def test_what_is_no_finished_run_is_refused(finished, tmp_path, tiny):
    for directory in (tmp_path / "none", tmp_path, tiny.parent):
        with pytest.raises(RunError, match="is not the directory of one run"):
            load_run(directory)
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(RunError, match=r"run: the run is not finished.*same train command"):
        load_run(tmp_path / "run")


def test_the_directory_of_a_pair_says_which_runs_it_holds(finished, tmp_path):
    for name in ("with", "without"):
        shutil.copytree(finished, tmp_path / name)
    with pytest.raises(RunError, match=rf"It holds two: give {tmp_path}/with or {tmp_path}/without\."):
        load_run(tmp_path)


def test_weights_that_do_not_fit_or_are_damaged_are_refused(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["model"]["name"] = "test_resnet"
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"model.safetensors: the weights do not fit"):
        load_run(tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").write_bytes(b"none")
    with pytest.raises(
        RunError, match=r"model.safetensors: not a readable weights file.* Train the run again"
    ):
        load_run(tmp_path / "run")
