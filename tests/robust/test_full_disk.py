"""A full disk ends in one message, what was whole stays, nothing is half-written; the same call goes on."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lesioncare.boxes.formats import write_boxes
from lesioncare.boxes.generation import make_boxes
from lesioncare.data.partial import new_array
from lesioncare.errors import DataError, LesionCareError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.experiment import Comparison, ComparisonConfig, run_comparison
from lesioncare.experiment.compare import CellsFailedError
from lesioncare.training import RunDirectory, train
from lesioncare.training.checkpoints import WholeFiles

from .limits import largest_file


def files_of(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "room", [1_000, 60_000, 500_000], ids=["for-no-options", "for-no-images", "for-no-checkpoint"]
)
def test_a_training_goes_on_when_there_is_room_again(options, finished, tmp_path, room):
    with (
        largest_file(room),
        pytest.raises(RunError, match=r"run.*(cannot be written|stopped) .*File too large"),
    ):
        train(options(), tmp_path / "run")
    assert not [path for path in files_of(tmp_path) if path.suffix in (".part", ".tmp")]
    assert not (tmp_path / "run" / "result.json").exists()
    train(options(), tmp_path / "run")
    weights = [(place / "model.safetensors").read_bytes() for place in (tmp_path / "run", finished)]
    assert weights[0] == weights[1]


def test_weights_that_do_not_fit_leave_none(tmp_path):
    run = RunDirectory(tmp_path)
    with largest_file(1_000), pytest.raises(RunError, match=r"model.safetensors: cannot be written"):
        run.save_weights(nn.Linear(100, 100))
    assert not files_of(tmp_path)


@pytest.mark.parametrize("size", [30, 3_000], ids=["in-its-first-bytes", "later"])
def test_the_old_checkpoint_stays_when_the_new_one_does_not_fit(tmp_path, size):
    place = tmp_path / "checkpoints" / "last.ckpt"
    WholeFiles().save_checkpoint({"epoch": 1}, place)
    with largest_file(size), pytest.raises(OSError, match="File too large"):
        WholeFiles().save_checkpoint({"epoch": 2, "weights": torch.zeros(10_000)}, place)
    assert files_of(tmp_path) == [place]
    assert torch.load(place, weights_only=True) == {"epoch": 1}
    WholeFiles().save_checkpoint({"epoch": 2}, place)
    assert torch.load(place, weights_only=True) == {"epoch": 2}


def test_a_mapped_file_has_its_room_before_it_is_written(tmp_path):
    """A write to a page that the disk has no room for would end the process without a word."""
    array = new_array(tmp_path / "a.npy", np.dtype(np.float32), (1000, 10))
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= array.nbytes
    with largest_file(1_000), pytest.raises(OSError, match="File too large"):
        new_array(tmp_path / "b.npy", np.dtype(np.float32), (1000, 10))
    assert files_of(tmp_path) == [tmp_path / "a.npy"]


def test_a_comparison_goes_on_when_there_is_room_again(settings, tmp_path):
    plan = ComparisonConfig.build(settings(arms="care-all"))
    with largest_file(500_000), pytest.raises(CellsFailedError, match="2 of 2 cells failed") as caught:
        run_comparison(plan, tmp_path / "run")
    assert "File too large" in str(caught.value)
    assert not list(tmp_path.rglob("*.part"))
    run_comparison(plan, tmp_path / "run")
    run_comparison(plan, tmp_path / "whole")
    first, whole = (Comparison.load(tmp_path / name).save_tables() for name in ("run", "whole"))
    assert first == whole
    for cell in (tmp_path / "whole" / "cells").glob("*/*"):
        same = tmp_path / "run" / cell.relative_to(tmp_path / "whole")
        assert (cell / "model.safetensors").read_bytes() == (same / "model.safetensors").read_bytes()


@pytest.fixture
def moles(tmp_path):
    folder = tmp_path / "moles"
    folder.mkdir()
    for number in range(6):
        pixels = np.full((40, 50, 3), 200, np.uint8)
        pixels[10:25, 5 + number : 30] = 60
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return {path.name: path for path in sorted(folder.glob("*.png"))}


@pytest.mark.parametrize("room", [20, 300, 500])
def test_boxes_go_on_when_there_is_room_again(moles, tmp_path, room):
    kept = tmp_path / "boxes.json.partial"
    with largest_file(room), pytest.raises(RunError, match=r"boxes.json.partial: cannot be written"):
        make_boxes(moles, "border", resume=kept)
    assert make_boxes(moles, "border", resume=kept) == make_boxes(moles, "border")


@pytest.mark.parametrize("name", ["boxes.json", "boxes.csv", "boxes.parquet"])
def test_a_file_of_boxes_is_whole_or_not_there(moles, tmp_path, name):
    made = make_boxes(moles, "border").boxes
    before = files_of(tmp_path)
    with largest_file(100), pytest.raises(DataError, match=r"boxes.*: cannot be written"):
        write_boxes(made, tmp_path / name)
    assert files_of(tmp_path) == before


def test_a_result_is_whole_or_not_there(finished, tmp_path):
    result = RunResult.load(finished)
    result.save(tmp_path / "copy")
    with largest_file(1_000), pytest.raises(LesionCareError, match="cannot be written"):
        result.save(tmp_path / "copy")
    assert not (tmp_path / "copy" / "result.json").exists()
    assert not list((tmp_path / "copy").glob("*.tmp"))
