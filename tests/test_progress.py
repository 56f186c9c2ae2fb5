import io
import sys

import pytest

from lesioncare import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def every_line(monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)


@pytest.fixture
def now(monkeypatch):
    """Lines that nothing was written to yet, by a clock that the test sets: its only element, in seconds."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(progress, "LINES", progress.PlainLines())
    return clock


def test_a_pipe_gets_plain_lines(every_line, capsys):
    assert list(progress.track("abc", "Reading", "letters")) == ["a", "b", "c"]
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [f"Reading: {done} of 3 letters" for done in (1, 2, 3)]
    assert printed.err == ""


def test_where_nobody_knows_how_much_there_is_only_what_is_done_is_told(every_line, capsys):
    list(progress.track(iter("ab"), "Reading", "letters"))
    assert capsys.readouterr().out == "Reading: 1 letters\nReading: 2 letters\n"


def test_the_lines_of_short_steps_are_few(now, capsys):
    for _ in progress.track(range(10), "First", "batches"):
        now[0] += 4
    for _ in progress.track(range(2), "Second", "batches"):
        now[0] += 4
    told = ["First: 1 of 10 batches", "First: 4 of 10 batches", "First: 7 of 10 batches"]
    told += ["First: 10 of 10 batches"]
    assert capsys.readouterr().out.splitlines() == told


def test_what_was_begun_is_seen_to_end(now, capsys):
    for _ in progress.track(range(5), "First", "batches"):
        now[0] += 3
    assert capsys.readouterr().out.splitlines() == [f"First: {done} of 5 batches" for done in (1, 5)]


def test_a_terminal_gets_a_bar_and_no_lines(every_line, monkeypatch):
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    list(progress.track(range(3), "Reading", "images"))
    assert out.getvalue() == ""
    assert "Reading:" in err.getvalue()
    assert "\n" not in err.getvalue().strip("\r\n")
