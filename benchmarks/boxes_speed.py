"""How fast boxes are made, on one core, and what a second worker gains.

    python benchmarks/boxes_speed.py

writes `boxes_speed.csv` beside this file, two parts of one run:

1. Milliseconds per image on one thread, without decoding, on the same images in turns: OpenCV's fine-grained
   saliency map alone, then each method's map and its map and box. Each is the median over rounds of the
   mean over images.
2. Seconds for all images: the bare loop (decode, then the method), `make_boxes` with one worker and a resume
   file, and with two. The better of `--repeats` runs each, in turns.
"""

import argparse
import csv
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lesioncare.boxes.generation import METHODS, make_boxes
from lesioncare.boxes.generation.workers import single_thread
from lesioncare.images import read_image

HERE = Path(__file__).parent
DATA = Path(os.environ.get("LESIONCARE_DATA", HERE.parent.parent / "shared" / "data"))
SLOW = ("rbd", "gmr", "rc")
Row = tuple[str, str, float, float | str]


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def side_by_side(paths: list[Path], rounds: int) -> list[Row]:
    """Milliseconds per image of each map and box, and how often it fits into the fine-grained map's time."""
    images = [np.asarray(read_image(path), np.uint8) for path in paths]
    fine = cv2.saliency.StaticSaliencyFineGrained_create()
    tasks: dict[str, Callable[[np.ndarray], object]] = {"fine_grained_map": fine.computeSaliency}
    for name, maker in METHODS.items():
        if len(maker.saliencies) == 1:
            tasks[f"{name}_map"] = maker.saliencies[0]
        tasks[f"{name}_map_and_box"] = maker
    times: dict[str, list[float]] = {name: [] for name in tasks}
    with single_thread():
        for _ in range(rounds):
            for name, task in tasks.items():
                some = images[: len(images) // 4] if name.startswith(SLOW) else images
                spent = seconds(lambda task=task, some=some: [task(image) for image in some])
                times[name].append(1000 * spent / len(some))
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians["fine_grained_map"]
    return [(name, "ms per image", median, base / median) for name, median in medians.items()]


def all_images(images: dict[str, Path], method: str, repeats: int) -> list[Row]:
    """Seconds for all images: bare, with one worker and with two; the gain is over the bare loop."""
    maker = METHODS[method]

    def bare() -> None:
        with single_thread():
            for path in images.values():
                maker(np.asarray(read_image(path), np.uint8))

    def made(workers: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            make_boxes(images, method, workers=workers, resume=Path(folder) / "boxes.partial")

    tasks: dict[str, Callable[[], None]] = {
        f"{method}_bare_loop": bare,
        f"{method}_one_worker": lambda: made(1),
        f"{method}_two_workers": lambda: made(2),
    }
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            times[name].append(seconds(task))
            print(f"{name}: {times[name][-1]:.1f} s for {len(images)} images", flush=True)
    best = {name: min(values) for name, values in times.items()}
    return [(name, "s in all", value, best[f"{method}_bare_loop"] / value) for name, value in best.items()]


def verdict(rows: list[Row]) -> None:
    found = {name: value for name, _, value, _ in rows}
    bare, one, two = (found[f"mbd_{name}"] for name in ("bare_loop", "one_worker", "two_workers"))
    fine, mbd = found["fine_grained_map"], found["mbd_map_and_box"]
    for what, value, reached in (
        ("MBD, map and box, against the fine-grained map alone (at most 1)", mbd / fine, mbd <= fine),
        ("one worker against the bare loop (at most 1.25)", one / bare, one <= 1.25 * bare),
        ("two workers against one (at least 1.8 times as fast)", one / two, one >= 1.8 * two),
    ):
        print(f"{what}: {value:.2f} {'reached' if reached else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, help="of the second part; default: all")
    parser.add_argument("--maps", type=int, default=200, help="images of the first part")
    parser.add_argument("--rounds", type=int, default=5, help="of the first part")
    parser.add_argument("--repeats", type=int, default=2, help="of the second part")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    paths = sorted((DATA / "skin7_200x150" / "images").glob("*.jpg"))
    rows = side_by_side(paths[:: len(paths) // options.maps][: options.maps], options.rounds)
    for name, unit, value, gain in rows:
        print(f"{name:24s} {value:8.3f} {unit}, {gain:.2f} times as fast as the fine-grained map")
    rows += all_images({path.stem: path for path in paths[: options.images]}, "mbd", options.repeats)
    verdict(rows)
    with (options.out / "boxes_speed.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "unit", "value", "times_as_fast_as_reference"])
        writer.writerows((name, unit, round(value, 3), round(gain, 2)) for name, unit, value, gain in rows)


if __name__ == "__main__":
    main()
