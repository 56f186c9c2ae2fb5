import pandas as pd
import pytest


@pytest.fixture
def settings(tiny, tmp_path):
    """Settings of a comparison whose cells train in a blink."""
    table = tmp_path / "folds.csv"
    pd.read_csv(tiny).drop(columns=["split", "artefacts"]).to_csv(table, index=False)

    def build(**changed):
        return {
            "table": str(table),
            "images": str(tiny.parent),
            "arms": "ce,care-all",
            "folds": "2",
            "data": {"validation": 0.2, "rare": ["red-lacunae"]},
            "model": {"name": "lesioncare.experiment.demo:small_network", "image_size": [32, 32]},
            "schedule": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "accelerator": "cpu"},
        } | changed

    return build
