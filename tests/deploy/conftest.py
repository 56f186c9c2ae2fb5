import pytest

from lesioncare.deploy import export_run
from lesioncare.training.apply import load_run


@pytest.fixture(scope="session")
def timm_run(options, tmp_path_factory):
    """Directory of a finished run of one of timm's networks; only to be read."""
    from lesioncare.training import train  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("timm") / "run"
    train(options(model={"name": "test_resnet", "weights": "none"}, schedule={"epochs": 1}), directory)
    return directory


@pytest.fixture(scope="session")
def exported(timm_run, tmp_path_factory):
    """An export of that run in all formats; only to be read."""
    return export_run(load_run(timm_run), tmp_path_factory.mktemp("exported") / "files")
