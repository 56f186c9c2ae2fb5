import pytest
import torch

from lesioncare.errors import ConfigError, RunError
from lesioncare.experiment import train_pair
from lesioncare.experiment.demo import run_demo, small_network
from lesioncare.training import train


def test_a_pair_differs_in_nothing_but_attention(options, tmp_path):
    said = []
    config = options(attention={"attend": "all"})
    without, with_ = train_pair(config, tmp_path, announce=said.append)
    assert said == [without.name, with_.name] == ["no attention", "CARE, all classes"]
    for part in ("data", "model", "schedule"):
        assert without.config[part] == with_.config[part]
    assert without.predictions.image.tolist() == with_.predictions.image.tolist()
    alone = train(config, tmp_path / "alone")
    assert (alone.predictions.logits == with_.predictions.logits).all()
    assert (without.predictions.logits != with_.predictions.logits).any()


def test_both_runs_share_one_cache_that_is_deleted(options, tmp_path):
    train_pair(options(model={"freeze": "5"}), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"with", "without"}
    train_pair(options(model={"freeze": "5"}), tmp_path / "b", cache_dir=tmp_path / "kept")
    assert len(list((tmp_path / "kept" / "train").iterdir())) == 1


def test_a_pair_is_only_read_when_complete(options, tmp_path):
    train_pair(options(), tmp_path)
    when = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    train_pair(options(), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == when


def test_a_pair_needs_attention(options, tmp_path):
    with pytest.raises(ConfigError, match="other than 'none'"):
        train_pair(options(attention={"loss": "none"}), tmp_path / "pair")
    assert not (tmp_path / "pair").exists()


def test_a_foreign_second_run_is_seen_before_the_first_is_trained(options, tmp_path):
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "notes.txt").touch()
    with pytest.raises(RunError, match=r"with: is not empty and holds no run"):
        train_pair(options(), tmp_path)
    assert not (tmp_path / "without").exists()


def test_the_small_network_is_a_plain_network():
    network = small_network(4)
    assert network(torch.rand(2, 3, 48, 32)).shape == (2, 4)
    assert sum(parameter.numel() for parameter in network.parameters()) < 100_000


def test_the_demonstration_trains_both_on_its_own_images(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("lesioncare.experiment.demo.write_dataset", lambda path, config: path / "table.csv")
    monkeypatch.setattr(
        "lesioncare.experiment.demo.train_pair", lambda config, directory, announce: seen.append(config)
    )
    threads = torch.get_num_threads()
    run_demo(tmp_path, seed=3)
    assert torch.get_num_threads() == threads
    assert seen[0].data.table == tmp_path / "data" / "table.csv"
    assert (seen[0].schedule.seed, seen[0].attention.loss, seen[0].attention.attend) == (3, "care", "all")
