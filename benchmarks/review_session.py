"""A review from end to end on real images: python benchmarks/review_session.py [--pause SECONDS].

Boxes of the rare classes of HAM10000 (saliency), 60 of them reviewed on the page by a script that looks at
each for a while, moves an edge of every third and rejects every tenth; the seconds of each go to
review_session.csv. Then the exported file trains a small network. No image leaves the data's folder.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # the driver that the tests use

from tests.review.browser import CHROMIUM, FLAGS, Reviewer, serving_review  # noqa: E402

from lesioncare.review.opening import open_review  # noqa: E402

RARE = ("AKIEC", "BCC", "DF", "VASC")
REVIEWED = 60
PER_CLASS = 15
COMMON = 60
DATA = Path(os.environ.get("LESIONCARE_DATA", ROOT.parent / "shared" / "data")) / "skin7_200x150"


def main() -> None:
    """Make boxes, review them, export, train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--pause", type=float, default=1.5, help="Seconds that the reviewer looks at an image."
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = next(path for path in (given.data / "images", given.data) if any(path.glob("*.jpg")))
        _write_tables(given.data / "labels.csv", folder)
        boxes, reviewed = folder / "boxes.json", folder / "reviewed.csv"
        _run("boxes", "make", images, "--table", folder / "rare.csv", "--method", "mbd", "-o", boxes)
        rows = _review(boxes, images, given.pause)
        _write(rows)
        _run("boxes", "review", boxes, "--export", reviewed, "--only-accepted")
        words = [
            "--attend",
            "all",
            "--boxes",
            reviewed,
            "--images",
            images,
            "--model",
            "test_resnet",
            "--weights",
            "none",
        ]
        words += ["--epochs", 1, "--image-size", 64, "--group-column", "lesion_id", "--accelerator", "cpu"]
        _run("train", folder / "table.csv", *words, "--output", folder / "run")


def _write_tables(labels: Path, folder: Path) -> None:
    """The first images of each rare class, and these with some of the common one to train with."""
    frame = pd.read_csv(labels).rename(columns={"image_id": "image"})
    rare = frame[frame["label"].isin(RARE)].groupby("label").head(PER_CLASS)
    common = frame[frame["label"] == "NV"].head(COMMON)
    columns = ["image", "lesion_id", "label"]
    rare[columns].to_csv(folder / "rare.csv", index=False)
    pd.concat([rare, common])[columns].to_csv(folder / "table.csv", index=False)


def _review(boxes: Path, images: Path, pause: float) -> list[list[object]]:
    rows: list[list[object]] = []
    review = open_review(boxes)
    with serving_review(review, images) as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        anna = Reviewer(browser, address, "anna")
        while anna.image and len(rows) < REVIEWED:
            start, number = time.perf_counter(), len(rows) + 1
            action = _decide(anna, number, pause)
            rows.append([number, action, round(time.perf_counter() - start, 3)])
        anna.wait_saved()
        assert anna.errors == []
        browser.close()
    assert review.state.counts["accepted"] + review.state.counts["rejected"] == len(rows)
    review.close()
    return rows


def _decide(anna: Reviewer, number: int, pause: float) -> str:
    """Look, perhaps drag the lower right corner or move by keyboard, and decide."""
    image = anna.image
    anna.page.wait_for_timeout(1000 * pause)
    action = "reject" if number % 10 == 0 else "accept"
    grips = anna.page.locator("[data-handle=se]")
    if number % 3 == 0 and action == "accept" and grips.count():
        grip = grips.first.bounding_box()
        x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
        anna.page.mouse.move(x, y, steps=5)
        anna.page.mouse.down()
        anna.page.mouse.move(x + 12, y + 8, steps=8)
        anna.page.mouse.up()
        anna.press("ArrowLeft", "ArrowLeft")
    anna.press("r" if action == "reject" else "a")
    anna.page.locator(f'body:not([data-image="{image}"])').wait_for()
    return "changed and accepted" if number % 3 == 0 and action == "accept" else action


def _write(rows: list[list[object]]) -> None:
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "action", "seconds"])
        writer.writerows(rows)
    seconds = [float(str(row[2])) for row in rows]
    print(f"{len(rows)} boxes, median {statistics.median(seconds):.2f} s, in all {sum(seconds):.0f} s")


def _run(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "lesioncare", *map(str, words)], check=True)


if __name__ == "__main__":
    main()
