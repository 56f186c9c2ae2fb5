import pytest

from .copies import COPIES
from .variants import VARIANTS


@pytest.fixture
def copy(tmp_path):
    def copy(name):
        (COPIES | VARIANTS)[name].make(tmp_path / "source")
        return tmp_path / "source"

    return copy
