import io
import os
import platform
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from lesioncare.boxes.box import Box
from lesioncare.data import ImageDataset, collate, load_table, train_transform
from lesioncare.data.table import Columns
from lesioncare.errors import ModelError, RunError
from lesioncare.experiment.demo import small_network
from lesioncare.training.cut import cut_model
from lesioncare.training.features import boxes_fingerprint, cache_features, fingerprint, remove_cache


@pytest.fixture
def images(tiny):
    table = load_table(tiny, Columns(group="group", split="split", box=("x1", "y1", "x2", "y2")))
    transform = train_transform((32, 32), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), "dermoscopy")
    return ImageDataset(table, [3, 0, 30, 24, 11], transform, seed=7)


@pytest.fixture
def frozen():
    torch.manual_seed(0)
    return cut_model(small_network(3), "5", torch.rand(2, 3, 32, 32)).frozen


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_kept_features_are_those_of_the_augmented_images(images, frozen, tmp_path, workers):
    kept = cache_features(images, frozen, tmp_path, views=3, batch_size=2, workers=workers)
    assert len(kept) == 5
    for epoch in range(3):
        for index in range(5):
            item, image = kept[epoch, index], images[epoch, index]
            with torch.no_grad():
                expected = frozen(image["image"][None])[0]
            torch.testing.assert_close(item["image"], expected, rtol=2e-3, atol=1e-4)
            assert item["image"].dtype == torch.float32
            assert torch.equal(item["boxes"], image["boxes"])
            assert torch.equal(item["weights"], image["weights"])
            assert (item["label"], item["position"]) == (image["label"], image["position"])


@pytest.mark.slow
def test_worker_processes_change_no_byte(images, frozen, tmp_path, monkeypatch):
    def files(name, processes):
        monkeypatch.setattr("lesioncare.training.features.auto_workers", lambda *_, **__: processes)
        cache_features(images, frozen, tmp_path / name, views=1, batch_size=2)
        return {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.npy")}

    assert files("one", 0) == files("several", 2) != {}


def test_views_are_seen_in_turn(images, frozen, tmp_path):
    kept = cache_features(images, frozen, tmp_path, views=2, batch_size=5)
    assert torch.equal(kept[2, 1]["image"], kept[0, 1]["image"])
    assert torch.equal(kept[3, 1]["image"], kept[1, 1]["image"])
    assert not torch.equal(kept[1, 1]["image"], kept[0, 1]["image"])
    assert torch.equal(kept[1]["image"], kept[0, 1]["image"])


def test_what_is_there_is_not_made_again_and_what_is_half_made_is(images, frozen, tmp_path):
    cache_features(images, frozen, tmp_path, views=2, batch_size=5)
    whole = np.load(tmp_path / "view1.npy")
    first = (tmp_path / "view0.npy").stat().st_mtime_ns
    (tmp_path / "view1.npy").unlink()
    (tmp_path / "view1.part").write_bytes(b"half")
    cache_features(images, frozen, tmp_path, views=2, batch_size=5)
    assert (tmp_path / "view0.npy").stat().st_mtime_ns == first
    np.testing.assert_array_equal(np.load(tmp_path / "view1.npy"), whole)
    assert not (tmp_path / "view1.part").exists()


def test_a_kill_between_features_and_boxes_costs_the_boxes_only(images, frozen, tmp_path):
    kept = cache_features(images, frozen, tmp_path, views=1, batch_size=5)
    (boxes,) = tmp_path.glob("*.boxes.npz")
    whole = boxes.read_bytes()
    boxes.unlink()
    cache_features(images, None, tmp_path, views=1, batch_size=2)  # no frozen part to pass through
    assert np.load(boxes)["boxes"].tolist() == np.load(io.BytesIO(whole))["boxes"].tolist()
    assert torch.equal(kept[0, 2]["boxes"], images[0, 2]["boxes"])


def test_other_boxes_share_the_features(images, frozen, tmp_path):
    first = cache_features(images, frozen, tmp_path, views=2, batch_size=5)
    names = images.table.frame["image"].iloc[[0, 3]].tolist()
    moved = images.table.with_boxes([Box(name, 2, 3, 20, 25, score=0.5) for name in names])
    other = ImageDataset(moved, images.positions, images.transform, seed=7)
    second = cache_features(other, None, tmp_path, views=2, batch_size=2)
    assert len(list(tmp_path.glob("*.npy"))) == 2
    for epoch in range(2):
        for index in range(5):
            assert torch.equal(first[epoch, index]["image"], second[epoch, index]["image"])
            for name in ("boxes", "weights"):
                assert torch.equal(first[epoch, index][name], images[epoch, index][name])
                assert torch.equal(second[epoch, index][name], other[epoch, index][name])
    assert boxes_fingerprint(images) != boxes_fingerprint(other)


def test_some_of_the_kept_images_in_any_order(images, frozen, tmp_path):
    kept = cache_features(images, frozen, tmp_path, views=2, batch_size=2)
    some = kept.only([24, 3, 11])
    assert len(some) == 3
    for index, position in enumerate([24, 3, 11]):
        whole, item = kept[1, images.positions.tolist().index(position)], some[1, index]
        assert item["position"] == whole["position"] == position
        assert item["label"] == whole["label"]
        for name in ("image", "boxes", "weights"):
            assert torch.equal(item[name], whole[name])
    assert some.only([11])[0]["position"] == 11


def test_exact_features_are_those_of_the_network_to_its_last_digits(images, frozen, tmp_path):
    kept = cache_features(images, frozen, tmp_path, views=1, batch_size=5, exact=True)
    assert np.load(tmp_path / "view0.npy").dtype == np.float32
    batch = torch.stack([images[0, index]["image"] for index in range(5)])
    with torch.no_grad():
        expected = frozen(batch)
    for index in range(5):
        torch.testing.assert_close(kept[0, index]["image"], expected[index], rtol=1e-6, atol=1e-6)


def test_what_another_process_is_writing_is_left_to_it(images, frozen, tmp_path):
    alive = tmp_path / f"view0.npy@{platform.node()}@{os.getppid()}.part"
    dead = tmp_path / f"view0.npy@{platform.node()}@{2**22 + 1}.part"  # above the largest process number
    elsewhere = tmp_path / "view0.npy@another-machine@1.part"
    for path in (alive, dead, elsewhere):
        path.write_bytes(b"half")
    cache_features(images, frozen, tmp_path, views=1, batch_size=5)
    assert {path.name for path in tmp_path.glob("*.part")} == {alive.name, elsewhere.name}
    assert (tmp_path / "view0.npy").exists()


def test_the_fingerprint_changes_with_all_that_the_features_depend_on(images, frozen, tiny):
    def other(table=images.table, positions=images.positions):
        return ImageDataset(table, positions, images.transform, seed=7)

    name = fingerprint(images, frozen, {"size": 32})
    assert fingerprint(other(), frozen, {"size": 32}) == name
    assert fingerprint(images, frozen, {"size": 33}) != name
    assert fingerprint(other(positions=images.positions[::-1]), frozen, {"size": 32}) != name
    moved = images.table.with_boxes([])
    assert fingerprint(other(table=moved), frozen, {"size": 32}) == name  # these have a name of their own
    assert boxes_fingerprint(other(table=moved)) != boxes_fingerprint(images)
    next(frozen.parameters()).data[0, 0, 0, 0] += 1e-3
    assert fingerprint(images, frozen, {"size": 32}) != name


class Loud(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1e6), requires_grad=False)

    def forward(self, x):
        return x * self.scale


def test_features_that_do_not_fit_16_bits_are_refused(images, tmp_path):
    with pytest.raises(ModelError, match="too large for 16 bits"):
        cache_features(images, Loud(), tmp_path, views=1, batch_size=5)
    assert not (tmp_path / "view0.npy").exists()


def test_a_folder_that_cannot_be_written_is_named(images, frozen, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file.*cannot be written.*--cache-dir"):
        cache_features(images, frozen, tmp_path / "file" / "cache", views=1, batch_size=5)


def test_removing_is_quiet_where_there_is_nothing(tmp_path):
    (tmp_path / "cache").mkdir()
    remove_cache(tmp_path / "cache")
    remove_cache(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts file descriptors in /proc")
def test_a_worker_process_does_not_collect_file_descriptors(images, frozen, tmp_path):
    kept = cache_features(images, frozen, tmp_path, views=2, batch_size=5)
    loader = DataLoader(kept, batch_size=1, collate_fn=collate, num_workers=1, persistent_workers=True)
    counts = []
    for _epoch in range(4):
        iterator = iter(loader)
        list(iterator)
        (worker,) = iterator._workers
        counts.append(len(list(Path(f"/proc/{worker.pid}/fd").iterdir())))
    # One for each image and epoch, if it collected them; a few are those of batches under way.
    assert counts[-1] < counts[0] + 2 * len(images)
