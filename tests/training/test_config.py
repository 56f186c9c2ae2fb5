import json
import typing

import pytest

from lesioncare.errors import ConfigError
from lesioncare.imbalance import REMEDIES
from lesioncare.training import DataConfig, TrainConfig
from lesioncare.training.config import RemedyConfig
from lesioncare.training.remedy import LOSSES, SHARES


def test_a_configuration_survives_json(options, tiny):
    config = options(data={"rare": ("network",), "box_columns": ("a", "b", "c", "d")})
    assert TrainConfig.build(**json.loads(json.dumps(config.to_json()))) == config
    assert config.data.table == tiny


@pytest.mark.parametrize(
    ("given", "shown"), [(None, None), ("layer4", "layer4"), (("layer4", "layer2"), "layer4")]
)
def test_the_first_layer_named_is_shown(options, given, shown):
    config = options(model={"target_layer": given})
    assert config.model.shown_layer == shown
    assert config.without_attention().model.shown_layer == shown
    assert TrainConfig.build(**json.loads(json.dumps(config.to_json()))) == config


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


@pytest.mark.parametrize(
    ("method", "loss", "attend", "name"),
    [
        ("balanced-softmax", "care", "all", "balanced softmax + CARE, all classes"),
        ("focal", "energy", "rare", "focal loss + energy"),
        ("crt", "none", "rare", "cRT"),
    ],
)
def test_a_run_is_named_by_its_remedy_too(options, method, loss, attend, name):
    assert options(attention={"loss": loss, "attend": attend}, remedy={"method": method}).arm == name


def test_every_remedy_has_a_name_of_its_own_and_parts_that_exist():
    names = typing.get_args(RemedyConfig.model_fields["method"].annotation)
    assert names == tuple(REMEDIES)
    assert len({remedy.title for remedy in REMEDIES.values()}) == len(REMEDIES)
    assert {remedy.loss for remedy in REMEDIES.values()} == set(LOSSES)
    assert {remedy.sampler for remedy in REMEDIES.values()} == {"shuffle", *SHARES}


def test_settings_from_before_there_were_remedies_still_load(options):
    settings = options().to_json()
    del settings["remedy"], settings["schedule"]["select"], settings["schedule"]["patience"]
    assert TrainConfig.build(**settings) == options()


def test_the_run_without_attention_differs_in_nothing_else(options):
    config = options(schedule={"seed": 4}, remedy={"method": "focal"})
    other = config.without_attention()
    assert other.attention.loss == "none"
    assert (other.data, other.model, other.schedule) == (config.data, config.model, config.schedule)
    assert other.remedy == config.remedy


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("schedule", "epochs", 0, r"^--epochs: input should be greater than or equal to 1, but got 0\.$"),
        ("schedule", "learning_rate", "fast", r"^--learning-rate: .*but got 'fast'"),
        ("schedule", "augment", "much", r"^--augment: .*'none', 'flips'.*but got 'much'"),
        ("remedy", "method", "foo", r"^--remedy: .*'none', 'weighted'.*but got 'foo'"),
        ("remedy", "beta", 1, r"^--beta: .*less than 1, but got 1"),
        ("remedy", "norm_tau", 2, r"^--norm-tau: .*but got 2"),
        ("schedule", "patience", 0, r"^--patience: .*but got 0"),
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
