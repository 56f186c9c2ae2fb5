"""What a command wrote before may be replaced by what it writes now; a user's own files may not."""

import pytest

from lesioncare.errors import RunError
from lesioncare.evaluation.files import HTML, refuse_foreign


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (("splits", "table.csv", "--folds", "2", "--output"), "table.csv"),
        (("data", "check", "table.csv", "--output"), "table.csv"),
        (("data", "check", "table.csv", "--findings"), "table.csv"),
        (("data", "check", "table.csv", "--output"), "picture.jpg"),
        (("report", "a-run", "--output"), "picture.jpg"),
    ],
)
def test_files_of_the_user_are_kept(run, tmp_path, monkeypatch, words, target):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("image,label\na.png,x\n")
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff")
    before = (tmp_path / target).read_bytes()
    code, _, error = run(*words, target)
    assert code == 2
    assert f"{target}: is there, and is no file that this command wrote. Name another file." in error
    assert (tmp_path / target).read_bytes() == before


def test_own_files_are_replaced(tmp_path):
    page = tmp_path / "page.html"
    refuse_foreign(page, HTML)
    page.write_text("\n\n<!DOCTYPE html><html></html>")
    refuse_foreign(page, HTML)
    page.write_text("a,b")
    with pytest.raises(RunError, match="no file that this command wrote"):
        refuse_foreign(page, HTML)
    with pytest.raises(RunError, match="cannot be written"):
        refuse_foreign(tmp_path, HTML)
