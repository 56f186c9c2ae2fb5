import csv
import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

from lesioncare.attention import AttentionGuide
from lesioncare.data.synthetic import SyntheticConfig, write_dataset
from lesioncare.errors import ConfigError, DataError, ModelError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.training import TrainConfig, train
from lesioncare.training.apply import load_run
from lesioncare.training.models import build_model


def files(directory):
    """Each file's time of change and content."""
    return {
        path.relative_to(directory): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest())
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def weights(directory):
    return (directory / "model.safetensors").read_bytes()


def predictions(directory):
    return (directory / "predictions.csv").read_bytes()


def hook_count(network):
    return sum(
        len(table)
        for module in network.modules()
        for name, table in vars(module).items()
        if "hooks" in name and isinstance(table, dict)
    )


@pytest.fixture
def write_images(tmp_path):
    """Write n random images and a table with the given labels."""

    def write(labels, size=16):
        rng = np.random.default_rng(0)
        for index in range(len(labels)):
            pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        with (tmp_path / "table.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(
                [("image", "label"), *((f"{i}.png", label) for i, label in enumerate(labels))]
            )
        return tmp_path / "table.csv"

    return write


def test_a_run_leaves_what_is_needed_to_use_and_repeat_it(finished, options):
    names = {path.name for path in finished.iterdir()}
    assert names >= {"config.json", "model.safetensors", "result.json", "history.csv", "predictions.csv"}
    assert "features" not in names
    assert TrainConfig.build(**json.loads((finished / "config.json").read_text("utf-8"))) == options()
    result = RunResult.load(finished)
    assert result.rare == ("red-lacunae",)
    assert result.classes == ("common-mole", "network", "red-lacunae")
    assert len(result.predictions) == 12
    assert sum(result.train_counts.values()) == 25 - 5  # a fifth was set aside for validation
    assert set(result.seconds) == {"read table and images", "cache images", "train", "test"}
    assert result.maps.shape == (12, 4, 4)
    assert result.config["found"] == {"target_layer": "11", "closed_form": True}


def test_the_history_has_every_epoch_once(finished):
    history = RunResult.load(finished).history
    assert history["epoch"].tolist() == [0, 1]
    assert {"train_loss", "train_classification_loss", "train_attention_loss"} <= set(history.columns)
    assert {"validation_loss", "validation_balanced_accuracy"} <= set(history.columns)
    assert np.isfinite(history.to_numpy()).all()


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_bits(finished, options, tmp_path, workers):
    torch.manual_seed(123)  # the caller's random state must not matter, nor be changed
    expected = torch.rand(2)
    torch.manual_seed(123)
    train(options(schedule={"workers": workers}), tmp_path / "run")
    assert torch.equal(torch.rand(2), expected)
    assert weights(tmp_path / "run") == weights(finished)
    assert predictions(tmp_path / "run") == predictions(finished)


def test_another_seed_gives_other_weights(finished, options, tmp_path):
    train(options(schedule={"seed": 1}), tmp_path / "run")
    assert weights(tmp_path / "run") != weights(finished)


def test_a_complete_run_is_only_read(finished, options):
    before = files(finished)
    result = train(options(), finished)
    assert files(finished) == before
    assert result.history["epoch"].tolist() == [0, 1]


def test_other_options_in_the_same_directory_are_named(finished, options):
    before = files(finished)
    with pytest.raises(RunError, match=r"schedule.epochs is 2 there but 3 now.*--overwrite"):
        train(options(schedule={"epochs": 3}), finished)
    assert files(finished) == before


def test_overwrite_begins_anew(finished, options, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    result = train(options(schedule={"epochs": 1}), tmp_path / "run", overwrite=True)
    assert result.history["epoch"].tolist() == [0]
    assert result.seconds["train"] < 60


def test_bad_input_keeps_the_run_that_was_to_be_overwritten(finished, options, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    before = files(tmp_path / "run")
    with pytest.raises(DataError, match="no such table"):
        train(options(data={"table": tmp_path / "none.csv"}), tmp_path / "run", overwrite=True)
    assert files(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("part", "change", "error"),
    [
        ("data", {"rare": ("nothing",)}, ConfigError),
        ("model", {"name": "no_such_model"}, ModelError),
        ("model", {"freeze": "no.such.layer"}, ModelError),
        ("model", {"target_layer": "no.such.layer"}, ModelError),
        ("model", {"freeze": "12"}, ModelError),  # the map would lie in the frozen part
        ("schedule", {"accelerator": "abacus"}, ConfigError),
        ("schedule", {"precision": "3-bit"}, ConfigError),
    ],
)
def test_what_cannot_work_leaves_no_directory(options, tmp_path, part, change, error):
    with pytest.raises(error):
        train(options(**{part: change}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(options, tmp_path):
    config = options(schedule={"learning_rate": 1e30, "epochs": 5, "batch_size": 32}, data={"validation": 0})
    with pytest.raises(RunError, match=r"The loss became (nan|inf).*Lower the learning rate"):
        train(config, tmp_path / "run")  # one step per epoch: the first epoch ends well
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").stat().st_size > 0
    assert not (tmp_path / "run" / "result.json").exists()
    with pytest.raises(RunError, match="not finished"):
        load_run(tmp_path / "run")


@pytest.mark.slow
def test_the_trained_network_is_the_plain_network(tiny, tmp_path):
    config = TrainConfig.build(
        data={"table": tiny, "validation": 0},
        model={"name": "test_resnet", "weights": "none", "image_size": (32, 32)},
        schedule={"epochs": 1, "accelerator": "cpu"},
        attention={"loss": "care", "attend": "all"},
    )
    train(config, tmp_path / "run")
    plain = timm.create_model("test_resnet", num_classes=3)
    state = load_file(tmp_path / "run" / "model.safetensors")
    assert list(plain.state_dict()) == list(state) or set(plain.state_dict()) == set(state)
    plain.load_state_dict(state)
    trained = load_run(tmp_path / "run").network
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(plain.eval()(images), trained(images))
    assert type(trained) is type(plain)


def test_no_hook_is_left_on_the_network(options, tmp_path, monkeypatch):
    built = []

    def keep(*arguments, **named):
        built.append(build_model(*arguments, **named))
        return built[-1]

    monkeypatch.setattr("lesioncare.training.kept.build_model", keep)
    train(options(model={"freeze": "5"}), tmp_path / "run")
    assert hook_count(built[0].network) == 0


@pytest.mark.parametrize("cache", ["auto", "never"])
def test_the_frozen_part_stays_as_it_was(options, tmp_path, cache):
    config = options(model={"freeze": "5", "cache": cache}, attention={"attend": "all"})
    torch.manual_seed(config.schedule.seed)
    start = build_model(config.model, 3).network.state_dict()
    train(config, tmp_path / "run")
    end = load_file(tmp_path / "run" / "model.safetensors")
    frozen = {name for name in start if int(name.split(".")[0]) <= 5}
    assert {"0.weight", "1.running_mean", "1.num_batches_tracked", "4.running_var"} <= frozen
    assert all(torch.equal(start[name], end[name]) for name in frozen)
    changed = {name for name in set(start) - frozen if not torch.equal(start[name], end[name])}
    assert changed == set(start) - frozen


def test_a_model_that_comes_in_evaluation_mode_is_trained_in_training_mode(options, tmp_path, monkeypatch):
    (tmp_path / "evalnet.py").write_text(
        "from lesioncare.experiment.demo import small_network\n"
        "def make(num_classes):\n    return small_network(num_classes).eval()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    train(options(model={"name": "evalnet:make"}), tmp_path / "run")
    assert load_file(tmp_path / "run" / "model.safetensors")["1.num_batches_tracked"] == 2 * 3


# Attention


@pytest.mark.slow
def test_attention_to_all_classes_raises_the_energy_in_the_box(tmp_path, one_thread):
    counts = {"common-mole": 24, "network": 24, "red-lacunae": 8}
    table = write_dataset(tmp_path / "data", SyntheticConfig(train_counts=counts, n_test=8, size=48))

    def energy(loss):
        config = TrainConfig.build(
            data={"table": table, "validation": 0},
            model={"name": "lesioncare.experiment.demo:small_network", "image_size": (48, 48)},
            schedule={"epochs": 15, "batch_size": 8, "learning_rate": 3e-3, "accelerator": "cpu"},
            attention={"loss": loss, "attend": "all"},
        )
        return np.nanmean(train(config, tmp_path / loss).predictions.energy)

    without = energy("none")
    assert energy("care") > without + 0.1
    assert energy("energy") > without + 0.1


@pytest.mark.parametrize(("attend", "classes"), [("rare", {2}), ("all", {0, 1, 2})])
def test_only_the_attended_classes_boxes_reach_the_guide(options, tmp_path, monkeypatch, attend, classes):
    seen = {}
    combine = AttentionGuide.combine

    def spy(self, loss, labels, boxes, weights):
        for label, box in zip(labels.tolist(), boxes, strict=True):
            seen.setdefault(label, []).append(len(box))
        return combine(self, loss, labels, boxes, weights)

    monkeypatch.setattr(AttentionGuide, "combine", spy)
    train(options(attention={"attend": attend}, schedule={"epochs": 1}), tmp_path / "run")
    assert {label for label, counts in seen.items() if any(counts)} == classes
    assert set(seen) == {0, 1, 2}


def test_attention_begins_in_its_epoch(options, tmp_path):
    late = options(attention={"start_epoch": 1, "attend": "all"})
    history = train(late, tmp_path / "late").history.set_index("epoch")
    assert history["train_attention_loss"].isna().tolist() == [True, False]
    plain = train(late.without_attention(), tmp_path / "plain").history.set_index("epoch")
    assert history.loc[0, "train_loss"] == plain.loc[0, "train_loss"]
    assert history.loc[1, "train_loss"] != plain.loc[1, "train_loss"]
    assert "train_attention_loss" not in plain.columns


def test_the_logged_attention_loss_is_the_losss_other_part(finished):
    history = RunResult.load(finished).history
    parts = 0.5 * history["train_classification_loss"] + 0.5 * history["train_attention_loss"]
    np.testing.assert_allclose(history["train_loss"], parts, rtol=1e-4)


@pytest.mark.parametrize("loss", ["energy", "l1", "outside-square", "in-box-cross-entropy", "input-gradient"])
def test_every_attention_loss_trains(options, tmp_path, loss):
    config = options(attention={"loss": loss, "attend": "all"}, schedule={"epochs": 1})
    assert np.isfinite(train(config, tmp_path / "run").history["train_attention_loss"]).all()


# Odd sizes


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(("batch_size", "validation"), [(24, 0), (100, 0), (6, 0.2), (1, 0)])
def test_any_number_of_images_fits_any_batch(options, tmp_path, batch_size, validation, cached):
    """25 training images: one is left over, all fit at once, ..."""
    config = options(
        data={"validation": validation},
        schedule={"batch_size": batch_size, "epochs": 1},
        model={"freeze": "5" if cached else "none", "views": 1},
    )
    history = train(config, tmp_path / "run").history
    assert np.isfinite(history["train_loss"]).all()
    assert ("validation_loss" in history.columns) == (validation > 0)


def test_a_class_may_be_absent_from_the_test_part(tiny, options, tmp_path):
    lines = tiny.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not ("red-lacunae" in line and ",test," in line)]
    (tmp_path / "table.csv").write_text("".join(kept), "utf-8")
    result = train(options(data={"table": tmp_path / "table.csv", "image_root": tiny.parent}), tmp_path / "r")
    assert result.metrics.per_class["red-lacunae"].recall is None
    assert result.metrics.balanced_accuracy is not None


def test_two_classes_with_odd_names_by_folds_without_boxes(options, write_images, tmp_path):
    labels = ["<script>alert(1)</script>"] * 12 + ["näevus, [/b] „ж“"] * 5
    table = write_images(labels)
    config = options(
        data={"table": table, "folds": 3, "fold": 2, "validation": 0},
        model={"image_size": (16, 16)},
        attention={"loss": "none"},
    )
    result = train(config, tmp_path / "run")
    assert set(result.classes) == set(labels)
    assert np.isnan(result.predictions.energy).all()
    assert RunResult.load(tmp_path / "run").classes == result.classes


def test_folds_cover_each_image_once_whatever_the_seed(options, write_images, tmp_path):
    table = write_images(["a"] * 6 + ["b"] * 6)
    tested = []
    for fold in range(2):
        config = options(
            data={"table": table, "folds": 2, "fold": fold, "validation": 0},
            schedule={"epochs": 1, "seed": fold + 5},
            model={"image_size": (16, 16)},
            attention={"loss": "none"},
        )
        tested.extend(train(config, tmp_path / f"run{fold}").predictions.image.tolist())
    assert sorted(tested) == sorted(f"{index}.png" for index in range(12))


def test_attention_without_any_box_is_refused(options, write_images, tmp_path):
    table = write_images(["a"] * 12 + ["b"] * 5)
    config = options(data={"table": table, "validation": 0}, model={"image_size": (16, 16)})
    with pytest.raises(ConfigError, match=r"no image has a box.*--attention none"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("freeze", ["none", "5"])
def test_test_images_are_judged_by_their_own_boxes(options, tiny, tmp_path, freeze):
    """Training learns from boxes in a corner; where it looks is measured on those of the table."""
    images = pd.read_csv(tiny)[["image"]]
    images.assign(x1=0, y1=0, x2=9, y2=9).to_csv(tmp_path / "corner.csv", index=False)
    corner = {"table": tiny, "validation": 0.2, "box_file": tmp_path / "corner.csv"}
    model = {"freeze": freeze}
    same = train(options(data=corner, model=model), tmp_path / "same")
    judged = train(options(data=corner | {"test_boxes": "table"}, model=model), tmp_path / "judged")
    plain = train(options(model=model), tmp_path / "plain")
    assert weights(tmp_path / "same") == weights(tmp_path / "judged")
    assert weights(tmp_path / "same") != weights(tmp_path / "plain")
    for a, b in zip(judged.predictions.boxes, plain.predictions.boxes, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(judged.predictions.area_share, plain.predictions.area_share)
    assert not np.array_equal(judged.predictions.area_share, same.predictions.area_share)
    np.testing.assert_array_equal(judged.predictions.logits, same.predictions.logits)
