"""Fixtures of the layers that train: a tiny data set, options that fit it, and one finished run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

# How fast a busy machine draws examples says nothing about what is tested.
hypothesis.settings.register_profile(
    "lesioncare", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("lesioncare")


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Networks here are so small that threads only cost, and sums must not depend on their number."""
    import torch  # noqa: PLC0415  the tests of the boxes and images do without

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """A table of 32 px images with boxes, groups and a split; of three kinds red-lacunae is rare."""
    from lesioncare.data.synthetic import SyntheticConfig, write_dataset  # noqa: PLC0415

    counts = {"common-mole": 13, "network": 9, "red-lacunae": 3}
    config = SyntheticConfig(train_counts=counts, n_test=4, size=32)
    return write_dataset(tmp_path_factory.mktemp("tiny") / "data", config)


@pytest.fixture(scope="session")
def options(tiny: Path) -> Callable[..., object]:
    """A `TrainConfig` for the tiny table that trains in a blink; single options can be set by their part."""
    from lesioncare.training import TrainConfig  # noqa: PLC0415

    def build(**parts: dict[str, object]) -> TrainConfig:
        settings: dict[str, dict[str, object]] = {
            "data": {"table": tiny, "validation": 0.2},
            "model": {"name": "lesioncare.experiment.demo:small_network", "image_size": (32, 32)},
            "schedule": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "accelerator": "cpu"},
            "attention": {"loss": "care"},
            "remedy": {},
        }
        return TrainConfig.build(**{name: settings[name] | parts.get(name, {}) for name in settings})

    return build


@pytest.fixture(scope="session")
def finished(options: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a finished run with the tiny options; only to be read."""
    from lesioncare.training import train  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("finished") / "run"
    train(options(), directory)
    return directory


@pytest.fixture
def folds_table(tiny: Path, tmp_path: Path) -> Path:
    """The tiny table without its split column, so that it is split by folds."""
    import pandas as pd  # noqa: PLC0415

    path = tmp_path / "folds.csv"
    pd.read_csv(tiny).drop(columns=["split", "artefacts"]).to_csv(path, index=False)
    return path


@pytest.fixture
def settings(tiny: Path, folds_table: Path) -> Callable[..., dict[str, object]]:
    """Settings of a comparison whose cells train in a blink."""

    def build(**changed: object) -> dict[str, object]:
        return {
            "table": str(folds_table),
            "images": str(tiny.parent),
            "arms": "ce,care-all",
            "folds": "2",
            "data": {"validation": 0.2, "rare": ["red-lacunae"]},
            "model": {"name": "lesioncare.experiment.demo:small_network", "image_size": [32, 32]},
            "schedule": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "accelerator": "cpu"},
        } | changed

    return build
