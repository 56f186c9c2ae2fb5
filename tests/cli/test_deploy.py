"""`export` and `predict`: what a run says of new images, wherever its network runs."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesioncare.evaluation import RunResult
from lesioncare.evaluation.reliability import fit_temperature

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def known(finished):
    """The run's own test predictions."""
    return RunResult.load(finished).predictions


@pytest.fixture(scope="module")
def photos(known, tmp_path_factory):
    """A folder of the run's first five test images."""
    folder = tmp_path_factory.mktemp("photos")
    for path in known.path[:5]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def export(finished, tmp_path_factory):
    from lesioncare.deploy import export_run  # noqa: PLC0415
    from lesioncare.training.apply import load_run  # noqa: PLC0415

    return export_run(load_run(finished), tmp_path_factory.mktemp("export") / "files").directory


def probabilities(path, known):
    frame = pd.read_csv(path).set_index("image")
    names = [name.rsplit("/", 1)[-1] for name in known.path[:5]]
    return frame.loc[names, [f"probability:{name}" for name in known.classes]].to_numpy()


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_probabilities_are_scaled_by_the_fitted_temperature_unless_raw(
    run, finished, photos, known, tmp_path
):
    for words, name in (((), "scaled.csv"), (("--raw",), "raw.csv")):
        code, shown, errors = run("predict", finished, photos, "-o", tmp_path / name, *words)
        assert code == 0, errors
        assert "Predictions of 5 images" in shown
    temperature = fit_temperature(RunResult.load(finished).validation)
    assert abs(temperature - 1) > 0.01
    raw, scaled = (probabilities(tmp_path / name, known) for name in ("raw.csv", "scaled.csv"))
    np.testing.assert_allclose(raw, softmax(known.logits[:5]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scaled, softmax(known.logits[:5] / temperature), rtol=1e-4, atol=1e-6)
    said = pd.read_csv(tmp_path / "raw.csv")
    assert list(said.columns[:3]) == ["image", "path", "prediction"]
    assert set(said["prediction"]) <= set(known.classes)


def test_export_then_predict_in_a_process_without_torch(run, finished, photos, known, tmp_path):
    """A new process whose torch cannot be imported gives the same numbers."""
    code, shown, errors = run("export", finished, "--output", tmp_path / "files")
    assert code == 0, errors
    assert "Without timm: the network is not one of timm's" in shown
    assert f"Export: {tmp_path / 'files'}" in shown
    assert run("predict", finished, photos, "-o", tmp_path / "torch.csv")[0] == 0
    (tmp_path / "torch.py").write_text("raise ImportError('torch must not be loaded')\n")
    code = (
        "import sys\n"
        f"sys.argv = 'lesioncare predict files {photos} --backend onnx -o onnx.csv'.split()\n"
        "from lesioncare.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "print('LOADED', [n for n in ('torch', 'timm', 'torchvision', 'matplotlib') if n in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("LOADED []")
    torch, onnx = (probabilities(tmp_path / name, known) for name in ("torch.csv", "onnx.csv"))
    np.testing.assert_allclose(onnx, torch, atol=1e-4)


def test_an_export_runs_in_torch_too(run, export, finished, photos, known, tmp_path):
    assert run("predict", export, photos, "-o", tmp_path / "export.csv", "--backend", "torch")[0] == 0
    assert run("predict", finished, photos, "-o", tmp_path / "run.csv")[0] == 0
    files = (tmp_path / "export.csv", tmp_path / "run.csv")
    np.testing.assert_allclose(*(probabilities(path, known) for path in files), atol=1e-4)


def test_overlays_show_where_the_network_looked(run, finished, photos, tmp_path):
    table = tmp_path / "t.csv"
    pd.DataFrame({"image": sorted(path.name for path in photos.iterdir())}).to_csv(table, index=False)
    words = ("predict", finished, table, "--images", photos, "-o", tmp_path / "p.csv")
    code, shown, errors = run(*words, "--overlays", tmp_path / "seen")
    assert code == 0, errors
    assert f"Overlays: {tmp_path / 'seen'}" in shown
    frame = pd.read_csv(tmp_path / "p.csv")
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == frame["overlay"].tolist()
    for row in frame.itertuples():
        with Image.open(photos / row.image) as photo, Image.open(tmp_path / "seen" / row.overlay) as seen:
            assert seen.size == photo.size
        if not np.isnan(row.map_x1):
            assert 0 <= row.map_x1 < row.map_x2 <= photo.width
            assert 0 <= row.map_y1 < row.map_y2 <= photo.height
    assert frame["map_x1"].notna().any()
    assert run(*words[:-1], tmp_path / "q.csv")[0] == 0
    plain = pd.read_csv(tmp_path / "q.csv")
    pd.testing.assert_frame_equal(plain, frame[plain.columns], atol=1e-6)


def test_overlays_of_an_export_are_refused(run, export, photos, tmp_path):
    code, _, errors = run(
        "predict", export, photos, "-o", tmp_path / "p.csv", "--overlays", tmp_path / "seen"
    )
    assert code == 2
    assert "gives logits and no maps" in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [(), ("--overlays", "seen")])
def test_a_damaged_image_is_named_and_nothing_is_left(run, finished, photos, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, tmp_path / "new")
    (tmp_path / "new" / "broken.jpg").write_bytes(b"no image")
    code, _, errors = run("predict", finished, "new", *words)
    assert code == 2
    assert "broken.jpg" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_of_one_image_the_answer_is_printed(run, finished, photos, known, tmp_path):
    one = next(path for path in sorted(photos.rglob("*")) if path.suffix in {".jpg", ".png"})
    code, shown, errors = run("predict", finished, one, "-o", tmp_path / "p.csv")
    assert code == 0, errors
    row = pd.read_csv(tmp_path / "p.csv").iloc[0]
    share = 100 * row[f"probability:{row['prediction']}"]
    assert f"{one.name}: {row['prediction']} ({row['prediction']} {share:.1f} %" in " ".join(shown.split())


def test_a_run_without_validation_says_that_nothing_is_scaled(run, finished, photos, known, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "validation.csv").unlink()
    record = json.loads((tmp_path / "run" / "result.json").read_text()) | {"n_validation": None}
    (tmp_path / "run" / "result.json").write_text(json.dumps(record))
    code, shown, errors = run("predict", tmp_path / "run", photos, "-o", tmp_path / "p.csv")
    assert code == 0, errors
    assert "no temperature could be fitted" in shown
    np.testing.assert_allclose(
        probabilities(tmp_path / "p.csv", known), softmax(known.logits[:5]), rtol=1e-4, atol=1e-6
    )
