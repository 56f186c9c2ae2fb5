"""A folder that cannot be written to: one message with its name and exit code 2, from every command."""

import os
import shutil
import subprocess

import pytest

NETWORK = "--model lesioncare.experiment.demo:small_network --image-size 32 --epochs 1 --accelerator cpu"


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """A folder `shut` in which nothing can be made; from root, the permissions alone would not keep it so."""
    shut = tmp_path / "shut"
    shut.mkdir()
    monkeypatch.chdir(tmp_path)
    shut.chmod(0o500)
    fixed = os.geteuid() == 0 and shutil.which("chattr") is not None
    if fixed:
        subprocess.run(["chattr", "+i", shut], check=False, capture_output=True)
    try:
        try:
            (shut / "probe").touch()
        except OSError:
            yield tmp_path
        else:
            pytest.skip("this user can write to any folder, and this file system has no immutable ones")
    finally:
        if fixed:
            subprocess.run(["chattr", "-i", shut], check=False, capture_output=True)
        shut.chmod(0o700)


@pytest.mark.parametrize(
    "words",
    [
        f"train {{table}} {NETWORK} --output shut/new",
        f"train {{table}} {NETWORK} --output shut",
        f"train {{table}} {NETWORK} --freeze 5 --output new --cache-dir shut/cache",
        f"compare {{table}} --arms ce {NETWORK} --rare red-lacunae --output shut/new",
        "evaluate {run} {table} --output shut/new",
        "report {run} --output shut/report.html",
        "audit {run} --steps 0 --limit 4 --output shut/new",
        "predict {run} {images} --output shut/new.csv",
        "predict {run} {images} --output new.csv --overlays shut/new",
        "export {run} --formats torchscript --output shut/new",
        "import folder clinic --output shut/new",
        "splits {table} --folds 2 --output shut/new.csv",
        "data check {table} --output shut/new.html",
        "boxes make {images} --method border --output shut/new.json",
        "boxes convert b.csv shut/new.json",
        "boxes show b.csv --images {images} --output shut/new.png",
        "boxes review b.csv --images {images} --review shut/new.review --no-browser",
        "segmenter train {images} {masks} --epochs 1 --output shut/new.safetensors",
        "demo --output shut/new",
    ],
)
def test_a_read_only_folder_is_named(run, read_only, tiny, finished, words):
    for name in ("a", "b"):
        (read_only / "clinic" / name).mkdir(parents=True)
        shutil.copy(
            next(iter((tiny.parent / "images").iterdir())), read_only / "clinic" / name / f"{name}.jpg"
        )
    (read_only / "b.csv").write_text("image,x1,y1,x2,y2\ntest-common-mole-0000-0.jpg,1,1,5,5\n")
    places = {name: tiny.parent / name for name in ("images", "masks")}
    code, _, errors = run(*words.format(table=tiny, run=finished, **places).split())
    assert code == 2, errors
    assert errors.count("lesioncare: error:") == 1
    assert "shut" in errors.partition("lesioncare: error:")[2]
    assert "Traceback" not in errors
    assert "--cache-dir" in words or not (read_only / "new").exists()
    assert not (read_only / "new.csv").exists()
