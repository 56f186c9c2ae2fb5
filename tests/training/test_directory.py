import json

import pytest

from lesioncare.errors import RunError
from lesioncare.training.directory import RunDirectory, check_run, open_run


def tree(directory):
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_new_directory_holds_the_options(options, tmp_path):
    run = open_run(options(), tmp_path / "a" / "b")
    assert run.load_config() == options()
    assert not run.complete
    assert open_run(options(), tmp_path / "a" / "b") == run


def test_checking_writes_nothing(options, tmp_path):
    check_run(options(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_two_runs_of_a_baseline_are_named(options, tmp_path):
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    with pytest.raises(RunError, match=r"holds no run itself, but the two of --baseline\. Give another"):
        open_run(options(), tmp_path)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["config.json", "notes.txt", "result.json"])
def test_a_folder_that_is_no_run_is_never_touched(options, tmp_path, name, overwrite):
    (tmp_path / name).write_text('{"generator": 1}')
    before = tree(tmp_path)
    with pytest.raises(RunError, match=r"is not empty and holds no run.*--output"):
        open_run(options(), tmp_path, overwrite=overwrite)
    assert tree(tmp_path) == before


def test_overwriting_keeps_what_no_run_made(options, tmp_path):
    open_run(options(), tmp_path)
    (tmp_path / "my_boxes").mkdir()
    (tmp_path / "my_boxes" / "boxes.csv").write_text("a day's work")
    before = tree(tmp_path)
    with pytest.raises(RunError, match=r"also holds what no run made: my_boxes"):
        open_run(options(), tmp_path, overwrite=True)
    assert tree(tmp_path) == before


def test_overwriting_a_run_leaves_the_new_options_only(options, tmp_path):
    run = open_run(options(), tmp_path)
    run.checkpoint.parent.mkdir()
    run.checkpoint.touch()
    other = options(schedule={"seed": 3})
    assert open_run(other, tmp_path, overwrite=True).load_config() == other
    assert {path.name for path in tmp_path.iterdir()} == {"config.json"}


def test_a_run_that_was_stopped_in_its_first_moment_goes_on(options, tmp_path):
    (tmp_path / "config.part").write_text('{"da')
    assert open_run(options(), tmp_path).load_config() == options()


@pytest.mark.parametrize("content", ["{", "[]", '"text"'])
def test_a_damaged_configuration_is_named(options, tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match=r"config.json"):
        open_run(options(), tmp_path)
    with pytest.raises(RunError, match=r"config.json"):
        RunDirectory(tmp_path).load_config()


def test_a_file_is_no_directory(options, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        open_run(options(), tmp_path / "file")
    with pytest.raises(RunError, match="cannot be written"):
        open_run(options(), tmp_path / "file" / "run")


def test_a_run_from_before_there_were_remedies_is_the_run_without_one(options, tmp_path):
    run = open_run(options(), tmp_path)
    settings = json.loads(run.config.read_text("utf-8"))
    del settings["remedy"], settings["schedule"]["select"], settings["schedule"]["patience"]
    run.config.write_text(json.dumps(settings), "utf-8")
    assert check_run(options(), tmp_path).load_config() == options()
    with pytest.raises(RunError, match=r"remedy.method is 'none' there but 'focal' now"):
        check_run(options(remedy={"method": "focal"}), tmp_path)


def test_every_other_option_is_named_up_to_five(options, tmp_path):
    open_run(options(), tmp_path)
    with pytest.raises(RunError, match=r"schedule.seed is 0 there but 8 now; attention.alpha is 0.5 there"):
        check_run(options(schedule={"seed": 8}, attention={"alpha": 0.1}), tmp_path)


def test_options_of_attention_do_not_matter_where_there_is_none(options, tmp_path):
    open_run(options(attention={"loss": "none", "attend": "rare"}), tmp_path)
    check_run(options(attention={"loss": "none", "attend": "all"}), tmp_path)
    with pytest.raises(RunError, match=r"attention.loss is 'none' there but 'care' now"):
        check_run(options(attention={"loss": "care"}), tmp_path)
