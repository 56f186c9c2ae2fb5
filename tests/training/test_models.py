import pickle
import sys
import types

import pytest
import timm
import torch
from safetensors.torch import save_file

from lesioncare.errors import ConfigError, LesionCareError, ModelError
from lesioncare.experiment.demo import small_network
from lesioncare.training.config import ModelConfig
from lesioncare.training.models import build_model, check_model

pytestmark = pytest.mark.usefixtures("one_thread")
OWN = "lesioncare.experiment.demo:small_network"


def build(name, classes=3, **options):
    return build_model(ModelConfig(name=name, **({"weights": "none"} | options)), classes)


@pytest.fixture
def resnet_file(tmp_path):
    """The weights of a test_resnet with seven classes."""
    torch.manual_seed(3)
    save_file(timm.create_model("test_resnet", num_classes=7).state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_a_timm_model_brings_its_own_size_and_normalisation():
    model = build("test_resnet", 5)
    assert model.network(torch.rand(1, 3, 64, 64)).shape == (1, 5)
    cfg = model.network.pretrained_cfg
    assert model.image_size == tuple(cfg["input_size"][1:])
    assert (model.mean, model.std) == (tuple(cfg["mean"]), tuple(cfg["std"]))
    assert build("test_resnet", image_size=(48, 64)).image_size == (48, 64)


def test_a_transformer_takes_images_of_another_size_with_the_weights_of_its_own(tmp_path):
    """Its position embedding is stretched to the new grid, as timm does it; all else stays."""
    stored = timm.create_model("test_vit3", num_classes=3)
    save_file(stored.state_dict(), tmp_path / "w.safetensors")
    model = build("test_vit3", image_size=(96, 64), weights=str(tmp_path / "w.safetensors"))
    assert model.network(torch.rand(2, 3, 96, 64)).shape == (2, 3)
    found, own = model.network.state_dict(), stored.state_dict()
    changed = {name for name in own if not torch.equal(found[name], own[name])} - {"head.weight", "head.bias"}
    assert changed == {"pos_embed"}
    stored.set_input_size((96, 64))
    torch.testing.assert_close(found["pos_embed"], stored.state_dict()["pos_embed"])


def test_an_own_model_is_a_function_of_the_number_of_classes():
    model = build(OWN, 4)
    assert model.network(torch.rand(2, 3, 32, 32)).shape == (2, 4)
    assert model.image_size == (224, 224)


def test_what_cannot_be_built_is_seen_without_building(tmp_path):
    check_model(ModelConfig(name="test_resnet"))
    check_model(ModelConfig(name=OWN, weights="none"))
    for name, said in (("resnet_50", "Did you mean .*.*resnet50"), ("nowhere:make", "cannot be imported")):
        with pytest.raises(ModelError, match=said):
            check_model(ModelConfig(name=name))
    with pytest.raises(ConfigError, match="no such weights file"):
        check_model(ModelConfig(name="test_resnet", weights=str(tmp_path / "lost.safetensors")))


@pytest.mark.parametrize("classes", [3, 7, 1000])
def test_a_file_loads_whatever_its_number_of_classes(resnet_file, classes):
    torch.manual_seed(0)
    fresh = build("test_resnet", classes).network.state_dict()
    torch.manual_seed(0)
    loaded = build("test_resnet", classes, weights=str(resnet_file)).network.state_dict()
    torch.manual_seed(3)
    stored = timm.create_model("test_resnet", num_classes=7).state_dict()
    head = {"fc.weight", "fc.bias"}
    assert all(torch.equal(loaded[name], stored[name]) for name in set(stored) - head)
    assert all(torch.equal(loaded[name], (stored if classes == 7 else fresh)[name]) for name in head)


def test_a_training_checkpoint_of_torch_is_unwrapped(tmp_path):
    network = timm.create_model("test_resnet", num_classes=3)
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.pth")
    loaded = build("test_resnet", weights=str(tmp_path / "w.pth")).network
    assert torch.equal(loaded.fc.weight, network.fc.weight)


def test_an_own_model_takes_a_file(tmp_path):
    network = small_network(3)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    loaded = build(OWN, weights=str(tmp_path / "w.safetensors")).network
    assert torch.equal(loaded[14].weight, network[14].weight)
    with pytest.raises(ModelError, match=r"w.safetensors: the weights do not fit.*14.(weight|bias)"):
        build(OWN, 4, weights=str(tmp_path / "w.safetensors"))


def test_weights_of_another_architecture_are_refused(resnet_file, tmp_path):
    for name in ("test_vit", "test_efficientnet", "resnet18"):
        with pytest.raises(ModelError, match=r"w.safetensors: the weights are of another model"):
            build(name, weights=str(resnet_file))
    save_file(timm.create_model("resnet34").state_dict(), tmp_path / "34.safetensors")
    with pytest.raises(ModelError, match=r"another model: a foreign layer1.2"):
        build("resnet18", weights=str(tmp_path / "34.safetensors"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.safetensors", b"no weights"),
        ("w.safetensors", b""),
        ("w.pth", b"no weights"),
        ("w.pth", b""),
        ("w.pth", pickle.dumps(types.SimpleNamespace(a=1), protocol=2)),
    ],
)
@pytest.mark.parametrize("model", ["test_resnet", OWN])
def test_a_damaged_file_is_refused(tmp_path, name, content, model):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}: not a readable weights file"):
        build(model, weights=str(tmp_path / name))


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.ones(2)])
def test_a_torch_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"w.pt: "):
        build("test_resnet", weights=str(tmp_path / "w.pt"))


def test_a_truncated_file_is_refused(resnet_file):
    resnet_file.write_bytes(resnet_file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="not a readable weights file"):
        build("test_resnet", weights=str(resnet_file))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", r"timm has no model 'resnet5'. Did you mean .*.*resnet50"),
        ("efficientnet_bx", r"no model 'efficientnet_bx'. Did you mean .*.*efficientnet_b"),
        ("zzz", r"no model 'zzz'. A model of your own"),
        ("no.such.module:f", r"cannot be imported: No module named 'no'"),
        ("lesioncare.experiment.demo:f", r"has no attribute 'f'"),
        (":f", "cannot be imported"),
        ("builtins:len", r"could not be called with num_classes=3"),
        ("builtins:dict", r"must return a torch.nn.Module, but gave dict"),
    ],
)
def test_an_unknown_model_is_refused(name, message):
    with pytest.raises(ModelError, match=message):
        build(name)


@pytest.mark.parametrize("name", ["test_resnet", OWN])
def test_a_missing_file_is_refused(name):
    with pytest.raises(ConfigError, match=r"no/such.file: no such weights file"):
        build(name, weights="no/such.file")


def test_weights_that_cannot_be_downloaded_are_refused(monkeypatch):
    monkeypatch.setattr("timm.create_model", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(LesionCareError, match=r"'resnet18' could not be downloaded.*offline.*--weights FILE"):
        build("resnet18", weights="pretrained")


def test_an_architecture_alone_needs_no_file():
    config = ModelConfig(name="test_resnet", weights="no/such.file")
    assert build_model(config, 2, load_weights=False).network.fc.out_features == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "nn.Conv2d(3, num_classes, 1)",
            r"must give logits \[2, 3\] for 2 images, but gave \[2, 3, 32, 32\]",
        ),
        ("nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 9))", r"but gave \[2, 9\]"),
        ("nn.LSTM(32, num_classes)", "cannot take images of 32 x 32 pixels"),
        ("Pair()", "but gave tuple"),
    ],
)
def test_a_model_that_gives_no_logits_is_refused(tmp_path, monkeypatch, body, message):
    (tmp_path / "oddnet.py").write_text(
        "from torch import nn\nclass Pair(nn.Module):\n    def forward(self, x):\n        return x, x\n"
        f"def make(num_classes):\n    return {body}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "oddnet", raising=False)
    with pytest.raises(ModelError, match=message):
        build("oddnet:make", image_size=(32, 32))


def test_checking_the_logits_changes_nothing():
    network = build(OWN).network
    assert all(module.training for module in network.modules())
    assert network[1].num_batches_tracked == 0
