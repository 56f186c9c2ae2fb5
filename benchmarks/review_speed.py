"""How fast the review page is: python benchmarks/review_speed.py; writes review_speed.csv beside it.

From the key that accepts an image to the next image on the screen, on loopback in headless Chromium, with
small and large images in turn; and the time until 100,000 boxes are listed, in a new process, for a new
review and for one that goes on. Wall times depend on what else the machine does: the load is written beside
them, and the processor time.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # the driver that the tests use

from tests.review.browser import CHROMIUM, FLAGS, Reviewer, serving_review, wait_until  # noqa: E402

from lesioncare.boxes import Box, BoxSet  # noqa: E402
from lesioncare.boxes.formats import write_boxes  # noqa: E402
from lesioncare.review.opening import open_review  # noqa: E402

SIZES = ((200, 150), (3000, 2000))
PACES = {"a key every 0.7 s": 700, "a key as soon as the next image is there": 0}
IMAGES = 60
ROUNDS = 2
MANY = 100_000

CLOCK = """() => {
  window.times = [];
  let pressed = null;
  document.addEventListener("keydown", () => { pressed = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => requestAnimationFrame(() => {
    if (pressed !== null) window.times.push(performance.now() - pressed);
    pressed = null;
  }))).observe(document.body, { attributeFilter: ["data-image"] });
}"""

OPEN = """
import sys, time
from pathlib import Path
start = time.perf_counter()
from lesioncare.review.opening import open_review
from lesioncare.review.store import Filter
imported = time.perf_counter()
review = open_review(Path(sys.argv[1]))
lines = review.queue("anna", Filter(), "todo", (-1.0, 0), 50)
review.progress("anna", Filter())
print(time.perf_counter() - imported, imported - start, time.process_time(), len(lines))
"""


def main() -> None:
    """Measure, print, and write the CSV."""
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows += _key_to_image(Path(folder))
        rows += _opening(Path(folder))
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["what", "condition", "n", "median", "percentile_95", "unit", "load"])
        writer.writerows(rows)
    for row in rows:
        print(*row, sep=", ")


def _key_to_image(folder: Path) -> list[list[object]]:
    times: dict[tuple[tuple[int, int], str], list[float]] = {}
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for size in SIZES:
            _draw(folder / f"{size[0]}", size)
        for round_ in range(ROUNDS):
            for pace, pause in PACES.items():
                for size in SIZES:
                    found = _session(browser, folder / f"{size[0]}", f"{round_} {pause}", pause)
                    times.setdefault((size, pace), []).extend(found)
        browser.close()
    return [
        [
            "key to next image",
            f"{width} x {height}, {pace}",
            len(found),
            round(statistics.median(found), 1),
            round(float(np.percentile(found, 95)), 1),
            "ms",
            round(os.getloadavg()[0], 1),
        ]
        for ((width, height), pace), found in times.items()
    ]


def _draw(folder: Path, size: tuple[int, int]) -> None:
    """Images with the noise of a photograph, so that they decode as slowly."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = rng.normal(150, 12, (size[1], size[0], 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.jpg", quality=90)
    boxes = [
        Box(f"{n}.jpg", 20, 20, 100, 100, label="df", source="mbd", score=n / IMAGES) for n in range(IMAGES)
    ]
    write_boxes(BoxSet.of(boxes, {box.image: size for box in boxes}), folder / "boxes.json")


def _session(browser, folder: Path, name: str, pause: int) -> list[float]:  # noqa: ANN001
    review = open_review(folder / "boxes.json", path=folder / f"{name}.review")
    with serving_review(review, folder / "images") as address:
        anna = Reviewer(browser, address, "anna")
        anna.page.evaluate(CLOCK)
        anna.page.locator('body[data-image="0.jpg"]').wait_for()
        anna.page.wait_for_timeout(2000)  # nobody decides on the first image at once
        for number in range(1, IMAGES):
            anna.press("a")
            wait_until(lambda: anna.page.evaluate("window.times.length") == number)  # noqa: B023
            anna.page.wait_for_timeout(pause)
        times = anna.page.evaluate("window.times")
        anna.wait_saved()
        anna.close()
    kept = review.state.counts["accepted"]
    assert kept == IMAGES - 1, f"{kept} of {IMAGES - 1} decisions were kept; the page said {anna.errors}"
    review.close()
    return list(times)


def _opening(folder: Path) -> list[list[object]]:
    rng = np.random.default_rng(0)
    boxes = [
        Box(f"{n:06d}.jpg", 20, 20, 100, 100, label="df", source="mbd", score=score)
        for n, score in enumerate(rng.random(MANY).tolist())
    ]
    file = folder / "many.json"
    write_boxes(BoxSet.of(boxes, {box.image: (200, 150) for box in boxes}), file)
    found: dict[str, list[list[float]]] = {"new": [], "goes on": []}
    for _ in range(ROUNDS):
        Path(f"{file}.review").unlink(missing_ok=True)
        for times in found.values():
            words = [sys.executable, "-c", OPEN, str(file)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            times.append([float(word) for word in done.stdout.split()])
    rows: list[list[object]] = []
    for what, times in found.items():
        for place, meaning in ((0, "wall time"), (2, "processor time, imports included")):
            values = [one[place] for one in times]
            row = [f"{MANY} boxes listed, {what}", meaning, ROUNDS, round(statistics.median(values), 2)]
            rows.append([*row, round(max(values), 2), "s", round(os.getloadavg()[0], 1)])
    return rows


if __name__ == "__main__":
    main()
