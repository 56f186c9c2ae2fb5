"""What a person gets wrong is said before what takes long."""

import shutil

import pandas as pd

from lesioncare.data import checks


def test_a_wrong_model_is_said_before_an_image_is_decoded(run, train_words, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "read_image", lambda path: 1 / 0)
    for more in ((), ("--baseline",)):
        words = [*train_words, "--model", "resnet_50", *more, "--output", tmp_path / "run"]
        code, _, error = run(*words)
        assert code == 2
        assert "timm has no model 'resnet_50'" in error
        assert not (tmp_path / "run").exists()


def test_one_image_is_predicted(run, finished, tiny, tmp_path):
    image = shutil.copy(next((tiny.parent / "images").iterdir()), tmp_path / "lesion.jpg")
    code, said, error = run("predict", finished, image, "-o", tmp_path / "p.csv")
    assert code == 0, error
    assert "Predictions of 1 image" in said
    assert pd.read_csv(tmp_path / "p.csv")["image"].tolist() == ["lesion.jpg"]


def test_data_check_names_the_rare_classes_and_their_share(run, tiny):
    code, said, error = run("data", "check", tiny, "--no-pictures")
    assert code == 0, error
    assert "the rule of --rare auto (fewer than half of the average class's images" in said
