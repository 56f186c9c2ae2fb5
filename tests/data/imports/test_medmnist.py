"""MedMNIST: one archive in place of files, read without holding it, and what is no such archive."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from lesioncare.data.imports import LabelRule, Settings, import_dataset
from lesioncare.data.imports.layouts.medmnist_names import COUNTS, NAMES
from lesioncare.errors import ConfigError, DataError


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3)])
def test_medmnist_keeps_the_pixels(tmp_path, shape):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    parts = {f"{part}_images": images for part in ("train", "val", "test")}
    codes = {f"{part}_labels": np.array([[0], [6]], np.uint8) for part in ("train", "val", "test")}
    np.savez(tmp_path / "dermamnist.npz", **parts, **codes)
    done = import_dataset("medmnist", tmp_path / "dermamnist.npz", tmp_path / "out")
    assert (np.asarray(Image.open(tmp_path / "out/images/val_000001.png")) == images[1]).all()
    assert set(done.classes) == {NAMES["dermamnist"][0], NAMES["dermamnist"][6]}
    assert {count.published for count in done.counts} == set(COUNTS["dermamnist"].values())


def test_medmnist_of_224_pixels_is_never_held_as_a_whole(tmp_path):
    path, count = tmp_path / "dermamnist_224.npz", {"train": 300, "val": 50, "test": 50}
    codes = {f"{part}_labels": np.arange(many, dtype=np.uint8)[:, None] % 7 for part, many in count.items()}
    np.savez_compressed(
        path, **codes, **{f"{part}_images": np.zeros((n, 224, 224, 3), np.uint8) for part, n in count.items()}
    )  # 60 MB
    tracemalloc.start()
    try:
        done = import_dataset("medmnist", path, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (done.n_images, len(list((tmp_path / "out" / "images").iterdir()))) == (400, 400)
    assert peak < 6e6  # of which one image is 150 kB


@pytest.mark.parametrize("part", ["train_images", "test_images"])
def test_an_archive_of_medmnist_s_that_ends_early_leaves_nothing(tmp_path, part):
    path, parts = tmp_path / "dermamnist.npz", ("train", "val", "test")
    arrays = {f"{name}_images": np.zeros((2, 28, 28, 3), np.uint8) for name in parts}
    arrays |= {f"{name}_labels": np.zeros((2, 1), np.uint8) for name in parts}
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{name}.npy", file.getvalue()[: -1 if name == part else None])
    with pytest.raises(DataError, match=r"dermamnist\.npz: .*ends early"):
        import_dataset("medmnist", path, tmp_path / "out")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_chestmnist_takes_the_label_rule(tmp_path):
    flags = np.zeros((3, 14), np.uint8)
    flags[0, [0, 3]] = flags[1, 13] = 1
    arrays = {f"{part}_images": np.zeros((3, 28, 28), np.uint8) for part in ("train", "val", "test")}
    np.savez(
        tmp_path / "chestmnist.npz", **arrays, **{f"{p}_labels": flags for p in ("train", "val", "test")}
    )
    done = import_dataset("medmnist", tmp_path / "chestmnist.npz", tmp_path / "out")
    assert done.classes == {"hernia": 3, "no finding": 3}


@pytest.mark.parametrize("kind", ["3D", "pickle", "no npz", "other arrays"])
def test_other_npz_files_are_refused(tmp_path, kind):
    path = tmp_path / "organmnist3d.npz"
    arrays = {f"{part}_images": np.zeros((1, 28, 28, 28), np.uint8) for part in ("train", "val", "test")}
    arrays |= {f"{part}_labels": np.zeros((1, 1), np.uint8) for part in ("train", "val", "test")}
    if kind == "pickle":
        arrays["train_images"] = np.array([{}], dtype=object)
    if kind == "other arrays":
        arrays = {"x": np.zeros(3)}
    if kind == "no npz":
        path.write_bytes(b"no")
    else:
        np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"organmnist3d\.npz"):
        import_dataset("medmnist", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_rule_for_several_findings_is_refused_where_medmnist_has_one_label(copy, tmp_path):
    with pytest.raises(ConfigError, match="pneumoniamnist every image has one label already"):
        import_dataset("medmnist", copy("medmnist"), tmp_path / "out", Settings(LabelRule("pneumonia")))
