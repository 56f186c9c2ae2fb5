"""The pictures of docs/review.md, of synthetic images only: python docs/review_pictures.py."""

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # the driver that the tests use

from tests.review.browser import CHROMIUM, FLAGS, Reviewer, serving_review  # noqa: E402

from lesioncare.data.synthetic import SyntheticConfig, write_dataset  # noqa: E402
from lesioncare.review.opening import open_review  # noqa: E402

IMAGES = ROOT / "docs" / "images"
COUNTS = {"common-mole": 4, "keratosis-like": 4, "red-lacunae": 12, "blue-veil": 12}


def main() -> None:
    """Make boxes, review a few, and take pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        data = Path(folder) / "data"
        write_dataset(data, SyntheticConfig(train_counts=COUNTS, n_test=1, size=480))
        words = ["boxes", "make", str(data), "--table", str(data / "table.csv"), "--method", "mbd"]
        boxes = Path(folder) / "boxes.json"
        subprocess.run([sys.executable, "-m", "lesioncare", *words, "-o", str(boxes)], check=True)  # noqa: S603
        review = open_review(boxes)
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serving_review(review, data) as address:
            _take(browser, address)
        browser.close()
        review.close()


def _take(browser: Browser, address: str) -> None:
    first = Reviewer(browser, address, "first reader", color_scheme="light")
    for key in "aaraaasa":
        first.press(key)
        first.page.wait_for_timeout(300)
    first.wait_saved()
    first.page.wait_for_timeout(500)
    first.page.screenshot(path=IMAGES / "review.jpg", type="jpeg", quality=85)
    first.press("t", "m")
    first.page.locator('body[data-layer="mbd"]').wait_for()
    first.page.wait_for_timeout(300)
    first.page.screenshot(path=IMAGES / "review_dark_map.jpg", type="jpeg", quality=85)
    first.press("t", "t", "m", "m", "m", "?")
    first.page.wait_for_timeout(300)
    first.page.screenshot(path=IMAGES / "review_keys.jpg", type="jpeg", quality=85)
    first.press("Escape")
    second = Reviewer(browser, address, "second reader", color_scheme="light")
    second.page.locator("#filter select[name=status]").select_option("accepted")
    second.page.wait_for_timeout(500)
    box = second.page.locator(".box .edge").first.bounding_box()
    second.page.mouse.move(box["x"] + box["width"], box["y"] + box["height"])
    second.page.mouse.down()
    second.page.mouse.move(box["x"] + box["width"] + 60, box["y"] + box["height"] + 30, steps=4)
    second.page.mouse.up()
    second.wait_saved()
    second.page.wait_for_timeout(500)
    second.page.screenshot(path=IMAGES / "review_conflict.jpg", type="jpeg", quality=85)


if __name__ == "__main__":
    main()
