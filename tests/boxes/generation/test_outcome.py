"""The file that lets a killed run go on."""

import json

import pytest

from lesioncare.boxes.generation import Found
from lesioncare.boxes.generation.outcome import Outcome, PartialFile
from lesioncare.errors import RunError

A = Outcome("a.jpg", (80, 60), Found((1.25, 2.0, 30.1, 40.33), 0.7123))
B = Outcome("b ä\n.jpg", (8, 6))
BAD = Outcome("c.jpg", error="not an image")


def remembered(path, method="m"):
    with PartialFile(path, method) as file:
        return file.done


def test_remembers_exactly(tmp_path):
    path = tmp_path / "new" / "boxes.partial"
    with PartialFile(path, "m") as file:
        assert file.done == {}
        file.append([A])
        file.append([B])
    assert remembered(path) == {A.image: A, B.image: B}


def test_does_not_remember_what_cannot_be_read(tmp_path):
    path = tmp_path / "boxes.partial"
    with PartialFile(path, "m") as file:
        file.append([A, BAD])
    assert remembered(path) == {A.image: A}


def test_is_safe_as_soon_as_append_returns(tmp_path):
    path = tmp_path / "boxes.partial"
    with PartialFile(path, "m") as file:
        file.append([A])
        assert json.loads(path.read_text().splitlines()[1])["image"] == "a.jpg"


def test_cut_anywhere_the_whole_lines_before_survive(tmp_path):
    path = tmp_path / "boxes.partial"
    with PartialFile(path, "m") as file:
        file.append([A, B])
    text = path.read_bytes()
    ends = [index + 1 for index, byte in enumerate(text) if byte == ord("\n")]
    for cut in range(len(text) + 1):
        path.write_bytes(text[:cut])
        expected = [A, B][: max(0, sum(end <= cut for end in ends) - 1)]
        with PartialFile(path, "m") as file:
            assert list(file.done.values()) == expected
            file.append([B])
        assert remembered(path)[B.image] == B


def test_refuses_another_method(tmp_path):
    path = tmp_path / "boxes.partial"
    remembered(path, "MinimumBarrier(size=64)")
    before = path.read_bytes()
    with pytest.raises(RunError, match=r"boxes\.partial: belongs to a run with another method"):
        remembered(path, "MinimumBarrier(size=96)")
    assert path.read_bytes() == before


def test_refuses_a_file_of_something_else_and_leaves_it_alone(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text('{"images": []}\n')
    with pytest.raises(RunError, match="not a file of a run"):
        remembered(path)
    assert path.read_text() == '{"images": []}\n'


@pytest.mark.parametrize("line", ["{", "[]", '{"image": "a"}', '{"image":"a","size":[1],"found":null}'])
def test_names_the_damaged_line(tmp_path, line):
    path = tmp_path / "boxes.partial"
    with PartialFile(path, "m") as file:
        file.append([A])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(RunError, match="line 3: damaged"):
        remembered(path)


def test_says_what_cannot_be_opened(tmp_path):
    with pytest.raises(RunError, match="cannot be opened"):
        remembered(tmp_path)
