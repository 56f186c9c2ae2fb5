import pytest
import timm
import torch
import torchvision
from torch import nn

from lesioncare.attention import AttentionGuide
from lesioncare.errors import ModelError
from lesioncare.experiment.demo import small_network
from lesioncare.training.cut import cut_model

pytestmark = pytest.mark.usefixtures("one_thread")
EXAMPLE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def assert_cut(network, layer):
    """Both parts make the whole, the first never learns, and the second's weights are the network's own."""
    cut = cut_model(network, layer, EXAMPLE)
    assert all(module.training for module in cut.trained.modules() if list(module.parameters(recurse=False)))
    assert not any(module.training for module in cut.frozen.modules())
    network.eval()
    torch.testing.assert_close(cut.trained(cut.frozen(EXAMPLE)), network(EXAMPLE), rtol=1e-4, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in cut.frozen.parameters())
    own = {id(parameter) for parameter in network.parameters()}
    learning = {id(parameter) for parameter in cut.trained.parameters()}
    assert learning < own
    assert {id(p) for p in network.parameters() if p.requires_grad} == learning
    return cut


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "tf_efficientnet_lite0",
        "convnext_atto",
        pytest.param("densenet121", marks=pytest.mark.slow),
        "mobilenetv3_small_050",
        pytest.param("vgg11", marks=pytest.mark.slow),
        "regnetx_002",
    ],
)
def test_auto_cuts_timms_models_at_their_last_stage_but_one(name):
    network = timm.create_model(name, num_classes=3)
    cut = assert_cut(network, "auto")
    stages = [stage["module"] for stage in network.feature_info]
    assert cut.layer == stages[-2]
    assert cut.frozen(EXAMPLE).ndim == 4


def test_auto_cuts_a_vision_transformer_between_two_blocks():
    """Its `forward` also takes a mask of attention and whether it is causal; both keep their defaults."""
    network = timm.create_model("test_vit3", num_classes=3, img_size=64)
    cut = assert_cut(network, "auto")
    assert cut.layer == "blocks.7"
    assert cut.frozen(EXAMPLE).ndim == 3


def test_behind_the_cut_a_transformers_map_is_that_of_the_whole():
    network = timm.create_model("test_vit3", num_classes=3, img_size=64).eval()
    cut, target = cut_model(network, "auto", EXAMPLE), torch.tensor([0, 2])
    maps = []
    for model, inputs in ((network, EXAMPLE), (cut.trained.eval(), cut.frozen(EXAMPLE))):
        guide = AttentionGuide(model, image_size=(64, 64))
        with guide.watch(always=True):
            model(inputs)
        maps.append(guide.class_activation_map(target))
    assert maps[0].shape == (2, 4, 4)
    torch.testing.assert_close(maps[1], maps[0], rtol=1e-4, atol=1e-6)


def test_a_named_layer_of_torchvision():
    cut = assert_cut(torchvision.models.resnet18(num_classes=3), "layer3.0")
    assert cut.frozen(EXAMPLE).shape == (2, 256, 4, 4)


def test_a_layer_in_a_plain_sequence():
    assert assert_cut(small_network(3), "5").frozen(EXAMPLE).shape == (2, 32, 16, 16)


def test_the_frozen_parts_batch_norm_does_not_move_when_the_rest_trains():
    network = small_network(3)
    cut = cut_model(network, "5", EXAMPLE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    cut.trained.train()
    cut.trained(cut.frozen(EXAMPLE)).sum().backward()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {int(name.split(".")[0]) for name in moved} == {7, 10}
    assert network[0].weight.grad is None
    assert network[6].weight.grad is not None


class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        y = self.a(x)
        return self.fc((self.b(y) + x).mean((2, 3)))


class Twice(Skip):
    def forward(self, x):
        return self.fc(self.b(self.a(self.a(x))).mean((2, 3)))


class Branching(Skip):
    def forward(self, x):
        return self.fc((self.b(self.a(x)) if x.sum() > 0 else x).mean((2, 3)))


class Dropping(Skip):
    def forward(self, x):
        x = nn.functional.dropout(self.b(self.a(x)), 0.5, self.training)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        (Skip(), "a", "later layer also uses x"),
        (Skip(), "c", "no layer 'c'.*a, b, fc"),
        (Skip(), "auto", "lists no stages.*name the last layer"),
        (Twice(), "a", "runs 2 times"),
        (Branching(), "a", "cannot be cut behind 'a'"),
        (Dropping(), "a", "other logits than the whole one"),
        (small_network(2), "14", "nothing is left that could learn"),
    ],
)
def test_what_cannot_be_cut_is_refused(network, layer, message):
    with pytest.raises(ModelError, match=message):
        cut_model(network, layer, EXAMPLE)
    with pytest.raises(ModelError):
        cut_model(timm.create_model("resnet18"), "layer3.7", EXAMPLE)
