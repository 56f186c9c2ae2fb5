"""A damaged or hostile file of a run is named in one message, with what to do; nothing in it is run."""

import io
import json
import pickle
import re
import shutil
import sys

import numpy as np
import pytest
import torch

from lesioncare.boxes.generation import make_boxes
from lesioncare.cli import main
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


FILES = {
    "nothing": b"",
    "noise": b"\x00\xff\x93noise{",
    "a-pickle": pickle.dumps({"weight": 1}),
    "deep-json": b"[" * 100_000,
    "deep-object": b'{"a":' * 100_000,
    "a-list": b"[1, 2]\n",
    "null": b"null\n",
    "words": b"data,model\none,two\n",
}
READERS = {
    "config.json": ["predict {} images", "audit {}", "export {} -o new"],
    "result.json": ["predict {} images", "evaluate {}", "report {}"],
    "predictions.csv": ["evaluate {}", "report {}"],
    "validation.csv": ["evaluate {}"],
    "history.csv": ["report {}"],
    "maps.npz": ["report {}"],
    "model.safetensors": ["predict {} images", "audit {}", "export {} -o new"],
}


@pytest.fixture
def run(monkeypatch, capsys, one_thread):
    """Run the command line in this process; give its exit code and what it wrote to stderr."""

    def run(words):
        monkeypatch.setattr(sys, "argv", ["lesioncare", *words.split()])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, capsys.readouterr().err

    return run


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_of_a_run_ends_in_one_message(
    run, finished, tiny, tmp_path, monkeypatch, name, content
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "run")
    shutil.copytree(tiny.parent / "images", "images")
    (tmp_path / "run" / name).write_bytes(FILES[content])
    for words in READERS[name]:
        code, printed = run(words.format("run"))
        said = printed[printed.find("lesioncare: error: ") :]
        assert code == 2, (words, printed)
        assert name in said or "run: is not the directory of one run" in said, words
        assert re.search("again|Give", said), words
        assert "Traceback" not in printed
        assert len(said) < 1500
    assert not (tmp_path / "new").exists()


def _values(changes):
    """Put values at places, named by their keys, into a file of json."""

    def change(path):
        content = json.loads(path.read_text())
        for place, value in changes.items():
            *parents, last = place.split(".")
            part = content
            for key in parents:
                part = part[key]
            part[last] = value
        path.write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config.json", {"schedule.epochs": "many"}),
        ("config.json", {"model": "resnet"}),
        ("config.json", {"model.name": 3}),
        ("result.json", {"config.remedy": 3}),
        ("result.json", {"config.remedy": {"method": "logit-adjusted", "adjust_tau": "x"}}),
        ("result.json", {"train_counts.network": -3}),
        ("result.json", {"config": []}),
        ("result.json", {"seconds": {"train": "long"}}),
        ("result.json", {"classes": ["a", "a", "b"]}),
    ],
)
def test_odd_values_in_a_file_of_a_run_end_in_one_message(
    run, finished, tiny, tmp_path, monkeypatch, name, changes
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "run")
    _values(changes)(tmp_path / "run" / name)
    shutil.copytree(tiny.parent / "images", "images")
    for words in ("predict run images", "report run", "audit run"):
        code, printed = run(words)
        assert "Traceback" not in printed
        if name == "result.json" or words != "report run":
            assert code == 2, words
            assert re.search(rf"{name}|run: ", printed)


def test_seconds_that_are_damaged_are_counted_anew(options, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run" / "seconds.json").write_bytes(FILES["deep-json"])
    assert train(options(), tmp_path / "run").seconds["train"] >= 0


def _arrays(path):
    """Give what a file of kept arrays may hold in its place."""
    yield from FILES.values()
    yield path.read_bytes()[:-7]
    for array in (np.zeros(3), np.float32(1), np.zeros((2, 3), np.int64), np.array([{}, 1], dtype=object)):
        np.save(buffer := io.BytesIO(), array, allow_pickle=True)
        yield buffer.getvalue()
    np.savez(buffer := io.BytesIO(), counts=np.array([1, 2]), boxes=np.zeros((1, 4)), weights=np.zeros(3))
    yield buffer.getvalue()


@pytest.mark.parametrize(
    ("freeze", "pattern"),
    [("5", "train/*/view0.npy"), ("5", "plain/*/*.boxes.npz"), ("none", "images/*.npy")],
)
def test_a_damaged_file_of_a_cache_is_named_and_made_anew_without_it(
    options, finished, tmp_path, freeze, pattern
):
    config, cache = options(model={"freeze": freeze}), tmp_path / "cache"
    train(config, tmp_path / "whole", cache_dir=cache)
    (kept,) = list(cache.glob(pattern))[:1]
    for number, content in enumerate(list(_arrays(kept))):
        kept.write_bytes(content)
        with pytest.raises(RunError, match=rf"{re.escape(kept.name)}: what was kept.*Delete this file"):
            train(config, tmp_path / f"run{number}", cache_dir=cache)
    kept.unlink()
    train(config, tmp_path / "again", cache_dir=cache)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "again")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b"[]",
        b'{"image": "a.png", "size": [1, 1], "found": 3}',
        b'{"image": [], "size": [1, 1], "found": null}',
        b'{"image": "0.png", "size": ["a", 1], "found": null}',
        b'{"image": "0.png", "size": [1, 1], "found": {"corners": ["a", 0, 1, 1], "score": 1}}',
        b'{"image": "0.png", "size": [9, 9], "found": {"corners": [5, 0, 1, 1], "score": 1}}',
        b'{"image": "0.png", "size": [9, 9], "found": {"corners": [0, 0, 1, 1], "score": "high"}}',
    ],
)
def test_a_damaged_line_of_begun_boxes_is_named(tmp_path, line):
    kept = tmp_path / "boxes.json.partial"
    make_boxes({}, "border", resume=kept)
    kept.write_bytes(kept.read_bytes() + line + b"\n")
    with pytest.raises(RunError, match=r"boxes\.json\.partial, line 2: damaged.*Remove the file"):
        make_boxes({}, "border", resume=kept)


def test_a_file_of_somebody_else_is_not_cut_off(tmp_path):
    """Boxes are kept in BOXES.partial; what lies there without an end of line is not one of ours."""
    (tmp_path / "notes").write_bytes(b"my notes")
    with pytest.raises(RunError, match="notes: belongs to"):
        make_boxes({}, "border", resume=tmp_path / "notes")
    assert (tmp_path / "notes").read_bytes() == b"my notes"
