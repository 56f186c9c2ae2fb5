"""Ctrl-C and SIGTERM: an exit code for the shell or the batch system, and one message."""

import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from .processes import NETWORK, TRAINING, all_end, children


@pytest.fixture
def place(tiny, tmp_path):
    """A folder with a slow network of one's own and many images to draw boxes on."""
    (tmp_path / "slownet.py").write_text(NETWORK)
    (tmp_path / "photos").mkdir()
    for number in range(400):
        Image.radial_gradient("L").convert("RGB").save(tmp_path / "photos" / f"{number:03}.png")
    return tmp_path


def command_of(name, tiny):
    """The words of a command, and the file that appears when it is in the middle of its work."""
    if name == "train":
        return f"train {tiny} {TRAINING} --output out", "out/checkpoints/last.ckpt"
    if name == "compare":
        words = f"compare folds.csv --images {tiny.parent} --arms ce,care-all --folds 2 --workers 2 "
        words += TRAINING.replace("--validation 0.2", "--rare red-lacunae --validation 0.2")
        return f"{words} --output out", "out/cells/ce/fold0-seed0/checkpoints/last.ckpt"
    return "boxes make photos --method mbd --workers 2 --output boxes.json", "boxes.json.partial"


def stop(words, place, appears, number):
    """Start a command, send it a signal in the middle of its work, and give its end and its children."""
    with subprocess.Popen(
        [sys.executable, "-m", "lesioncare", *words.split()],
        cwd=place,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        deadline = time.monotonic() + 300
        while process.poll() is None and not _has_lines(place / appears) and time.monotonic() < deadline:
            time.sleep(0.01)
        found = children(process.pid)
        process.send_signal(number)
        printed = process.communicate(timeout=300)[0]
    return process.returncode, printed, found


def _has_lines(path):
    return path.exists() and (path.suffix != ".partial" or path.read_bytes().count(b"\n") > 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number", "code"),
    [
        ("train", signal.SIGTERM, 143),  # its Ctrl-C: tests/training/test_resume.py
        ("compare", signal.SIGTERM, 143),
        ("compare", signal.SIGINT, 130),
        ("boxes make", signal.SIGTERM, 143),
        ("boxes make", signal.SIGINT, 130),
    ],
)
def test_a_stopped_command_says_that_it_goes_on(place, settings, tiny, name, number, code):
    settings()  # whose table is folds.csv
    words, appears = command_of(name, tiny)
    ended, printed, left = stop(words, place, appears, number)
    assert ended == code, printed
    assert "lesioncare: stopped. The same command goes on from here." in printed
    assert ("lesioncare: stopping ..." in printed) == (number == signal.SIGTERM)  # tidying takes seconds
    assert "Traceback" not in printed
    assert (place / appears).exists()
    assert not list(place.rglob("result.json"))
    assert not list(place.rglob("*.part"))
    assert not (place / "boxes.json").exists()
    assert all_end(left)
