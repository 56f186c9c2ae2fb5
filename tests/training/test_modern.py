"""Gradient accumulation, checkpointing, averaged weights, mixed precision and compiling, in whole runs."""

import copy
import shutil

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy

from lesioncare.attention import AttentionGuide
from lesioncare.data.synthetic import SyntheticConfig, write_dataset
from lesioncare.errors import ConfigError
from lesioncare.training import TrainConfig, train
from lesioncare.training.apply import load_run
from lesioncare.training.averaging import WeightAverage
from lesioncare.training.models import checkpoint_blocks
from lesioncare.training.module import GuidedClassifier

WITHOUT_BATCH_NORM = """
from torch import nn

def make(num_classes):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 12, 3, 2), nn.SiLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, num_classes),
    )
"""


def trained(directory):
    return load_file(directory / "model.safetensors")


def largest_difference(one, other):
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


@pytest.fixture
def even(tmp_path, monkeypatch, one_thread):
    """Options for 24 training images and a network whose images do not see each other."""
    (tmp_path / "plainnet.py").write_text(WITHOUT_BATCH_NORM)
    monkeypatch.syspath_prepend(tmp_path)
    counts = {"common-mole": 12, "network": 9, "red-lacunae": 3}
    table = write_dataset(tmp_path / "data", SyntheticConfig(train_counts=counts, n_test=4, size=32))

    def build(**schedule):
        return TrainConfig.build(
            data={"table": table, "validation": 0},
            model={"name": "plainnet:make", "image_size": (32, 32)},
            schedule={"epochs": 3, "batch_size": 8, "accelerator": "cpu", **schedule},
            attention={"loss": "care", "attend": "all"},
        )

    return build


def test_small_batches_that_make_one_step_equal_one_large_batch(even, tmp_path):
    train(even(), tmp_path / "large")
    result = train(even(batch_size=4, accumulate=2), tmp_path / "small")
    assert largest_difference(trained(tmp_path / "large"), trained(tmp_path / "small")) < 1e-5
    assert result.history["epoch"].tolist() == [0, 1, 2]
    train(even(batch_size=4), tmp_path / "other")
    assert largest_difference(trained(tmp_path / "large"), trained(tmp_path / "other")) > 1e-4


# Averaged weights


def test_the_average_follows_its_formula():
    network, callback = nn.Linear(1, 1, bias=False), WeightAverage(0.5)
    holder = type("Holder", (), {"network": network, "global_step": 0})()
    network.requires_grad_(False).weight.fill_(1.0)
    callback.on_fit_start(holder, holder)
    for step, value in enumerate([2.0, 4.0, 8.0]):
        network.weight.fill_(value)
        holder.global_step = step + 1
        callback.on_train_batch_end(holder, holder)
        callback.on_train_batch_end(holder, holder)  # a batch without a step, as in accumulation
    callback.on_validation_start(holder, holder)
    # 2, then d = 2/11: 2 * 2/11 + 4 * 9/11 = 40/11, then d = 3/12: 40/11 / 4 + 8 * 3/4
    assert float(network.weight) == pytest.approx(40 / 44 + 6)
    callback.on_validation_end(holder, holder)
    assert float(network.weight) == 8.0


@pytest.mark.parametrize("select", ["last", "best"])
def test_a_resumed_run_has_the_same_average(options, tmp_path, monkeypatch, select):
    config = options(schedule={"epochs": 3, "ema": 0.9, "select": select})
    train(config, tmp_path / "whole")
    plain = train(options(schedule={"epochs": 3, "select": select}), tmp_path / "plain")
    assert plain.history["train_loss"].notna().all()
    assert largest_difference(trained(tmp_path / "whole"), trained(tmp_path / "plain")) > 1e-5
    step = GuidedClassifier.training_step

    def killed(self, batch, index):
        if (self.current_epoch, index) == (2, 1):
            raise ZeroDivisionError
        return step(self, batch, index)

    monkeypatch.setattr(GuidedClassifier, "training_step", killed)
    with pytest.raises(ZeroDivisionError):
        train(config, tmp_path / "killed")
    monkeypatch.undo()
    train(config, tmp_path / "killed")
    for name in ("model.safetensors", "predictions.csv", "history.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


# Checkpointing


@pytest.mark.parametrize("gradient", ["full", "half"])
@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext"])
def test_a_checkpointed_network_has_the_same_gradient(name, gradient):
    torch.manual_seed(0)
    plain = timm.create_model(name, num_classes=3).train()
    saving = copy.deepcopy(plain)
    checkpoint_blocks(saving)
    images, labels = torch.rand(2, 3, 64, 64), torch.tensor([0, 2])
    boxes = [torch.tensor([[1.0, 2.0, 30.0, 40.0]]), torch.tensor([[20.0, 2.0, 60.0, 33.0]])]
    maps = []
    for network in (plain, saving):
        guide = AttentionGuide(network, alpha=1.0, gradient=gradient)
        with guide.watch():
            logits = network(images)
        guide.combine(cross_entropy(logits, labels), labels, boxes).backward()
        maps.append(guide.target)
    for found, wanted in zip(saving.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad)
    assert maps[0].closed_form == maps[1].closed_form


@pytest.mark.slow
def test_a_checkpointed_run_equals_a_plain_one(tiny, tmp_path):
    def config(**schedule):
        return TrainConfig.build(
            data={"table": tiny, "validation": 0},
            model={"name": "test_resnet", "weights": "none", "image_size": (32, 32)},
            schedule={"epochs": 1, "accelerator": "cpu", **schedule},
            attention={"loss": "care", "attend": "all"},
        )

    train(config(), tmp_path / "plain")
    train(config(grad_checkpointing=True), tmp_path / "saving")
    one, other = trained(tmp_path / "plain"), trained(tmp_path / "saving")
    learnt = {name for name, _ in load_run(tmp_path / "plain").network.named_parameters()}
    # Batch norm's running averages take in each batch twice, as everywhere with checkpoints.
    assert largest_difference({name: one[name] for name in learnt}, other) < 1e-6


def test_what_cannot_be_checkpointed_is_refused(options, tmp_path):
    with pytest.raises(ConfigError, match="offers no gradient checkpointing"):
        train(options(schedule={"grad_checkpointing": True}), tmp_path / "run")
    with pytest.raises(ConfigError, match="--freeze 5"):
        train(options(schedule={"grad_checkpointing": True}, model={"freeze": "5"}), tmp_path / "run")
    with pytest.raises(ConfigError, match="do not go together"):
        options(schedule={"grad_checkpointing": True, "compile": True})
    assert not (tmp_path / "run").exists()


# Mixed precision


def head_of_two_layers():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 12, 3, 2), nn.SiLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "build", [lambda: timm.create_model("test_resnet", num_classes=3), head_of_two_layers]
)
def test_a_scaled_half_precision_step_gives_the_gradient_of_32_bit(build, dtype):
    torch.manual_seed(0)
    network = build().train()
    images, labels = torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 0])
    boxes = [torch.tensor([[1.0, 2.0, 30.0, 40.0]]), *[torch.empty(0, 4)] * 3]
    gradients = {}
    for mixed in (False, True):
        learner = copy.deepcopy(network)
        optimizer = torch.optim.SGD(learner.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", 1024.0, enabled=mixed and dtype == torch.float16)
        guide = AttentionGuide(learner, alpha=0.5)
        with torch.autocast("cpu", dtype, enabled=mixed), guide.watch():
            logits = learner(images)
        with torch.autocast("cpu", dtype, enabled=mixed):
            loss = guide.combine(cross_entropy(logits.float(), labels), labels, boxes)
        assert loss.dtype == torch.float32
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        gradients[mixed] = torch.cat([parameter.grad.flatten() for parameter in learner.parameters()])
        scaler.step(optimizer)
        scaler.update()
        assert all(parameter.isfinite().all() for parameter in learner.parameters())
    similarity = torch.cosine_similarity(gradients[False], gradients[True], dim=0)
    assert similarity > 0.98  # without attention it is 0.993 in float16


def test_a_run_in_mixed_precision_is_near_one_in_32_bit(even, tmp_path):
    plain, mixed = train(even(), tmp_path / "plain"), train(even(precision="bf16-mixed"), tmp_path / "mixed")
    np.testing.assert_allclose(mixed.history["train_loss"], plain.history["train_loss"], rtol=0.02)
    assert {tensor.dtype for tensor in trained(tmp_path / "mixed").values()} == {torch.float32}


# Compiling


@pytest.mark.slow
@pytest.mark.parametrize("freeze", ["none", "2"])
@pytest.mark.parametrize("attention", ["care", "none"])
def test_a_compiled_run_is_that_of_the_plain_network(even, tmp_path, monkeypatch, attention, freeze):
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **_: real(model, backend="aot_eager"))

    def config(compiled):
        plain = even(compile=compiled)
        return plain.model_copy(
            update={
                "attention": plain.attention.model_copy(update={"loss": attention}),
                "model": plain.model.model_copy(update={"freeze": freeze, "views": 1}),
            }
        )

    train(config(False), tmp_path / "plain")
    result = train(config(True), tmp_path / "compiled")
    assert largest_difference(trained(tmp_path / "plain"), trained(tmp_path / "compiled")) < 1e-5
    assert load_run(tmp_path / "compiled").network
    if attention == "care":
        assert result.config["found"]["closed_form"]
        assert result.config["found"]["target_layer"] == "4"


def test_without_a_compiler_the_remedy_is_named(even, tmp_path, monkeypatch):
    def no_compiler(*_):
        raise OSError("no C++ compiler")

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **_: real(model, backend=no_compiler))
    with pytest.raises(ConfigError, match=r"could not be compiled: .*without --compile"):
        train(even(compile=True), tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
