import json

import pytest

from lesioncare.errors import ConfigError
from lesioncare.training import DataConfig, TrainConfig


def test_a_configuration_survives_json(options, tiny):
    config = options(data={"rare": ("network",), "box_columns": ("a", "b", "c", "d")})
    assert TrainConfig.build(**json.loads(json.dumps(config.to_json()))) == config
    assert config.data.table == tiny


@pytest.mark.parametrize(
    ("loss", "attend", "name"),
    [
        ("none", "all", "no attention"),
        ("care", "rare", "CARE"),
        ("care", "all", "CARE, all classes"),
        ("l1", "rare", "l1"),
    ],
)
def test_a_run_is_named_by_its_attention(options, loss, attend, name):
    assert options(attention={"loss": loss, "attend": attend}).arm == name


def test_the_run_without_attention_differs_in_nothing_else(options):
    config = options(schedule={"seed": 4})
    other = config.without_attention()
    assert other.attention.loss == "none"
    assert (other.data, other.model, other.schedule) == (config.data, config.model, config.schedule)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("schedule", "epochs", 0, r"^--epochs: input should be greater than or equal to 1, but got 0\.$"),
        ("schedule", "learning_rate", "fast", r"^--learning-rate: .*but got 'fast'"),
        ("schedule", "augment", "much", r"^--augment: .*'none', 'flips'.*but got 'much'"),
        ("attention", "loss", "foo", r"^--attention: .*'care'.*but got 'foo'"),
        ("attention", "alpha", 2, r"^--alpha: .*less than or equal to 1, but got 2"),
        ("data", "folds", 1, r"^--folds: .*but got 1"),
        ("data", "fold", 9, r"^--fold 9 does not exist: the 5 folds are 0 to 4\.$"),
        ("data", "validation", 0.7, r"^--validation: "),
        ("model", "depth", 3, r"^model.depth: there is no such option"),
    ],
)
def test_a_value_that_cannot_work_is_told_by_its_option(options, part, field, value, message):
    with pytest.raises(ConfigError, match=message):
        options(**{part: {field: value}})


def test_two_wrong_values_are_both_told(options):
    with pytest.raises(ConfigError, match=r"--alpha: .*; --tau: "):
        options(attention={"alpha": -1, "tau": 0})


def test_a_part_that_does_not_exist_is_told():
    with pytest.raises(ConfigError, match=r"^optimiser: there is no such option"):
        TrainConfig.build(data={"table": "t.csv"}, optimiser={})


def test_a_part_alone_is_told_in_the_same_words():
    with pytest.raises(ConfigError, match=r"^--box-unit: .*but got 'mile'"):
        DataConfig.build(table="t.csv", box_unit="mile")
