import json
from pathlib import Path

import pytest
import yaml

from lesioncare.errors import ConfigError
from lesioncare.experiment import ComparisonConfig, read_plan
from lesioncare.experiment.arms import short_arm


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ce", {}),
        ("care", {"attention": {"loss": "care"}}),
        ("energy-all", {"attention": {"loss": "energy", "attend": "all"}}),
        ("outside-square-rare", {"attention": {"loss": "outside-square", "attend": "rare"}}),
        ("balanced-softmax", {"remedy": {"method": "balanced-softmax"}}),
        ("ce+care", {"attention": {"loss": "care"}}),
        (
            "balanced-softmax+care-all",
            {"remedy": {"method": "balanced-softmax"}, "attention": {"loss": "care", "attend": "all"}},
        ),
        ("logit-adjusted+energy", {"remedy": {"method": "logit-adjusted"}, "attention": {"loss": "energy"}}),
    ],
)
def test_a_short_name_says_remedy_and_attention(name, expected):
    assert short_arm(name) == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cares", r"arm 'cares': 'cares' is neither a remedy nor an attention loss. Did you mean .*care"),
        ("focal+cutmix", r"two of one kind"),
        ("none-all", r"'none-all' is neither"),
        ("balanced-softmx+care", r"Did you mean .*balanced-softmax"),
        ("post-hoc", r"every arm is told with and without it"),
    ],
)
def test_a_short_name_that_is_none_is_explained(name, said):
    with pytest.raises(ConfigError, match=said):
        short_arm(name)


@pytest.mark.parametrize("table", [True, 3, ["a.csv"], {"file": "a.csv"}])
def test_a_table_is_a_path(settings, table):
    with pytest.raises(ConfigError, match="table"):
        ComparisonConfig.build(settings(table=table))


def test_all_arms_have_the_same_folds_seeds_and_options(settings):
    plan = ComparisonConfig.build(settings(arms="ce,care", seeds=2))
    assert [(cell.arm, cell.fold, cell.seed) for cell in plan.cells[:4]] == [
        ("ce", 0, 0),
        ("care", 0, 0),
        ("ce", 1, 0),
        ("care", 1, 0),
    ]
    assert len(plan.cells) == len(plan.trainings) == 8
    for cell in plan.cells:
        assert cell.path == Path("cells") / cell.arm / f"fold{cell.fold}-seed{cell.seed}"
        assert (cell.config.data.fold, cell.config.schedule.seed) == (cell.fold, cell.seed)
        assert cell.config.attention.loss == {"ce": "none", "care": "care"}[cell.arm]
        assert cell.config.schedule.epochs == 2
    assert ComparisonConfig.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(
    ("given", "folds", "of"),
    [
        (None, (0, 1, 2, 3, 4), 5),
        (3, (0, 1, 2), 3),
        ("3", (0, 1, 2), 3),
        ("0,1", (0, 1), 5),
        ([4], (4,), 5),
        ("0,7/10", (0, 7), 10),
        ("4,", (4,), 5),
    ],
)
def test_folds_are_a_number_or_a_list(settings, given, folds, of):
    plan = ComparisonConfig.build(settings(folds=given))
    assert plan.folds == folds
    assert plan.arms["ce"].data.folds == of


@pytest.mark.parametrize(("given", "seeds"), [(1, (0,)), ("3", (0, 1, 2)), ("0,5", (0, 5)), ([7], (7,))])
def test_seeds_are_a_number_or_a_list(settings, given, seeds):
    assert ComparisonConfig.build(settings(seeds=given)).seeds == seeds


def test_a_table_with_a_split_has_one_fold(settings, tiny):
    plan = ComparisonConfig.build(settings(table=str(tiny), folds=None, seeds=2))
    assert (plan.own_split, plan.folds, len(plan.cells)) == (True, (0,), 4)
    with pytest.raises(ConfigError, match="has a split column, so there are no folds to choose"):
        ComparisonConfig.build(settings(table=str(tiny)))


def test_arms_of_the_same_training_train_once(settings):
    arms = {"plain": {}, "none": {"attention": "none"}, "care": {"attention": "care"}}
    plan = ComparisonConfig.build(settings(arms=arms))
    assert len(plan.cells) == 6
    assert [cell.arm for cell in plan.trainings] == ["plain", "care", "plain", "care"]
    assert plan.cells[1].path == plan.cells[0].path


def test_an_arm_changes_options_of_its_own(settings):
    arms = {
        "strong": {
            "attention": {"loss": "care-all", "alpha": 0.9},
            "boxes": {"file": "b.csv", "min_score": 0.5},
        },
        "wide": {"model": {"freeze": "5"}, "remedy": {"method": "focal", "gamma": 1}, "boxes": "c.csv"},
        "slow": {"schedule": {"learning_rate": 1e-4}, "attention": "energy"},
    }
    plan = ComparisonConfig.build(settings(arms=arms, attention={"alpha": 0.3}))
    strong, wide, slow = plan.arms.values()
    assert (strong.attention.loss, strong.attention.attend, strong.attention.alpha) == ("care", "all", 0.9)
    assert (strong.data.box_file, strong.data.min_score) == (Path("b.csv"), 0.5)
    assert (wide.model.freeze, wide.model.image_size) == ("5", (32, 32))
    assert (wide.remedy.method, wide.remedy.gamma, wide.attention.loss) == ("focal", 1, "none")
    assert (slow.schedule.learning_rate, slow.schedule.epochs) == (1e-4, 2)
    assert (slow.attention.loss, slow.attention.alpha) == ("energy", 0.3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"arm": "ce"}, r"comparison: there is no option 'arm'. Did you mean .*arms"),
        ({"arms": None}, "there are no arms"),
        ({"arms": []}, "there are no arms"),
        ({"arms": "ce,ce"}, "ce is there twice"),
        (
            {"arms": {"x": {"atention": "care"}}},
            r"arm 'x': there is no option 'atention'. Did you mean .*attention",
        ),
        ({"arms": {"x": {"attention": {"alhpa": 1}}}}, r"arm 'x': attention: .*'alhpa'. Did you mean.*alpha"),
        ({"arms": {"x": {"attention": {"alpha": 2}}}}, r"arm 'x': --alpha: .*less than or equal to 1"),
        ({"arms": {"x": {"attention": "caer"}}}, r"arm 'x': there is no attention loss 'caer'.*care"),
        ({"arms": {"x": {"remedy": "focl"}}}, r"arm 'x': --remedy"),
        ({"arms": {"x": {"schedule": {"seed": 3}}}}, r"arm 'x': all arms have the same seeds"),
        ({"arms": {"x": {"model": 3}}}, r"arm 'x': model needs a mapping of options or a name, but got 3"),
        ({"arms": {"x": {"boxes": {"path": "a"}}}}, r"arm 'x': boxes: there is no option 'path'"),
        ({"arms": {"x": ["care"]}}, r"arm 'x': needs a mapping"),
        ({"arms": {"../x": {}}}, r"a name is a folder"),
        ({"data": {"fold": 2}}, "data.fold is set by `folds`"),
        ({"schedule": {"seed": 2}}, "schedule.seed is set by `seeds`"),
        ({"schedule": {"epocs": 2}}, "'epocs'. Did you mean .*epochs"),
        ({"epoch": 2}, r"no option 'epoch'. 'epochs' is an option of 'schedule': put it under that"),
        ({"weights": "none"}, r"'weights' is an option of 'model'"),
        ({"folds": "0,5"}, "fold 5 does not exist: the 5 folds are 0 to 4"),
        ({"folds": "a"}, "folds: needs a number, or several"),
        ({"folds": "1,1"}, "numbers that differ"),
        ({"folds": 1}, "--folds"),
        ({"seeds": 0}, "1 to 1000 of them"),
        ({"seeds": 10**30}, "needs a number"),
        ({"seeds": 10**9 - 1}, "1 to 1000 of them"),
        ({"folds": 10**9 - 1}, "1 to 1000 of them"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(settings, changed, said):
    with pytest.raises(ConfigError, match=said):
        ComparisonConfig.build(settings(**changed))


def test_paths_of_a_file_are_relative_to_it(settings, tmp_path):
    (tmp_path / "plans").mkdir()
    text = {
        "table": "../folds.csv",
        "boxes": "b.csv",
        "model": {"weights": "w.safetensors"},
        "arms": {"ce": None, "x": {"boxes": {"file": "c.csv"}, "model": {"weights": "none"}}},
    }
    (tmp_path / "plans" / "plan.yaml").write_text(yaml.safe_dump(text))
    read = read_plan(tmp_path / "plans" / "plan.yaml")
    folder = str(tmp_path / "plans")
    assert read["table"] == f"{folder}/../folds.csv"
    assert (read["boxes"], read["model"]["weights"]) == (f"{folder}/b.csv", f"{folder}/w.safetensors")
    plan = ComparisonConfig.build(read)
    assert plan.arms["x"].data.box_file == tmp_path / "plans" / "c.csv"
    assert plan.arms["x"].model.weights == "none"
    assert plan.arms["ce"].attention.loss == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arms: [ce", "cannot be read as YAML"),
        ("- ce", "needs a mapping"),
        ("tabel: x.csv", "'tabel'. Did you mean .*table"),
        ("table: !!python/object/apply:os.getcwd []", "cannot be read as YAML"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path, text, said):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_plan(tmp_path / "plan.yaml")
    with pytest.raises(ConfigError, match=r"no such file. Check --config"):
        read_plan(tmp_path / "none.yaml")


def test_the_example_of_the_manual_is_a_plan(folds_table):
    manual = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
    example = yaml.safe_load(manual.split("```yaml\n")[1].split("```")[0])
    plan = ComparisonConfig.build(example | {"table": str(folds_table)})
    assert list(plan.arms) == list(example["arms"])
    assert len(plan.trainings) == len(plan.arms) * 5 * 3


def test_arms_with_boxes_of_their_own_are_judged_by_those_of_the_comparison(settings):
    arms = {"ce": None, "own": {"attention": "care-all", "boxes": "mine.csv"}}

    def judged(**changes):
        plan = ComparisonConfig.build(settings(arms=arms, **changes))
        return [arm.data.test_boxes for arm in plan.arms.values()]

    assert judged() == ["same", "table"]  # the table has box columns
    assert judged(boxes="manual.csv") == ["same", Path("manual.csv")]
    data = settings()["data"] | {"test_boxes": "gold.csv"}
    assert judged(data=data) == [Path("gold.csv"), Path("gold.csv")]
