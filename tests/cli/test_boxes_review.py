"""`lesioncare boxes review` and `report serve`: what they print, write and refuse."""

import os
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import read_boxes, write_boxes
from lesioncare.review.opening import open_review
from lesioncare.review.reviewing import Change
from lesioncare.review.serve import bind

BOX = Box("a.png", 10, 10, 50, 40, label="df", source="mbd", score=0.4)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "images" / name)
    write_boxes(BoxSet.of([BOX], {"b.png": (80, 60)}), tmp_path / "boxes.json")
    return tmp_path


def decide(folder, *decisions):
    review = open_review(folder / "boxes.json")
    for number, (reviewer, image, action) in enumerate(decisions):
        review.record(Change(f"{number:032x}", reviewer, image, action, (BOX,) if image == 2 else ()))
    review.close()


def test_export_and_agreement(run, folder):
    decide(folder, ("anna", 2, "accept"), ("ben", 2, "accept"), ("anna", 1, "reject"))
    code, shown, errors = run(
        "boxes", "review", folder / "boxes.json", "--export", folder / "out.csv", "--agreement"
    )
    assert code == 0, errors
    assert "Of 2 images 1 accepted, 1 rejected" in shown
    assert "anna and ben: 1 image in common, the same decision on 1" in shown
    (box,) = read_boxes(folder / "out.csv").boxes
    assert (box.source, box.score, box.xyxy) == ("mbd, accepted by anna", 1, BOX.xyxy)
    code, _, errors = run("boxes", "review", folder / "boxes.json", "--export", folder / "out.csv")
    assert code == 2
    assert "--overwrite" in errors


def test_a_conflict_is_not_exported(run, folder):
    decide(folder, ("anna", 2, "accept"), ("ben", 2, "reject"))
    words = ("boxes", "review", folder / "boxes.json", "--export", folder / "out.json")
    code, _, errors = run(*words)
    assert code == 2
    assert "1 image is in conflict" in errors
    assert not (folder / "out.json").exists()
    assert run(*words, "--reviewer", "anna", "--only-accepted")[0] == 0
    assert [box.image for box in read_boxes(folder / "out.json").boxes] == ["a.png"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("boxes.json",), "--images"),
        (("boxes.json", "--export", "out.json"), "no review of it yet"),
        (("boxes.json", "--agreement"), "no review of it yet"),
        (("missing.json", "--images", "images"), "no such box file"),
        (("boxes.json", "--images", "nowhere", "--no-browser"), "no such folder of images"),
        (("boxes.json", "--images", "images", "--run", "nowhere", "--no-browser"), "nowhere"),
    ],
)
def test_what_cannot_be_is_said(run, folder, monkeypatch, words, told):
    monkeypatch.chdir(folder)
    code, _, errors = run("boxes", "review", *words)
    assert code == 2
    assert told in errors
    assert "Traceback" not in errors


def test_a_taken_port_is_said(run, folder):
    with bind(0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        words = ["--images", folder / "images", "--port", port, "--no-browser"]
        code, _, errors = run("boxes", "review", folder / "boxes.json", *words)
    assert code == 2
    assert f"port {port} is taken" in errors


def first_line(*words):
    """Start a command; give the process and the address that it prints."""
    started = subprocess.Popen(
        [sys.executable, "-m", "lesioncare", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    return started, started.stdout.readline().removeprefix("The page: ").strip()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["review", "results"])
def test_the_page_is_served_until_ctrl_c(folder, finished, what):
    words = {
        "review": [
            "boxes",
            "review",
            folder / "boxes.json",
            "--images",
            folder / "images",
            "--run",
            finished,
        ],
        "results": ["report", "serve", finished],
    }[what]
    process, address = first_line(*words, "--no-browser")
    try:
        with urllib.request.urlopen(address) as answer:
            assert b"<title>" in answer.read()
        picture = "pictures/2?layer=attention" if what == "review" else "pictures/0?arm=0"
        with urllib.request.urlopen(address + picture) as answer:
            assert answer.headers["content-type"] == "image/jpeg"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) in (0, 130)
        process.stdout.close()
