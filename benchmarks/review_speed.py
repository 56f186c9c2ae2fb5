"""How fast the review page is: python benchmarks/review_speed.py; writes review_speed.csv beside it.

From the key that accepts an image to the next image on the screen, on loopback in headless Chromium, with
small and large images in turn. The times depend on what else the machine does: its load is beside them.
"""

import csv
import os
import statistics
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

CLOCK = """() => {
  window.times = [];
  let pressed = null;
  document.addEventListener("keydown", () => { pressed = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => requestAnimationFrame(() => {
    if (pressed !== null) window.times.push(performance.now() - pressed);
    pressed = null;
  }))).observe(document.body, { attributeFilter: ["data-image"] });
}"""


def main() -> None:
    """Measure, print, and write the CSV."""
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows += _key_to_image(Path(folder))
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


if __name__ == "__main__":
    main()
