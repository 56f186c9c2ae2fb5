"""What every remedy must do, beside every attention loss; naming a new one of either kind tests it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch.utils.data import DataLoader

from lesioncare.attention import AttentionGuide
from lesioncare.data import boxes_by_image, collate
from lesioncare.errors import ConfigError
from lesioncare.imbalance import REMEDIES
from lesioncare.training import TrainConfig
from lesioncare.training.attention import ATTENTION_LOSSES, make_guide
from lesioncare.training.decoupled import find_head
from lesioncare.training.module import Feed, GuidedClassifier
from lesioncare.training.remedy import make_treatment

LABELS = np.array([0] * 7 + [1] * 3 + [2] * 2)
SIZE = (64, 64)

every_remedy = pytest.mark.parametrize("method", REMEDIES)


def config_of(method, attention="none", **schedule):
    return TrainConfig.build(
        data={"table": "none.csv"},
        schedule={"epochs": 4, "batch_size": 6, **schedule},
        attention={"loss": attention, "attend": "all"},
        remedy={"method": method},
    )


def treatment_of(method, labels=LABELS, **schedule):
    return make_treatment(config_of(method, **schedule), labels, 3, SIZE)


def item(key):
    """An image of random pixels, brighter in its box, where it has one."""
    epoch, index = key
    generator = torch.Generator().manual_seed(epoch * 100 + index)
    image, boxed = torch.randn(3, *SIZE, generator=generator), index % 4 != 3
    corners = torch.tensor([[8.0, 8.0, 40.0, 48.0]]) if boxed else torch.empty(0, 4)
    if boxed:
        image[:, 8:48, 8:40] += 1
    weights = torch.full((len(corners),), 0.8)
    return {
        "image": image,
        "label": int(LABELS[index]),
        "boxes": corners,
        "weights": weights,
        "position": index,
    }


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return len(LABELS)

    def __getitem__(self, key):
        return item(key)


def module_of(method, attention, network):
    """The module that a run trains, with what would be logged in `logged`."""
    config, treatment = config_of(method, attention), treatment_of(method)
    feed = Feed(
        DataLoader(Items(), batch_size=6, sampler=treatment.sampler, collate_fn=collate), validation=None
    )
    module = GuidedClassifier(
        network,
        feed=feed,
        frozen=None,
        guide=make_guide(config, network, SIZE),
        attended=frozenset(range(3)),
        schedule=config.schedule,
        treatment=treatment,
    )
    module.logged = {}
    module._log = lambda name, value, images, **_: module.logged.setdefault(name, []).append(
        float(value.detach())
    )
    return module, feed


@pytest.mark.parametrize("attention", ["none", *ATTENTION_LOSSES])
@every_remedy
def test_two_steps_with_every_attention_loss(method, attention, one_thread):
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3).train()
    keys, before = list(network.state_dict()), [p.detach().clone() for p in network.parameters()]
    module, feed = module_of(method, attention, network)
    optimizer = module.configure_optimizers()["optimizer"]
    for index, batch in zip(range(2), feed._train, strict=False):
        module.on_train_epoch_start()
        loss = module.training_step(batch, index)
        optimizer.zero_grad()
        loss.backward()
        gradients = [parameter.grad for parameter in network.parameters()]
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0
        optimizer.step()
    assert np.isfinite(module.logged["train_loss"]).all()
    assert all(not torch.equal(p, old) for p, old in zip(network.parameters(), before, strict=True))
    assert list(network.state_dict()) == keys
    if attention != "none":
        assert len(module.logged["train_attention_loss"]) == 2
        assert np.isfinite(module.logged["train_attention_loss"]).all()
        guide = AttentionGuide(network.eval())
        with guide.watch(always=True):
            network(torch.stack([item((0, 0))["image"]]))
        assert guide.class_activation_map(torch.tensor([0])).isfinite().all()


@every_remedy
def test_what_is_mixed_or_not_has_one_target_label_and_boxes_each(method):
    treatment = treatment_of(method)
    batch = collate([item((0, index)) for index in range(6)])
    boxes, weights = boxes_by_image(batch)
    first, again, later = (
        treatment.prepare(batch, boxes, weights, step) for step in ((0, 1), (0, 1), (1, 1))
    )
    assert first.images.shape == batch["images"].shape
    assert len(first.targets) == len(first.labels) == len(first.boxes) == len(first.weights) == 6
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.targets, again.targets)
    mixes = REMEDIES[method].mixing is not None
    assert torch.equal(first.images, later.images) != mixes
    assert (first.targets.ndim == 2) == mixes
    for box, weight in zip(first.boxes, first.weights, strict=True):
        assert len(box) == len(weight)
        assert ((weight >= 0) & (weight <= 1)).all()


@every_remedy
def test_the_order_follows_from_seed_and_epoch_and_has_as_many_images_as_there_are(method):
    one, two = treatment_of(method).sampler, treatment_of(method).sampler
    list(one)
    for sampler in (one, two):
        sampler.set_epoch(3)
    assert list(one) == list(two)
    assert len(list(one)) == len(one) == len(LABELS)
    other = treatment_of(method, seed=1).sampler
    other.set_epoch(3)
    assert list(other) != list(one)


@pytest.mark.parametrize(
    ("method", "epoch", "expected"),
    [
        ("none", 0, [7, 3, 2]),
        ("balanced-sampler", 0, [4, 4, 4]),
        ("sqrt-sampler", 0, [5.5, 3.6, 2.9]),
        ("progressive-sampler", 0, [7, 3, 2]),
        ("progressive-sampler", 3, [4, 4, 4]),
    ],
)
def test_the_sampler_shows_the_classes_as_often_as_its_name_says(method, epoch, expected):
    sampler = treatment_of(method).sampler
    sampler.set_epoch(epoch)
    shown = np.bincount([LABELS[index] for _, index in sampler], minlength=3)
    assert abs(shown - np.array(expected)).max() <= 1


COUNTING = {
    *("weighted", "class-balanced", "class-balanced-focal", "ldam-drw", "logit-adjusted", "balanced-softmax"),
    *("seesaw", "balanced-sampler", "sqrt-sampler", "progressive-sampler"),
}


@every_remedy
def test_a_class_absent_from_the_training_part_is_refused_by_what_counts(method):
    labels = LABELS[LABELS < 2]
    if method in COUNTING:
        with pytest.raises(ConfigError, match=r"class index \[2\].*Leave that class out"):
            treatment_of(method, labels)
    else:
        value = treatment_of(method, labels).loss(torch.zeros(2, 3), torch.tensor([0, 1]))
        assert float(value) > 0


@pytest.mark.parametrize("method", sorted(COUNTING))
def test_the_counts_decide(method):
    """Other training labels must make a difference, or the test that others make none would say nothing."""
    one, other = treatment_of(method), treatment_of(method, 2 - LABELS)
    logits, target = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 2])
    for treatment in (one, other):
        treatment.loss.set_epoch(3)
        treatment.sampler.set_epoch(2)
    same_loss = torch.equal(one.loss(logits, target), other.loss(logits, target))
    assert not (same_loss and list(one.sampler) == list(other.sampler))


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext"])
def test_the_final_layer_is_found_and_no_hook_is_left(name):
    network = timm.create_model(name, num_classes=3).train()
    head = find_head(network, torch.randn(2, 3, *SIZE))
    assert head is network.get_classifier()
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_the_table_of_remedies_has_every_one():
    text = (Path(__file__).parents[2] / "docs" / "remedies.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert ["none", *rows] == list(REMEDIES)


def test_the_description_is_all_that_differs():
    plain = replace(REMEDIES["none"], title="x")
    assert all(replace(remedy, title="x") != plain for name, remedy in REMEDIES.items() if name != "none")
