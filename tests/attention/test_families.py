"""Every family that is quick: found by itself, unchanged, and able to learn; the rest is in the benchmark."""

import importlib.util
import sys
from pathlib import Path

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from .models import (
    ChannelsLast,
    MultiHead,
    MultiScale,
    Pooled,
    Reused,
    Tail,
    Transformer,
    TupleOutput,
    TwoInputs,
    add_in_place,
    mlp,
    relu_in_place,
)

ROOT = Path(__file__).parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


family_cases = load("family_cases")  # which families imports
families = load("families")

QUICK = {
    "timm:beit": ("blocks.2", "tokens after 1", "head gradient"),
    "timm:byobnet": ("stages", "channels first", "closed form"),
    "timm:cait": ("blocks", "tokens", "head gradient"),
    "timm:deepseek_vit": ("encoder", "channels last", "head gradient"),
    "timm:deit": ("blocks.2.norm1", "tokens after 2", "head gradient"),
    "timm:efficientnet": ("bn2", "channels first", "closed form"),
    "timm:eva": ("norm", "tokens after 5", "closed form"),
    "timm:mambaout": ("stages", "channels last", "head gradient"),
    "timm:mobilenetv3": ("blocks", "channels first", "head gradient"),
    "timm:naflexvit": ("blocks.2", "tokens after 4", "head gradient"),
    "timm:resnet": ("layer4", "channels first", "closed form"),
    "timm:swin_transformer": ("norm", "channels last", "closed form"),
    "timm:vision_transformer": ("blocks.5.norm1", "tokens after 1", "head gradient"),
    "timm:vision_transformer_relpos": ("blocks.8", "tokens", "head gradient"),
    "timm:xcit": ("cls_attn_blocks.1.norm1", "tokens after 1", "head gradient"),
    "torchvision:vision_transformer": (
        "encoder.layers.encoder_layer_2.ln_1",
        "tokens after 1",
        "head gradient",
    ),
}


def check(row):
    assert row["outputs_unchanged"] == "yes"
    assert row.get("place", "right") == "right"
    assert row["energy_after"] > row["energy_before"]


@pytest.mark.parametrize("family", QUICK)
def test_family(family):
    row = families.study(family)
    assert (row["target_layer"], row["layout"], row["head"]) == QUICK[family]
    check(row)


class Functional(nn.Module):
    """Everything but the convolutions is a function."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 4, stride=4), nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Shared(nn.Module):
    """One block used three times."""

    def __init__(self):
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 6, 4, stride=4), nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = x + self.block(x).tanh()
        return self.fc(x.mean((2, 3)))


HAND_WRITTEN = {
    "mlp head": lambda: Pooled(mlp()),
    "batch norm in the head": lambda: Pooled(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))),
    "one-by-one convolution": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 4, stride=4), nn.Tanh(), nn.Conv2d(8, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "several heads": MultiHead,
    "tuple": TupleOutput,
    "two inputs": TwoInputs,
    "functions": Functional,
    "one block thrice": Shared,
    "one activation for all": Reused,
    "relu in place": lambda: Tail(relu_in_place),
    "sum in place": lambda: Tail(add_in_place),
    "list of maps": MultiScale,
    "channels last": ChannelsLast,
    "channels last and a perceptron": lambda: ChannelsLast(mlp(8), channels=8),
    "class token": Transformer,
    "registers": lambda: Transformer(5),
    "mean of patches": lambda: Transformer(2, "mean"),
}


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_hand_written_model(name):
    torch.manual_seed(0)
    model = HAND_WRITTEN[name]()
    inputs = (lambda images: (torch.ones(len(images)), images)) if name == "two inputs" else families.alone
    check(families.examine(model, 32, inputs))


def test_every_model_module_of_timm_has_a_case():
    assert set(timm.list_modules()) <= set(family_cases.TIMM)


def test_the_page_quotes_the_benchmark():
    rows = families.read_rows(ROOT / "benchmarks" / "families.csv")
    assert families.as_table(rows) in (ROOT / "docs" / "networks.md").read_text("utf-8")


def test_a_model_that_fails_or_hangs_is_a_row(monkeypatch):
    def build(family):
        while family == "timm:vgg":
            pass
        raise RuntimeError("no such weights")

    monkeypatch.setattr(families, "build", build)
    assert families.in_own_process("timm:resnet", 20)["remark"] == "RuntimeError: no such weights"
    assert families.in_own_process("timm:vgg", 1)["remark"] == "not done in 1 s"
