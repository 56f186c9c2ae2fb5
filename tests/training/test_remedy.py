"""Runs with a remedy: what they change, what they count, and that they resume."""

import csv
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import balanced_accuracy_score
from torch import nn

from lesioncare.errors import ConfigError, ModelError
from lesioncare.evaluation import RunResult
from lesioncare.experiment.demo import small_network
from lesioncare.imbalance import REMEDIES, tau_normalise
from lesioncare.training import train
from lesioncare.training.decoupled import choose_tau
from lesioncare.training.module import GuidedClassifier

HEAD = ("14.weight", "14.bias")


class KilledError(Exception):
    """Stands for a kill: nothing handles it."""


def weights(directory):
    return load_file(directory / "model.safetensors")


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def runs(options, tmp_path_factory):
    """Train each remedy once, on cached features, when it is asked for."""
    place, done = tmp_path_factory.mktemp("runs"), {}

    def run(method, **remedy):
        name = method + "".join(f"-{value}" for value in remedy.values())
        if name not in done:
            config = options(
                model={"freeze": "5", "views": 2},
                attention={"attend": "all"},
                remedy={"method": method, "second_epochs": 3, **remedy},
            )
            train(config, place / name, cache_dir=place / "features")
            done[name] = place / name
        return done[name]

    return run


@pytest.mark.parametrize("method", REMEDIES)
def test_every_remedy_trains_the_plain_network(runs, method):
    directory = runs(method)
    result, state = RunResult.load(directory), weights(directory)
    assert state.keys() == small_network(3).state_dict().keys()
    assert np.isfinite(result.history["train_loss"]).all()
    assert np.isfinite(result.history["train_attention_loss"]).all()
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert np.isfinite(result.predictions.energy).any()
    if method not in ("none", "tau-norm"):  # so small a validation part may choose tau = 0
        assert not same(state, weights(runs("none")))


def test_on_features_and_images_of_its_own_mixing_trains(options, tmp_path):
    for method in ("mixup", "cutmix"):
        config = options(attention={"attend": "all"}, remedy={"method": method}, schedule={"epochs": 1})
        assert np.isfinite(train(config, tmp_path / method).history["train_loss"]).all()


# The final layer


def test_crt_changes_the_final_layer_alone(runs):
    plain, retrained = weights(runs("none")), weights(runs("crt"))
    changed = {name for name in plain if not torch.equal(plain[name], retrained[name])}
    assert changed == set(HEAD)


def test_lws_scales_each_classs_weights_by_one_factor(runs):
    plain, scaled = weights(runs("none")), weights(runs("lws"))
    assert {name for name in plain if not torch.equal(plain[name], scaled[name])} == {HEAD[0]}
    factors = scaled[HEAD[0]] / plain[HEAD[0]]
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), rtol=1e-4, atol=0)
    assert len(set(factors[:, 0].tolist())) == 3


def test_a_given_tau_normalises_the_weights_of_plain_training(runs):
    plain, normalised = weights(runs("none")), weights(runs("tau-norm", norm_tau=0.5))
    torch.testing.assert_close(normalised[HEAD[0]], tau_normalise(plain[HEAD[0]], 0.5))
    assert all(torch.equal(plain[name], normalised[name]) for name in plain if name != HEAD[0])


def test_tau_is_chosen_on_the_validation_part_and_told(runs):
    tau = RunResult.load(runs("tau-norm")).config["found"]["norm_tau"]
    plain = weights(runs("none"))
    head = nn.Linear(96, 3)
    head.load_state_dict({"weight": plain[HEAD[0]], "bias": plain[HEAD[1]]})
    validation = RunResult.load(runs("none")).validation
    assert tau == choose_tau(head, validation.logits, validation.target)
    assert torch.equal(weights(runs("tau-norm"))[HEAD[0]], weights(runs("tau-norm", norm_tau=tau))[HEAD[0]])


def test_the_chosen_tau_is_the_best_of_all_and_the_smallest_of_equals():
    """Weight norms 4 and 1, no bias: with tau = 1 the rare class's logit counts four times as much."""
    head = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[4.0, 0.0], [0.0, 1.0]]))
    logits, target = np.array([[4.0, 0.5], [1.0, 0.6], [1.2, 0.7]]), np.array([0, 1, 1])
    # Class 1 wins where 4^tau > z_0 / z_1: 1.67 and 1.71 from tau = 0.4 on, and 8 never.
    assert choose_tau(head, logits, target) == 0.4
    assert choose_tau(head, logits[:1], target[:1]) == 0.0


def test_a_model_without_a_final_linear_layer_is_refused_before_training(options, tmp_path, monkeypatch):
    (tmp_path / "softmaxnet.py").write_text(
        "from torch import nn\nfrom lesioncare.experiment.demo import small_network\n"
        "def make(num_classes):\n    return small_network(num_classes).append(nn.LogSoftmax(1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = options(model={"name": "softmaxnet:make"}, remedy={"method": "crt"}, attention={"loss": "none"})
    with pytest.raises(ModelError, match=r"no layer's output is the model's logits.*--remedy"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# What is counted


@pytest.fixture
def relabelled(tiny, tmp_path):
    """Two tables with one training part; the labels of the other parts differ as much as they can."""
    with tiny.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    groups = list(dict.fromkeys(row["group"] for row in rows if row["split"] == "train"))
    held_out = {*groups[:2], *groups[-1:]} if len(groups) > 6 else set()
    assert held_out

    def write(name, label):
        for row in rows:
            row["split"] = "val" if row["group"] in held_out else row["split"]
        changed = [row | {"label": row["label"] if row["split"] == "train" else label} for row in rows]
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(changed)
        return tmp_path / name

    return write("one.csv", "common-mole"), write("other.csv", "red-lacunae")


@pytest.mark.parametrize("method", ["weighted", "ldam-drw", "progressive-sampler", "crt", "mixup"])
def test_labels_outside_the_training_part_change_nothing(options, tiny, relabelled, tmp_path, method):
    states = []
    for table in relabelled:
        config = options(
            data={"table": table, "image_root": tiny.parent},
            attention={"loss": "none"},
            remedy={"method": method, "second_epochs": 2},
        )
        result = train(config, tmp_path / table.stem)
        assert len(result.validation) > 0
        states.append(weights(tmp_path / table.stem))
    assert same(*states)


# Resuming


@pytest.mark.parametrize(
    ("method", "schedule", "model"),
    [
        ("progressive-sampler", {}, {"freeze": "5", "views": 2}),
        ("cutmix", {}, {"freeze": "5", "views": 2}),
        ("mixup", {"select": "best", "patience": 2}, {}),
        ("ldam-drw", {}, {}),
        ("crt", {"select": "best"}, {"freeze": "5", "views": 2}),
    ],
)
def test_a_killed_run_ends_as_if_it_had_not_been_stopped(
    options, tmp_path, monkeypatch, method, schedule, model
):
    config = options(
        schedule={"epochs": 4, "augment": "dermoscopy", **schedule},
        model=model,
        attention={"attend": "all"},
        remedy={"method": method, "second_epochs": 2, "drw_start": 0.5},
    )
    train(config, tmp_path / "whole")
    step = GuidedClassifier.training_step

    def killed(self, batch, index):
        if (self.current_epoch, index) == (2, 1):
            raise KilledError
        return step(self, batch, index)

    monkeypatch.setattr(GuidedClassifier, "training_step", killed)
    with pytest.raises(KilledError):
        train(config, tmp_path / "killed")
    monkeypatch.undo()
    (tmp_path / "killed").rename(tmp_path / "moved")
    train(config, tmp_path / "moved")
    for name in ("model.safetensors", "predictions.csv", "history.csv", "validation.csv"):
        assert (tmp_path / "moved" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


# The best epoch, and stopping early


@pytest.fixture
def rates(monkeypatch):
    """Have the validation accuracy of the epochs be as given; the network learns all the same."""

    def give(values):
        log = GuidedClassifier._log

        def said(self, name, value, images, **named):
            value = values[self.current_epoch] if name == "validation_balanced_accuracy" else value
            log(self, name, value, images, **named)

        monkeypatch.setattr(GuidedClassifier, "_log", said)

    return give


def test_the_best_epochs_weights_are_what_is_tested(options, rates, tmp_path):
    rates([0.1, 0.5, 0.5, 0.2])
    result = train(options(schedule={"epochs": 4, "select": "best"}), tmp_path / "run")
    assert result.history["epoch"].tolist() == [0, 1, 2, 3]
    best = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == 1
    state = {name.removeprefix("network."): value for name, value in best["state_dict"].items()}
    assert same(weights(tmp_path / "run"), state)
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 3


def test_the_kept_predictions_are_those_of_the_validation_part(options, tmp_path):
    result = train(options(schedule={"epochs": 3, "select": "best"}), tmp_path / "run")
    validation = result.validation
    assert len(validation) == 5
    assert not set(validation.image) & set(result.predictions.image)
    accuracy = balanced_accuracy_score(validation.target, validation.prediction)
    best = result.history["validation_balanced_accuracy"].max()
    assert accuracy == pytest.approx(best)


def test_training_stops_when_validation_does_not_rise_and_stays_stopped(options, rates, tmp_path):
    rates([0.1, 0.3, 0.2, 0.3, 0.9, 0.9])
    config = options(schedule={"epochs": 6, "patience": 2, "select": "best"})
    result = train(config, tmp_path / "run")
    assert result.history["epoch"].tolist() == [0, 1, 2, 3]
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    (tmp_path / "again" / "result.json").unlink()  # killed between the last epoch and the result
    again = train(config, tmp_path / "again")
    assert again.history["epoch"].tolist() == [0, 1, 2, 3]
    assert same(weights(tmp_path / "run"), weights(tmp_path / "again"))


@pytest.mark.parametrize(
    ("parts", "option"),
    [
        ({"schedule": {"select": "best"}}, "--select best"),
        ({"schedule": {"patience": 3}}, "--patience"),
        ({"remedy": {"method": "tau-norm"}}, "--remedy tau-norm without --norm-tau"),
    ],
)
def test_what_looks_at_the_validation_part_needs_one(options, tmp_path, parts, option):
    with pytest.raises(ConfigError, match=rf"{option} needs validation images: .*--validation 0.1"):
        train(options(data={"validation": 0}, **parts), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_a_validation_part_no_predictions_of_it_are_kept(options, tmp_path):
    result = train(options(data={"validation": 0}, schedule={"epochs": 1}), tmp_path / "run")
    assert result.validation is None
    assert not (tmp_path / "run" / "validation.csv").exists()
