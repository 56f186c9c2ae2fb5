import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesioncare.errors import RunError
from lesioncare.evaluation import RunResult

CLASSES = ("a b", "c,d", "é <script>")


@pytest.fixture
def result(make):
    rng = np.random.default_rng(0)
    return RunResult(
        name="CARE, τ=0.9 <b>",
        config={"alpha": 0.1 + 0.2, "model": "resnet18", "nested": {"list": [1, None, "x"]}},
        classes=CLASSES,
        rare=CLASSES[2:],
        train_counts={"a b": 50, "c,d": 30, "é <script>": 7},
        seconds={"fit": 1 / 3},
        versions={"torch": "2.5"},
        history=pd.DataFrame(
            {"epoch": [0, 1], "train_loss": [0.1 + 0.2, 1e-17], "validation_loss": [np.nan, 2.0]}
        ),
        predictions=make([0, 1, 2, 2], rng.normal(size=(4, 3)), CLASSES, energy=[0.1, np.nan, 0.5, 0.7]),
        maps=rng.uniform(size=(4, 2, 3)).astype(np.float16),
    )


def test_round_trip(result, tmp_path):
    result.save(tmp_path / "new" / "run")
    back = RunResult.load(tmp_path / "new" / "run")
    for name in ("name", "config", "classes", "rare", "train_counts", "seconds", "versions", "metrics"):
        assert getattr(back, name) == getattr(result, name), name
    pd.testing.assert_frame_equal(back.history, result.history, rtol=1e-12)
    np.testing.assert_array_equal(back.maps, result.maps)
    np.testing.assert_array_equal(back.predictions.logits, result.predictions.logits)


def test_the_files_and_no_others(result, tmp_path):
    result.save(tmp_path)
    names = {"history.csv", "maps.npz", "metrics.json", "predictions.csv", "result.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert json.loads((tmp_path / "metrics.json").read_text()) == json.loads(
        json.dumps(result.metrics.to_dict())
    )


def test_saving_again_without_maps_removes_the_old_ones(result, tmp_path):
    result.save(tmp_path)
    replace(result, maps=None).save(tmp_path)
    assert RunResult.load(tmp_path).maps is None
    assert not (tmp_path / "maps.npz").exists()


def test_the_validation_part_is_kept_where_there_is_one(result, tmp_path):
    validation = result.predictions.select(np.array([True, False, True, False]))
    replace(result, validation=validation).save(tmp_path)
    found = RunResult.load(tmp_path).validation
    assert found.image.tolist() == validation.image.tolist()
    np.testing.assert_array_equal(found.logits, validation.logits)
    result.save(tmp_path)  # a run without one leaves none behind
    assert RunResult.load(tmp_path).validation is None
    assert not (tmp_path / "validation.csv").exists()


def test_a_run_from_before_there_was_a_validation_part_loads(result, tmp_path):
    result.save(tmp_path)
    record = json.loads((tmp_path / "result.json").read_text("utf-8"))
    del record["n_validation"]
    (tmp_path / "result.json").write_text(json.dumps(record), "utf-8")
    assert RunResult.load(tmp_path).validation is None


def test_a_lost_or_cut_validation_part_is_noticed(result, tmp_path):
    replace(result, validation=result.predictions).save(tmp_path)
    lines = (tmp_path / "validation.csv").read_text().splitlines(keepends=True)
    (tmp_path / "validation.csv").write_text("".join(lines[:-1]))
    with pytest.raises(RunError, match=r"validation\.csv: has 3 images.*says 4"):
        RunResult.load(tmp_path)
    (tmp_path / "validation.csv").unlink()
    with pytest.raises(RunError, match=r"validation\.csv.*again"):
        RunResult.load(tmp_path)


def test_an_interrupted_save_is_no_finished_run(result, tmp_path, monkeypatch):
    result.save(tmp_path)

    def fail(self, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(result.predictions), "to_csv", fail)
    with pytest.raises(KeyboardInterrupt):
        result.save(tmp_path)
    with pytest.raises(RunError, match="no finished run"):
        RunResult.load(tmp_path)


def test_a_setting_of_a_foreign_type_does_not_lose_the_run(result, tmp_path):
    replace(result, config={"table": Path("a/b.csv")}).save(tmp_path)
    assert RunResult.load(tmp_path).config == {"table": "a/b.csv"}


def test_an_empty_history(result, tmp_path):
    replace(result, history=pd.DataFrame()).save(tmp_path)
    assert RunResult.load(tmp_path).history.empty


@pytest.mark.parametrize("name", ["history.csv", "maps.npz", "predictions.csv", "result.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "noise"])
def test_a_damaged_directory_names_the_file_and_the_remedy(result, tmp_path, name, damage):
    result.save(tmp_path)
    if damage == "missing":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(b"" if damage == "empty" else b"\x00\xff\x93noise{")
    with pytest.raises(RunError, match=f"{name}.*(again|complete)"):
        RunResult.load(tmp_path)


def test_half_of_the_maps_file(result, tmp_path):
    result.save(tmp_path)
    content = (tmp_path / "maps.npz").read_bytes()
    (tmp_path / "maps.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match=r"maps\.npz"):
        RunResult.load(tmp_path)


def test_a_bare_array_in_place_of_the_maps_archive(result, tmp_path):
    result.save(tmp_path)
    with (tmp_path / "maps.npz").open("wb") as file:
        np.save(file, result.maps)
    with pytest.raises(RunError, match=r"maps\.npz.*damaged"):
        RunResult.load(tmp_path)


def test_maps_are_never_unpickled(result, tmp_path):
    result.save(tmp_path)
    np.savez(tmp_path / "maps.npz", maps=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RunError, match=r"maps\.npz.*damaged"):
        RunResult.load(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"name": 3}', "null"])
def test_a_record_of_another_shape(result, tmp_path, text):
    result.save(tmp_path)
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(RunError, match=r"(?s)result\.json.*damaged"):
        RunResult.load(tmp_path)


def test_a_lost_row_is_noticed(result, tmp_path):
    result.save(tmp_path)
    lines = (tmp_path / "predictions.csv").read_text().splitlines(keepends=True)
    (tmp_path / "predictions.csv").write_text("".join(lines[:-1]))
    with pytest.raises(RunError, match=r"has 3 images.*says 4"):
        RunResult.load(tmp_path)


def test_a_file_in_place_of_the_directory(result, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        result.save(tmp_path / "run")
    with pytest.raises(RunError, match=r"result\.json"):
        RunResult.load(tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a", "b", "c")}, "classes"),
        ({"rare": ("z",)}, "rare"),
        ({"maps": np.zeros((3, 2, 2))}, r"maps must be \[4, h, w\]"),
        ({"maps": np.full((4, 2, 2), np.nan)}, "finite"),
    ],
)
def test_parts_that_do_not_fit_are_refused(result, change, message):
    with pytest.raises(RunError, match=message):
        replace(result, **change)


def test_a_remedy_that_took_the_prior_out_is_not_adjusted_twice(result):
    counts = {"a b": 50, "c,d": 30, "é <script>": 7}
    assert replace(result, config={}).prior == counts
    assert replace(result, config={"remedy": {"method": "focal"}}).prior == counts
    half = replace(result, config={"remedy": {"method": "logit-adjusted", "adjust_tau": 0.5}}).prior
    assert half == pytest.approx({name: n**0.5 for name, n in counts.items()})
    balanced = replace(result, config={"remedy": {"method": "balanced-softmax"}})
    assert set(balanced.prior.values()) == {1.0}
    assert balanced.metrics.balanced_accuracy_adjusted == balanced.metrics.balanced_accuracy
    assert balanced.metrics.confusion_adjusted == balanced.metrics.confusion


def test_a_class_without_training_images_leaves_no_prior(result):
    counts = {"a b": 50, "c,d": 0, "é <script>": 7}
    one = replace(result, train_counts=counts, config={"remedy": {"method": "balanced-softmax"}})
    assert one.prior == {"a b": 1.0, "c,d": 0.0, "é <script>": 1.0}
    assert one.metrics.balanced_accuracy_adjusted is None
