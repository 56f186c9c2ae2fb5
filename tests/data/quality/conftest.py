import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def busi():
    default = Path(__file__).parents[4] / "shared" / "data"
    path = Path(os.environ.get("LESIONCARE_DATA", default)) / "busi"
    if not path.is_dir():
        pytest.skip(f"BUSI is not at {path}; set LESIONCARE_DATA")
    return path
