"""What a killed command leaves beside its output is removed by the next one of the same output; no more."""

import os
import platform
import signal
import subprocess
import sys

import pytest

from lesioncare.boxes.formats.atomic import writing_file, writing_folder
from lesioncare.evaluation.files import write_file
from lesioncare.leftover import is_left_over, owned, temporary_of

KILLED = {
    "file": "with writing_file(path) as new:\n    new.write_text('half')\n    kill()",
    "folder": "with writing_folder(path) as new:\n    (new / 'half').touch()\n    kill()",
    "replaced": (
        "with writing_folder(path, {'.txt'}) as new:\n"
        "    rename, Path.rename = Path.rename, lambda *given: (rename(*given), kill())"
    ),
    "content": "Path.replace = kill\nwrite_file(path, b'half')",
}
BEGIN = """
import os, signal, sys
from pathlib import Path
from lesioncare.boxes.formats.atomic import writing_file, writing_folder
from lesioncare.evaluation.files import write_file
path = Path(sys.argv[1])
def kill(*_): os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(how, path):
    done = subprocess.run([sys.executable, "-c", BEGIN + KILLED[how], path], check=False)
    assert done.returncode == -signal.SIGKILL


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("how", ["file", "content"])
def test_a_file_that_a_killed_process_began_is_removed(how, tmp_path):
    path = tmp_path / "out.json"
    killed(how, path)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".tmp")
    if how == "file":
        with writing_file(path) as new:
            new.write_text("whole")
            assert left.exists()  # until the new one is there
    else:
        write_file(path, b"whole")
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]
    assert path.read_text() == "whole"


@pytest.mark.parametrize("how", ["folder", "replaced"])
def test_a_folder_that_a_killed_process_began_is_removed(how, tmp_path):
    path = tmp_path / "out"
    if how == "replaced":
        path.mkdir()
        (path / "old.txt").touch()
    killed(how, path)
    assert not path.exists()  # the old one is moved away by now
    assert len(list(tmp_path.iterdir())) == (2 if how == "replaced" else 1)
    with pytest.raises(ZeroDivisionError), writing_folder(path):
        1 / 0  # noqa: B018
    assert len(list(tmp_path.glob("*/old.txt"))) == (how == "replaced")  # nowhere else: it is kept
    with writing_folder(path) as new:
        (new / "whole").touch()
    assert [str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")] == ["out", "out/whole"]


def test_what_others_are_writing_stays(tmp_path):
    path, dead = tmp_path / "out.json", dead_process()
    own = temporary_of(path)  # of this process, as if another thread were at it
    elsewhere = own.with_name(f"{own.name.partition('@')[0]}@not-{platform.node()}@{dead}.tmp")
    other = temporary_of(tmp_path / "other.json")
    other = other.with_name(other.name.replace(f"@{os.getpid()}", f"@{dead}"))
    theirs = [own, elsewhere, other, tmp_path / ".mine.tmp"]
    for one in theirs:
        one.touch()
    write_file(path, b"whole")
    assert set(tmp_path.iterdir()) == {path, *theirs}


def test_names_tell_whose_they_are():
    assert not is_left_over(owned("a"))
    assert is_left_over(f"a@{platform.node()}@{dead_process()}")
    assert not is_left_over(f"a@not-{platform.node()}@{dead_process()}")
    assert not any(map(is_left_over, ["a", "a@b", f"a@{platform.node()}@", f"a@{platform.node()}@x"]))


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write_file(path, b"whole")
    assert list(tmp_path.iterdir()) == [path]
