import json

import numpy as np
import pandas as pd
import pytest

from lesioncare.data import load_table
from lesioncare.data.augmentation import BatchAugment
from lesioncare.deploy import predict_run
from lesioncare.errors import RunError
from lesioncare.training import train
from lesioncare.training.apply import load_run
from lesioncare.training.config import ScheduleConfig
from lesioncare.training.directory import check_run
from lesioncare.training.live import LiveImages, loader_workers
from lesioncare.training.shared import SharedInputs

TINY = {"name": "lesioncare.experiment.demo:small_network"}


def logits(config, directory, **options):
    return train(config, directory, **options).predictions.logits


@pytest.mark.parametrize("way", ["item", "batch"])
def test_the_cache_changes_nothing(options, tmp_path, way):
    schedule = {"augment_on": way, "augment": "dermoscopy"}
    kept = logits(options(schedule=schedule), tmp_path / "kept", cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache" / "images").glob("*.npy"))
    model = TINY | {"image_size": (32, 32), "cache": "never"}
    np.testing.assert_array_equal(
        kept, logits(options(schedule=schedule, model=model), tmp_path / "plain", cache_dir=tmp_path / "none")
    )
    assert not (tmp_path / "none").exists()


def test_a_full_disk_changes_nothing_either(options, tmp_path, monkeypatch, finished):
    monkeypatch.setattr("lesioncare.training.live.has_room", lambda *_: False)
    found = logits(options(), tmp_path / "run")
    assert not list(tmp_path.rglob("*x*.npy"))
    np.testing.assert_array_equal(found, train(options(), finished).predictions.logits)


def test_images_in_the_runs_own_directory_are_gone_when_it_ends(finished):
    assert not (finished / "features").exists()


def test_test_images_give_what_predict_gives_from_the_files(finished):
    result = load_run(finished).result.predictions
    table = pd.DataFrame({"image": result.path})
    listed = finished.parent / "listed.csv"
    table.to_csv(listed, index=False)
    found, _ = predict_run(load_run(finished), load_table(listed, require_labels=False), batch_size=8)
    np.testing.assert_allclose(found, result.logits, rtol=0, atol=1e-12)


def test_training_on_batches_starts_and_ends_alike(options, tmp_path):
    config = options(schedule={"augment_on": "batch", "augment": "light"})
    first, second = (logits(config, tmp_path / name) for name in ("first", "second"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_batches_get_the_precision_of_training(options, tmp_path, precision):
    config = options(schedule={"augment_on": "batch", "augment": "dermoscopy", "precision": precision})
    assert np.isfinite(logits(config, tmp_path / "run")).all()


@pytest.mark.parametrize(("given", "batched"), [({}, True), ({"augment_on": "item"}, False)])
def test_batches_are_augmented_as_a_whole_unless_told_otherwise(options, tmp_path, given, batched):
    config = options(schedule=given)
    live = LiveImages(config, None, FakeModel, None, tmp_path)
    assert isinstance(live.augment, BatchAugment) == batched


class FakeModel:
    image_size, mean, std = (32, 32), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)


@pytest.mark.parametrize("remedy", ["crt", "lws", "cutmix"])
def test_remedies_see_augmented_batches(options, tmp_path, remedy):
    config = options(schedule={"augment_on": "batch"}, remedy={"method": remedy, "second_epochs": 1})
    assert np.isfinite(logits(config, tmp_path / "run")).all()


def test_a_run_of_an_older_version_is_the_same_run(options, finished, tmp_path):
    """It had no `augment_on`, and its `workers` were a number; neither makes it another run."""
    old = tmp_path / "old"
    old.mkdir()
    content = json.loads((finished / "config.json").read_text())
    content["schedule"]["workers"] = 0
    del content["schedule"]["augment_on"]
    (old / "config.json").write_text(json.dumps(content))
    check_run(options(), old)
    content["schedule"]["augment"] = "chest"
    (old / "config.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"schedule\.augment is 'chest' there"):
        check_run(options(), old)


def test_loaders_have_workers_where_there_is_something_to_load(options, tmp_path, monkeypatch):
    monkeypatch.setattr("lesioncare.training.live.auto_workers", lambda *_, **__: 7)
    config = options()
    shared = SharedInputs([config])
    live = LiveImages(config, shared.table(config), FakeModel, shared.kept(config), tmp_path)
    images = live.plain(shared.split(config).test)
    auto, three = ScheduleConfig(), ScheduleConfig(workers=3)
    assert loader_workers(auto, images, training=True) == 7
    assert loader_workers(auto, images, training=False) == 4
    assert loader_workers(auto, [], training=True) == 0
    assert loader_workers(three, [], training=False) == 3


def test_comparisons_keep_images_once_for_all_cells(options, tmp_path):
    from lesioncare.training import keep_features  # noqa: PLC0415

    config = options()
    shared = SharedInputs([config])
    keep_features(config, shared, tmp_path)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()}
    train(config, tmp_path / "run", cache_dir=tmp_path, shared=shared)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()} == files != {}
