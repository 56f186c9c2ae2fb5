"""No GPU is needed here: a fake one shows what would wait for it, and what would lie on the wrong device."""

import math

import pytest
import timm
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode

from lesioncare.attention import AttentionGuide
from lesioncare.errors import RunError
from lesioncare.evaluation import RunResult
from lesioncare.imbalance import REMEDIES
from lesioncare.training import train
from lesioncare.training.config import ScheduleConfig, TrainConfig
from lesioncare.training.finite import LossWatch
from lesioncare.training.memory import memory_format, on_device, set_memory_format
from lesioncare.training.module import Feed, GuidedClassifier
from lesioncare.training.remedy import make_treatment

LABELS = torch.tensor([0, 1, 2, 2])


def batch():
    return {
        "images": torch.rand(4, 3, 32, 32),
        "labels": LABELS,
        "boxes": torch.tensor([[2.0, 3.0, 20.0, 28.0], [0.0, 0.0, 9.0, 9.0]]),
        "weights": torch.tensor([1.0, 0.5]),
        "counts": torch.tensor([1, 0, 0, 1]),
        "positions": torch.arange(4),
    }


def module_of(network, remedy="none", guide=None, **schedule):
    config = TrainConfig.build(data={"table": "t.csv"}, remedy={"method": remedy})
    module = GuidedClassifier(
        network,
        feed=Feed([], None),
        frozen=None,
        guide=guide,
        attended=frozenset({0, 2}),
        schedule=ScheduleConfig(**schedule),
        treatment=make_treatment(config, LABELS.numpy(), 3, (32, 32)),
    )
    module._log = lambda *_, **__: None
    return module


class Recorder(AttentionGuide):
    """Stands in for a guide that needs real numbers; keeps what it was given."""

    def combine(self, classification_loss, target, boxes, weights=None):
        self.given = target, boxes, weights
        return classification_loss

    def watch(self, **_):
        return torch.enable_grad()


@pytest.fixture
def gpu(monkeypatch):
    """A mode in which tensors on "cuda" have shapes and a device, but no numbers; the CPU's stay real."""
    fake, real_to = FakeTensorMode(allow_non_fake_inputs=True), torch.Tensor.to

    def to(tensor, *arguments, **named):
        wanted = [value for value in (*arguments, *named.values()) if str(value).startswith("cuda")]
        if not wanted or isinstance(tensor, FakeTensor):
            return real_to(tensor, *arguments, **named)
        with fake:
            return real_to(fake.from_tensor(tensor), *arguments, **named)

    monkeypatch.setattr(torch.Tensor, "to", to)
    return fake


@pytest.mark.parametrize("remedy", sorted(REMEDIES))
def test_a_step_on_a_gpu_neither_waits_nor_mixes_devices(gpu, remedy):
    with gpu, torch.device("cuda"):
        network = timm.create_model("test_resnet", num_classes=3)
    module = module_of(network, remedy, guide=Recorder(network, alpha=0.5))
    module._finite.add = lambda *_: None  # a copy to the CPU, and an event: not to be had here
    for part in module.loss.modules():  # as Lightning would send them
        part._buffers.update({name: value.to("cuda") for name, value in part._buffers.items()})
    sent = module.transfer_batch_to_device(batch(), torch.device("cuda"), 0)
    assert sent["images"].device.type == "cuda"
    loss = module.training_step(sent, 0)
    assert loss.device.type == "cuda"
    with pytest.raises(DataDependentOutputException):  # a step that asked for a number would do this
        loss.item()
    target, boxes, weights = module._guide.given
    assert target.device.type == "cuda"
    assert {tensor.device.type for tensor in (*boxes, *weights)} == {"cpu"}


def test_only_the_images_go_to_the_device():
    sent = module_of(torch.nn.Linear(1, 1)).transfer_batch_to_device(batch(), torch.device("meta"), 0)
    assert {name for name, tensor in sent.items() if tensor.device.type == "meta"} == {"images"}


def test_channels_last_changes_the_order_alone():
    network = timm.create_model("test_resnet", num_classes=3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    parameters = list(network.parameters())
    set_memory_format(network, memory_format("auto", torch.device("cpu")))
    assert network.conv1[0].weight.is_contiguous()
    set_memory_format(network, memory_format("auto", torch.device("cuda")))
    assert network.conv1[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(now is then for now, then in zip(network.parameters(), parameters, strict=True))
    set_memory_format(network, torch.contiguous_format)
    assert network.conv1[0].weight.is_contiguous()


def test_channels_last_trains_the_same_network(finished, options, tmp_path):
    result = train(options(schedule={"channels_last": True}), tmp_path / "run")
    plain = RunResult.load(finished)
    torch.testing.assert_close(
        torch.from_numpy(result.predictions.logits),
        torch.from_numpy(plain.predictions.logits),
        rtol=1e-3,
        atol=1e-3,
    )


def test_a_network_is_on_the_device_for_a_while_only():
    network = torch.nn.Linear(2, 2)

    def leave_early():
        with on_device(network, torch.device("cpu")):
            raise KeyError

    with pytest.raises(KeyError):
        leave_early()
    assert network.weight.device.type == "cpu"


@pytest.mark.parametrize("freeze", ["none", "5"])
@pytest.mark.parametrize("remedy", ["none", "crt", "tau-norm"])
def test_what_comes_after_training_runs_on_the_chosen_device_and_ends_on_the_cpu(
    options, tmp_path, monkeypatch, remedy, freeze
):
    asked, used = [], []
    monkeypatch.setattr(
        "lesioncare.training.run.choose_device", lambda name: asked.append(name) or torch.device("cpu")
    )
    monkeypatch.setattr(
        "lesioncare.training.run.on_device",
        lambda network, device: used.append(device) or on_device(network, device),
    )
    config = options(
        remedy={"method": remedy, "second_epochs": 1},
        model={"freeze": freeze, "cache": "never"},
        schedule={"epochs": 1},
    )
    train(config, tmp_path / "run")
    assert set(asked) == {"cpu"}
    assert len(used) == (3 if remedy == "tau-norm" else 2)  # validation and test


def test_a_run_in_pure_bfloat16_is_tested_in_32_bit(options, tmp_path):
    result = train(options(schedule={"precision": "bf16-true", "epochs": 1}), tmp_path / "run")
    assert math.isfinite(result.predictions.logits.sum())


# The loss that is looked at later


def test_a_bad_loss_is_noticed_one_step_later_or_at_the_end():
    watch = LossWatch()
    watch.add(torch.tensor(1.0), 0)
    watch.add(torch.tensor(math.nan), 1)
    with pytest.raises(RunError, match=r"The loss became nan in epoch 2. Lower the learning rate"):
        watch.add(torch.tensor(1.0), 2)
    watch = LossWatch("The second stage's loss")
    watch.add(torch.tensor(math.inf), 3)
    with pytest.raises(RunError, match="second stage's loss became inf in epoch 4"):
        watch.check()
    watch.check()  # said once
