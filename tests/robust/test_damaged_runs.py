"""A damaged or hostile file of a run is named in one message, with what to do; nothing in it is run."""

import pickle
import re
import shutil

import pytest
import torch

from lesioncare.errors import RunError
from lesioncare.training import train

from .payload import Payload


def _torn(path, _):
    path.write_bytes(path.read_bytes()[:5000])


def _bytes_changed(path, _):
    content = path.read_bytes()
    path.write_bytes(content[:3000] + bytes(200) + content[3200:])


def _changed(**parts):
    def change(path, _):
        torch.save(torch.load(path, weights_only=True) | parts, path)

    return change


CHECKPOINTS = {
    "code": lambda path, owned: torch.save({"state_dict": Payload(owned)}, path),
    "a-pickle": lambda path, owned: path.write_bytes(pickle.dumps(Payload(owned), protocol=2)),
    "text": lambda path, _: path.write_bytes(b"no checkpoint"),
    "empty": lambda path, _: path.write_bytes(b""),
    "torn": _torn,
    "bytes-changed": _bytes_changed,
    "a-list": lambda path, _: torch.save([1, 2], path),
    "no-keys": lambda path, _: torch.save({}, path),
    "other-weights": _changed(state_dict={"a": torch.zeros(3)}),
    "no-optimizer": _changed(optimizer_states=3),
    "no-loops": _changed(loops=[{}]),
    "no-version": _changed(**{"pytorch-lightning_version": None}),
}


@pytest.mark.parametrize("damage", CHECKPOINTS)
@pytest.mark.filterwarnings("ignore")  # what Lightning says of a checkpoint is not what is told
def test_a_damaged_checkpoint_is_named_and_nothing_in_it_is_run(options, finished, tmp_path, damage):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "result.json").unlink()
    CHECKPOINTS[damage](run / "checkpoints" / "last.ckpt", tmp_path / "owned")
    with pytest.raises(RunError, match=r"last\.ckpt: the checkpoint is damaged.*Delete the folder") as told:
        train(options(), run)
    assert not re.search("weights_only|trust", str(told.value))
    assert not (tmp_path / "owned").exists()
    assert not (run / "result.json").exists()


def test_without_the_damaged_checkpoint_the_run_ends_as_it_would_have(options, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "result.json").unlink()
    shutil.rmtree(run / "checkpoints")
    train(options(), run)
    assert (run / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()


@pytest.mark.parametrize("damage", ["code", "empty", "other-weights"])
def test_a_damaged_checkpoint_of_the_best_epoch_is_named(options, tmp_path, damage):
    config, run = options(schedule={"select": "best", "epochs": 1}), tmp_path / "run"
    train(config, run)
    (run / "result.json").unlink()
    CHECKPOINTS[damage](run / "checkpoints" / "best.ckpt", tmp_path / "owned")
    with pytest.raises(RunError, match=r"best\.ckpt: the checkpoint is damaged.*Delete the folder"):
        train(config, run)
    assert not (tmp_path / "owned").exists()
