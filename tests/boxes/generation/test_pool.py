"""Boxes for many images: the same for any number of workers, and after a kill."""

import importlib
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from lesioncare.boxes.generation import METHODS, make_boxes, run_in_processes
from lesioncare.errors import ConfigError, DataError, RunError

from .makers import Fixed, folder_of_moles, mole


@pytest.fixture(scope="module")
def moles(tmp_path_factory):
    return folder_of_moles(tmp_path_factory.mktemp("moles"), 12)


def test_gives_each_images_box_in_order(moles):
    made = make_boxes(moles, "border")
    assert [box.image for box in made.boxes.boxes] == list(moles)
    assert dict(made.boxes.images) == dict.fromkeys(moles, (80, 60))
    assert {box.source for box in made.boxes.boxes} == {"border"}
    assert not made.skipped
    found = METHODS["border"](mole(4))
    box = made.boxes.boxes[4]
    assert box.xyxy == pytest.approx(found.corners, abs=0.005)
    assert box.score == pytest.approx(found.score, abs=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_any_number_of_workers_gives_the_same(moles, name):
    assert make_boxes(moles, name, workers=1) == make_boxes(moles, name, workers=2)


def test_turns_images_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(mole(0)).save(tmp_path / "a.png", exif=exif)
    assert make_boxes({"a": tmp_path / "a.png"}, "border").boxes.images["a"] == (60, 80)


def test_an_image_without_a_box_is_kept_as_an_image(tmp_path):
    Image.fromarray(np.full((6, 8, 3), 9, np.uint8)).save(tmp_path / "flat.png")
    made = make_boxes({"flat": tmp_path / "flat.png"}, "consensus")
    assert made.boxes.boxes == ()
    assert dict(made.boxes.images) == {"flat": (8, 6)}


def test_no_images_no_boxes():
    made = make_boxes({}, "mbd", workers=2)
    assert made.boxes.boxes == ()


def test_takes_a_maker_of_ones_own(moles):
    made = make_boxes(moles, Fixed((1, 2, 3, 4), name="mine"))
    assert {(box.source, box.xyxy) for box in made.boxes.boxes} == {("mine", (1, 2, 3, 4))}


def test_tells_its_progress(moles):
    seen = []
    make_boxes(moles, "border", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)
    assert seen == sorted(seen)


def test_lists_what_cannot_be_read(moles, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = {**moles, "gone": tmp_path / "gone.png", "broken": tmp_path / "broken.png"}
    with pytest.raises(DataError, match=r"(?s)2 of 14 images cannot be read.*gone: .*broken: .*--skip-bad"):
        make_boxes(images, "border")
    made = make_boxes(images, "border", skip_bad=True)
    assert list(made.skipped) == ["gone", "broken"]
    assert made.boxes == make_boxes(moles, "border").boxes


def test_a_long_list_of_bad_images_is_cut(tmp_path):
    images = {f"{number:03}": tmp_path / f"{number:03}.png" for number in range(25)}
    with pytest.raises(DataError, match=r"25 of 25(.|\n)*019: (.|\n)*and 5 more") as caught:
        make_boxes(images, "border")
    assert "020: " not in str(caught.value)


def test_the_readable_ones_are_kept_when_others_are_not(moles, tmp_path):
    images = {**moles, "later": tmp_path / "later.png"}
    resume = tmp_path / "boxes.partial"
    with pytest.raises(DataError):
        make_boxes(images, "border", resume=resume)
    Image.fromarray(mole(99)).save(images["later"])
    seen = []
    made = make_boxes(images, "border", resume=resume, progress=lambda done, total: seen.append(done))
    assert seen == [13]
    assert made == make_boxes(images, "border")


def test_goes_on_where_it_was(moles, tmp_path):
    resume = tmp_path / "boxes.partial"

    def stop(done, total):
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_boxes(moles, "border", resume=resume, progress=stop)
    seen = []
    made = make_boxes(moles, "border", resume=resume, progress=lambda done, total: seen.append(done))
    assert seen[0] > 6
    assert made == make_boxes(moles, "border")
    make_boxes(moles, "border", resume=resume, progress=lambda done, total: pytest.fail("all was done"))


def test_another_method_does_not_go_on(moles, tmp_path):
    make_boxes(moles, "border", resume=tmp_path / "p")
    with pytest.raises(RunError, match="another method"):
        make_boxes(moles, "ft", resume=tmp_path / "p")


def test_images_that_are_no_longer_asked_for_are_left_out(moles, tmp_path):
    make_boxes(moles, "border", resume=tmp_path / "p")
    few = dict(list(moles.items())[3:5])
    assert make_boxes(few, "border", resume=tmp_path / "p") == make_boxes(few, "border")
    Image.fromarray(mole(50)).save(tmp_path / "new.png")
    seen = []
    more = {**few, "new": tmp_path / "new.png"}
    make_boxes(more, "border", resume=tmp_path / "p", progress=lambda *counts: seen.append(counts))
    assert seen == [(3, 3)]


@pytest.mark.parametrize("workers", [0, -1])
def test_needs_a_worker(moles, workers):
    with pytest.raises(ConfigError, match="workers must be at least 1"):
        make_boxes(moles, "border", workers=workers)


def test_leaves_opencvs_threads_as_they_were(moles):
    before = cv2.getNumThreads()
    make_boxes(moles, "border")
    assert cv2.getNumThreads() == before


@pytest.mark.slow
def test_a_dead_worker_is_an_error_and_not_a_hang(moles, tmp_path, monkeypatch):
    # The workers have to be able to import the maker.
    (tmp_path / "killed.py").write_text("import os\n\n\ndef maker(image):\n    os.kill(os.getpid(), 9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    maker = importlib.import_module("killed").maker
    with pytest.raises(RunError, match="a worker process died"):
        list(run_in_processes(maker, [[item] for item in moles.items()], 2))


SCRIPT = """
import sys
import time
from pathlib import Path
from lesioncare.boxes.generation import make_boxes

def stop(done, total):
    print(done, flush=True)
    if done >= 6:
        time.sleep(100)

if __name__ == "__main__":
    folder, resume, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    images = {path.stem: path for path in sorted(folder.glob("*.png"))}
    make_boxes(images, "mbd", workers=workers, resume=resume, progress=stop)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_and_leaves_no_worker_behind(moles, tmp_path, workers):
    script, resume = tmp_path / "run.py", tmp_path / "boxes.partial"
    script.write_text(SCRIPT)
    folder = next(iter(moles.values())).parent
    command = [sys.executable, str(script), str(folder), str(resume), str(workers)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE)
    while int(run.stdout.readline()) < 6:
        pass
    children = _children(run.pid)
    run.kill()
    run.wait()
    run.stdout.close()
    kept = len(resume.read_bytes().splitlines()) - 1
    assert kept == 6
    seen = []
    made = make_boxes(moles, "mbd", resume=resume, progress=lambda done, total: seen.append(done))
    assert seen[0] > 6
    assert made == make_boxes(moles, "mbd")
    deadline = time.monotonic() + 20
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(child) for child in children)


def _children(parent):
    return [int(pid) for pid in _ps("-o", "pid=", "--ppid", str(parent)).split()]


def _alive(pid):
    state = _ps("-o", "stat=", "-p", str(pid)).strip()
    return bool(state) and not state.startswith("Z")


def _ps(*options):
    return subprocess.run(["ps", *options], capture_output=True, text=True, check=False).stdout
