"""An export is verified, whole, and says all that is needed to use it."""

import collections
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
from scipy.special import softmax

from lesioncare.data import find_images
from lesioncare.deploy import ExportedModel, Manifest, export_run, predict_run, run_temperature
from lesioncare.deploy.card import model_card
from lesioncare.deploy.formats import FORMATS, Format
from lesioncare.errors import ConfigError, ModelError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.evaluation.reliability import fit_temperature
from lesioncare.images import read_image
from lesioncare.training import train
from lesioncare.training.apply import load_run

pytestmark = pytest.mark.slow
ALL = {"onnx", "torch-export", "torchscript", "timm"}


@pytest.fixture(scope="module")
def trained(timm_run):
    return load_run(timm_run)


@pytest.fixture(scope="module")
def table(tiny):
    return find_images(tiny.parent / "images")


def test_every_format_was_compared_on_random_and_real_images(exported):
    files = exported.manifest.files
    assert set(files) == ALL
    assert not exported.left_out
    for file in files.values():
        assert (file.random.inputs, file.real.inputs) == (9, 12)
        assert max(file.random.logit, file.real.logit) < 1e-4
        assert file.real.probability < 1e-5
    names = {file.name for file in files.values()} | {"config.json", "preprocessing.json", "README.md"}
    assert {path.name for path in exported.directory.iterdir()} == names
    assert Manifest.read(exported.directory) == exported.manifest


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_an_export_gives_the_run_s_answers_from_the_image_file_on(exported, trained, table, backend):
    expected, _ = predict_run(trained, table)
    model = ExportedModel(exported.directory, backend)
    logits = model.predict(table, batch_size=7)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(softmax(logits, axis=1), softmax(expected, axis=1), atol=1e-4)


def test_timm_alone_builds_the_network_from_the_folder_and_prepares_images_alike(exported, trained, table):
    network = timm.create_model(f"local-dir:{exported.directory}", pretrained=True).eval()
    config = timm.data.resolve_model_data_config(network)
    prepare = timm.data.create_transform(**config)
    images = [prepare(read_image(Path(path))) for path in table.frame["path"][:5]]
    with torch.inference_mode():
        logits = network(torch.stack(images)).numpy()
    expected, _ = predict_run(trained, table)
    # timm resizes with Pillow, whose rounding may differ by one grey level of 255 from torch's.
    np.testing.assert_allclose(logits, expected[:5], atol=0.02)
    said = json.loads((exported.directory / "config.json").read_text())
    assert said["label_names"] == list(trained.result.classes)
    assert (said["num_classes"], said["architecture"]) == (3, "test_resnet")


def test_the_temperature_is_that_of_the_kept_validation_predictions(exported, timm_run):
    result = RunResult.load(timm_run)
    assert exported.manifest.temperature == fit_temperature(result.validation) == run_temperature(result)


def graph(path):
    """Node types with their counts, and the shapes of the weights."""
    found = onnx.load(path).graph
    shapes = sorted(tuple(weight.dims) for weight in found.initializer)
    return collections.Counter(node.op_type for node in found.node), shapes


@pytest.mark.parametrize("loss", ["care", "input-gradient"])
def test_attention_leaves_nothing_in_the_exported_graph(options, tmp_path, loss):
    graphs = []
    for name in (loss, "none"):
        part = tmp_path / name
        model = {"name": "test_efficientnet", "weights": "none"}
        train(options(model=model, schedule={"epochs": 1}, attention={"loss": name}), part / "run")
        export_run(load_run(part / "run"), part / "export", formats=["onnx"])
        graphs.append(graph(part / "export" / "model.onnx"))
    assert graphs[0] == graphs[1]
    assert graphs[0][0]["Conv"] > 3


def test_a_network_of_one_s_own_has_no_timm_folder(finished, tmp_path):
    done = export_run(load_run(finished), tmp_path / "own")
    assert set(done.manifest.files) == ALL - {"timm"}
    assert "not one of timm's" in done.left_out["timm"]
    assert not (tmp_path / "own" / "config.json").exists()
    with pytest.raises(ModelError, match=r"^timm: the network is not one of timm's"):
        export_run(load_run(finished), tmp_path / "asked", formats=["timm"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


class TestWhatDoesNotVerify:
    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch):
        """A format whose file is written well but answers 0.01 too much."""
        good = FORMATS["onnx"]

        def off(path):
            run = good.open(path)
            return lambda images: run(images) + np.float32(0.01)

        monkeypatch.setitem(FORMATS, "onnx", Format(good.file, good.write, off))

    def test_is_refused_where_it_was_asked_for(self, trained, tmp_path):
        with pytest.raises(ModelError, match=r"^onnx: its logits differ from the network's by up to 0.01"):
            export_run(trained, tmp_path / "files", formats=["onnx", "timm"])
        assert not list(tmp_path.iterdir())

    def test_is_left_out_else(self, trained, tmp_path):
        done = export_run(trained, tmp_path / "files")
        assert "differ" in done.left_out["onnx"]
        assert not (tmp_path / "files" / "model.onnx").exists()
        assert (tmp_path / "files" / "model.pt2").exists()


def test_a_fixed_batch_size_is_noticed(trained, tmp_path, monkeypatch):
    good = FORMATS["onnx"]

    def fixed(network, path):
        torch.onnx.export(network.network, (network.example,), str(path), dynamo=False)

    monkeypatch.setitem(FORMATS, "onnx", Format(good.file, fixed, good.open))
    with pytest.raises(ModelError, match=r"^onnx: fails on a batch of 1"):
        export_run(trained, tmp_path / "files", formats=["onnx"])


def test_without_the_images_it_is_verified_on_random_inputs_alone(finished, tmp_path, options):
    shutil.copytree(finished, tmp_path / "run")
    text = (tmp_path / "run" / "predictions.csv").read_text().replace("/images/", "/gone/")
    (tmp_path / "run" / "predictions.csv").write_text(text)
    done = export_run(load_run(tmp_path / "run"), tmp_path / "files", formats=["torchscript"])
    assert done.manifest.files["torchscript"].real is None
    assert "the images are gone" in (tmp_path / "files" / "README.md").read_text()


def test_exporting_leaves_the_network_as_it_was(trained, tmp_path):
    before = {name: value.clone() for name, value in trained.network.state_dict().items()}
    trained.network.train()
    export_run(trained, tmp_path / "files", formats=["onnx"], check_images=0)
    assert trained.network.training
    trained.network.eval()
    assert all(torch.equal(value, before[name]) for name, value in trained.network.state_dict().items())


def test_nothing_is_lost_by_overwriting(trained, tmp_path):
    files, kept = tmp_path / "files", tmp_path / "kept"
    export_run(trained, files, formats=["onnx"], check_images=1)
    with pytest.raises(RunError, match=r"already there and not empty.*--overwrite"):
        export_run(trained, files)
    export_run(trained, files, formats=["torchscript"], check_images=1, overwrite=True)
    assert not (files / "model.onnx").exists()
    kept.mkdir()
    (kept / "notes.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(RunError, match="kept: is"):
            export_run(trained, kept, overwrite=overwrite)
    (files / "notes.txt").touch()
    with pytest.raises(RunError, match=r"no export alone \(notes.txt\)"):
        export_run(trained, files, overwrite=True)
    assert (files / "model.torchscript.pt").exists()


def test_the_card_promises_no_groups_where_none_were_told(exported, trained):
    known = trained.result.predictions
    assert "Images of one lesion or patient are on one side" in model_card(trained, exported.manifest)
    alone = dataclasses.replace(trained.result, predictions=dataclasses.replace(known, group=known.image))
    card = model_card(dataclasses.replace(trained, result=alone), exported.manifest)
    assert "Images of one lesion or patient are on one side" not in card
    assert "No lesions or patients were told" in card


def test_the_card_tells_the_numbers_that_the_run_has(exported, timm_run):
    card = (exported.directory / "README.md").read_text()
    result = RunResult.load(timm_run)
    assert card.startswith("---\nlibrary_name: timm\n")
    assert f"| Balanced accuracy | {100 * result.metrics.balanced_accuracy:.1f} |" in card
    assert f"| red-lacunae | {result.train_counts['red-lacunae']} | 4 | rare |" in card
    for words in ("not a medical device", "## Intended use", "## Limitations", "## Licence", "training only"):
        assert words in card
    assert str(timm_run.parent) not in card


class TestReadingAnExport:
    @pytest.fixture
    def copy(self, exported, tmp_path):
        return shutil.copytree(exported.directory, tmp_path / "copy")

    def test_a_missing_file_is_named(self, copy):
        (copy / "model.onnx").unlink()
        with pytest.raises(ModelError, match=r"model.onnx: is missing from the export"):
            ExportedModel(copy)

    def test_a_format_that_was_not_exported_is_named(self, copy):
        said = json.loads((copy / "preprocessing.json").read_text())
        del said["files"]["onnx"]
        (copy / "preprocessing.json").write_text(json.dumps(said))
        with pytest.raises(ModelError, match=r"holds no onnx file, only torch-export.*--formats onnx"):
            ExportedModel(copy)

    @pytest.mark.parametrize(("backend", "name"), [("onnx", "model.onnx"), ("torch", "model.pt2")])
    def test_a_damaged_file_is_named(self, copy, backend, name):
        (copy / name).write_bytes(b"nothing")
        with pytest.raises(ModelError, match=rf"{name}: not a readable"):
            ExportedModel(copy, backend)

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"classes": ["a"]}'])
    def test_a_damaged_manifest_is_named(self, copy, text):
        (copy / "preprocessing.json").write_text(text)
        with pytest.raises(
            ModelError, match=r"preprocessing.json: .* Export the run again|that lesioncare export"
        ):
            ExportedModel(copy)

    def test_a_file_of_another_export_is_noticed(self, copy, table):
        said = json.loads((copy / "preprocessing.json").read_text())
        said["classes"].append("melanoma")
        (copy / "preprocessing.json").write_text(json.dumps(said))
        with pytest.raises(ModelError, match=r"not of one export"):
            ExportedModel(copy).predict(table)

    def test_without_onnxruntime_the_remedy_is_told(self, copy, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
        with pytest.raises(ConfigError, match=r"pip install 'lesioncare\[onnx\]'"):
            ExportedModel(copy)
