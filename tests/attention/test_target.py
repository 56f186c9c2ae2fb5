import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional

from lesioncare.attention import AttentionGuide, find_target
from lesioncare.attention.layout import Layout
from lesioncare.errors import ModelError

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
    hook_count,
    mlp,
    relu_in_place,
    same_state,
    snapshot,
)

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LARGER = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "layer", "closed_form"),
    [
        ("test_resnet", "layer4", True),
        ("test_efficientnet", "bn2", True),
        ("test_byobnet", "stages", True),
        ("test_nfnet", "final_act", True),
        ("resnet18", "layer4", True),
        ("tf_efficientnet_lite0", "bn2", True),
        ("densenet121", "features", True),
        ("regnetx_002", "s4", True),
        ("convnext_atto", "stages", False),  # a norm in the head
        ("mobilenetv3_small_050", "blocks", False),  # a convolution after pooling
    ],
)
def test_timm_models(name, layer, closed_form):
    found = find_target(timm.create_model(name, num_classes=3), (LARGER,), {})
    assert (found.name, found.closed_form) == (layer, closed_form)


def test_vgg_of_timm():
    model = timm.create_model("vgg11", num_classes=3, mlp_ratio=0.01)
    found = find_target(model, (LARGER,), {})
    assert (found.name, found.closed_form) == ("features", False)


@pytest.mark.parametrize(
    ("name", "layer", "options"),
    [
        ("squeezenet1_1", "classifier.2", {}),
        ("alexnet", "features.11", {}),  # the last pooling leaves one cell of a 64 pixel image
        ("densenet121", "features", {}),  # an in-place ReLU follows
    ],
)
def test_torchvision_models_with_other_heads(name, layer, options):
    model = getattr(torchvision.models, name)(weights=None, num_classes=3, **options)
    found = find_target(model, (LARGER,), {})
    assert (found.name, found.closed_form) == (layer, False)


def test_googlenet_whose_training_output_is_a_tuple():
    model = torchvision.models.googlenet(weights=None, num_classes=3, init_weights=False)
    guide = AttentionGuide(model)
    with guide.watch():
        output = model(LARGER)
    assert isinstance(output, tuple)
    assert (guide.target.name, guide.target.closed_form) == ("inception5b", True)


@pytest.mark.parametrize(
    ("name", "layer", "layout", "options"),
    [
        ("test_vit", "blocks.5.norm1", Layout("tokens", 1), {"img_size": 64}),  # the class token decides
        ("test_vit2", "blocks", Layout("tokens", 1), {"img_size": 64}),  # the patches' mean, then a norm
        ("test_vit3", "norm", Layout("tokens", 1), {"img_size": 64}),  # attention pooling
        ("test_vit4", "blocks", Layout("tokens", 1), {"img_size": 64}),
        ("test_mambaout", "stages", Layout("channels last"), {}),
    ],
)
def test_token_and_channels_last_models_of_timm(name, layer, layout, options):
    found = find_target(timm.create_model(name, num_classes=3, **options), (LARGER,), {})
    assert (found.name, found.layout, found.closed_form) == (layer, layout, False)


def test_a_linear_head_on_averaged_channels_last_maps_has_the_closed_form():
    options = {"embed_dim": 16, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "window_size": 2}
    model = timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, img_size=64, **options)
    found = find_target(model, (LARGER,), {})
    assert (found.name, found.layout, found.linear) == ("norm", Layout("channels last"), model.head.fc)


def test_a_channels_last_model_that_permutes_before_pooling():
    model = torchvision.models.SwinTransformer(
        [4, 4], 16, [1, 1], [1, 2], [2, 2], num_classes=3, stochastic_depth_prob=0.0
    )
    assert find_target(model, (LARGER,), {}).name == "permute"


# Heads that look linear before they learn, or in numbers only. None may be taken for one.


class Cosine(nn.Linear):
    def forward(self, x):
        return functional.linear(functional.normalize(x), functional.normalize(self.weight))


class Adapter(nn.Module):
    """LoRA: its second matrix begins at 0."""

    def __init__(self):
        super().__init__()
        self.base, self.down, self.up = nn.Linear(4, 3), nn.Linear(4, 2), nn.Linear(2, 3, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


class Temperature(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.scale = nn.Linear(4, 3), nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.fc(x) * self.scale


@pytest.mark.parametrize(
    "head",
    [
        mlp(),
        Cosine(4, 3),
        Adapter(),
        Temperature(),
        nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)),
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)),
        nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3)),
    ],
    ids=["mlp", "cosine", "adapter", "temperature", "norm before", "norm after", "relu", "two linear"],
)
def test_other_heads_are_not_taken_for_linear(head):
    found = find_target(Pooled(head), (IMAGES,), {})
    assert (found.name, found.linear) == ("features", None)


def test_a_one_by_one_convolution_is_a_linear_head():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Dropout(), nn.Conv2d(4, 3, 1),
        nn.Flatten(),
    )  # fmt: skip
    found = find_target(model, (IMAGES,), {})
    assert found.name == "1"
    assert found.linear is model[4]


@pytest.mark.parametrize("after", [nn.ReLU(inplace=True), nn.ReLU(), relu_in_place, add_in_place])
def test_a_map_changed_after_the_layer_has_no_closed_form(after):
    model = Tail(after)
    given = find_target(model, (IMAGES,), {}, "conv")
    assert (given.name, given.closed_form) == ("conv", False)
    found = find_target(model, (IMAGES,), {})
    assert (found.name, found.closed_form) == (
        ("after", True) if isinstance(after, nn.Module) else ("conv", False)
    )


def test_a_layer_used_again_in_the_head():
    model = Reused()
    found = find_target(model, (IMAGES,), {})
    assert (found.name, found.run, found.closed_form) == ("relu", 1, False)
    assert find_target(model, (IMAGES,), {}, "relu").run == 1


def test_a_small_backbone_below_a_long_head():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4), nn.ReLU(),
        nn.Dropout(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3),
    )  # fmt: skip
    assert find_target(model, (IMAGES,), {}).name == "1"


def test_a_layer_given_as_module_or_name():
    model = timm.create_model("test_resnet", num_classes=3)
    for layer in ("layer3", model.layer3):
        found = find_target(model, (LARGER,), {}, layer)
        assert (found.name, found.layer, found.closed_form) == ("layer3", model.layer3, False)
    assert find_target(model, (LARGER,), {}, "layer4").closed_form


@pytest.mark.parametrize("layer", ["layer9", "", nn.Conv2d(1, 1, 1)])
def test_an_unknown_layer_lists_the_top_layers(layer):
    model = Pooled()
    with pytest.raises(ModelError, match="features, pool, drop, head"):
        find_target(model, (IMAGES,), {}, layer)
    with pytest.raises(ModelError, match="features, pool, drop, head"):
        AttentionGuide(model, target_layer=layer)


def test_a_layer_without_a_map_or_without_a_run_is_told():
    model = Pooled()
    model.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(ModelError, match="'head' gives no map"):
        find_target(model, (IMAGES,), {}, "head")
    with pytest.raises(ModelError, match="'spare' did not run"):
        find_target(model, (IMAGES,), {}, "spare")


def test_maps_that_do_not_lead_to_the_logits_are_passed_over():
    class Side(Pooled):
        def __init__(self):
            super().__init__()
            self.side = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            logits = super().forward(x)
            return logits, self.side(x)

    assert find_target(Side(), (IMAGES,), {}).name == "features"


@pytest.mark.parametrize("prefix", [1, 2, 5])
@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("size", [(16, 16), (20, 12), (32, 32)])
def test_class_and_register_tokens_are_told_from_patches(prefix, stated, size):
    model, images = Transformer(prefix, stated=stated), torch.rand(2, 3, *size)
    found = find_target(model, (images,), {})
    assert (found.name, found.layout) == ("blocks.1.norm1", Layout("tokens", prefix))
    assert not found.closed_form


def test_the_mean_of_the_patch_tokens_with_a_linear_head_has_the_closed_form():
    model = Transformer(2, "mean")
    found = find_target(model, (IMAGES,), {})
    assert (found.name, found.layout, found.linear) == ("norm", Layout("tokens", 2), model.head)


@pytest.mark.parametrize("zero", ["head", "head.weight"])
def test_a_head_that_begins_at_zero_hides_nothing(zero):
    model = Transformer(pool="token by token") if zero == "head" else Transformer()
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    if zero == "head.weight":
        assert find_target(model, (IMAGES,), {}).name == "blocks.1.norm1"
    else:  # nothing at all can be told before a step was made
        with pytest.raises(ModelError, match="target_layer"):
            find_target(model, (IMAGES,), {})
        assert find_target(model, (IMAGES,), {}, "blocks.1.norm1").layout == Layout("tokens", 1)


def test_channels_last_is_told_from_the_pooling_where_shapes_are_equal():
    model = ChannelsLast(channels=4)  # 16 pixel images: [2, 4, 4, 4]
    found = find_target(model, (IMAGES,), {})
    assert (found.name, found.layout, found.linear) == ("norm", Layout("channels last"), model.head)


def test_tokens_that_fit_no_grid_are_told():
    class Dropped(Transformer):
        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)[:, :60]
            return self.head(self.norm(self.blocks(x)).mean(1))

    with pytest.raises(ModelError, match=r"60 tokens, which make no grid .* 32 x 32 .* target_layer"):
        find_target(Dropped(), (torch.rand(2, 3, 32, 32),), {})


def test_a_single_token_is_no_map_of_patches():
    class Gated(nn.Module):
        """A convolution over channels, [N, 1, K], behind the pooled map, as in ECA."""

        def __init__(self):
            super().__init__()
            self.features = nn.Conv2d(3, 8, 3, padding=1)
            self.across = nn.Conv1d(1, 1, 3, padding=1)
            self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))

        def forward(self, x):
            x = self.features(x).mean((2, 3))
            return self.head(x * self.across(x[:, None])[:, 0].sigmoid())

    assert find_target(Gated(), (IMAGES,), {}).name == "features"


def test_lists_of_maps_are_entered():
    assert find_target(MultiScale(), (IMAGES,), {}).name == "stage.coarse"


def test_the_first_of_several_heads_counts():
    model = MultiHead()
    found = find_target(model, (IMAGES,), {})
    assert (found.name, found.linear) == ("features", None)  # another layer learns from the same map


@pytest.mark.parametrize(
    ("model", "arguments", "named"),
    [
        (TupleOutput(), (IMAGES,), {}),
        (TupleOutput(), (), {"image": IMAGES}),
        (TwoInputs(), (torch.rand(2), IMAGES), {}),
        (TwoInputs(), (torch.rand(2),), {"image": IMAGES}),
    ],
)
def test_hand_written_signatures(model, arguments, named):
    found = find_target(model, arguments, named)
    assert found.name == "features"
    assert found.closed_form == isinstance(model, TupleOutput)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_found_in_any_gradient_mode_and_when_frozen(context):
    model = Pooled(mlp())
    with context():
        image = IMAGES.clone()
        assert find_target(model, (image,), {}).name == "features"
        assert find_target(model.requires_grad_(False), (image,), {}).name == "features"


def test_the_search_leaves_no_trace():
    model = Pooled(mlp())
    model.pool.register_forward_hook(lambda _m, _i, output: output + torch.rand_like(output))  # in any mode
    model.features.eval()  # mixed modes
    modes = [module.training for module in model.modules()]
    state, random = snapshot(model), torch.get_rng_state()
    find_target(model, (IMAGES,), {})
    assert [module.training for module in model.modules()] == modes
    assert same_state(state, snapshot(model))
    assert torch.equal(random, torch.get_rng_state())
    assert hook_count(model) == 1  # the one above
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_failing_search_leaves_no_trace():
    model = Pooled(nn.Linear(7, 3)).train()
    with pytest.raises(RuntimeError):
        find_target(model, (IMAGES,), {})
    assert hook_count(model) == 0
    assert all(module.training for module in model.modules())
