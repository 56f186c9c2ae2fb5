r"""How good automatic boxes are on real images: method x data set, against the boxes of the lesion masks.

    python benchmarks/boxes_quality.py --workers 2

writes `boxes_quality.csv` and `boxes_quality_classes.csv` beside this file. A killed run goes on where
it was (`--work` holds what is done). Parameters were tuned on ISIC 2017 alone, and the segmenters learnt
from it; `isic17`, 151 images that they did not learn from, is in the table for comparison and marked so. A
segmenter of one's own is measured too with `--segmenter FILE`; the full-size one of the table is made from
`isic17_256` by

    lesioncare segmenter train images masks --output full.safetensors --validation 0.07 --epochs 10 \
        --model tf_efficientnet_lite0 --weights tf_efficientnet_lite0.imagenet1k.safetensors --image-size 160

HAM10000: all images of the classes with fewer than half of the average class's images, and a fixed random
1500 of the others. BUSI: benign and malignant. TBX11K: the box around all boxes.
"""

import argparse
import csv
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from lesioncare.boxes.generation import METHODS, BoxMaker, Found, make_boxes, method_named
from lesioncare.boxes.generation.maker import box_iou
from lesioncare.boxes.generation.workers import single_thread
from lesioncare.images import read_image
from lesioncare.training.segmentation.pairs import find_pairs
from lesioncare.training.segmentation.run import split_pairs

HERE = Path(__file__).parent
DATA = Path(os.environ.get("LESIONCARE_DATA", HERE.parent.parent / "shared" / "data"))
OTHERS, SEED = 1500, 0
TIMED = 60
BOOTSTRAPS = 1000
Row = dict[str, object]
TUNED_ON = "isic17"


@dataclass(frozen=True)
class Part:
    """A box that does not look at the image: the middle part of it."""

    name: str
    share: float

    def __call__(self, image: NDArray[np.uint8], /) -> Found:
        """Give the box with score 0: nothing is known about it."""
        height, width = image.shape[:2]
        x, y = width * (1 - self.share) / 2, height * (1 - self.share) / 2
        return Found((x, y, width - x, height - y), 0.0)


BASELINES: dict[str, BoxMaker] = {"whole": Part("whole", 1.0), "centre60": Part("centre60", 0.6)}


@dataclass(frozen=True)
class Dataset:
    """Paths, classes and lesion masks [H, W] by image id."""

    name: str
    images: dict[str, Path]
    labels: dict[str, str]
    mask: Callable[[str], NDArray[np.bool_]]


def ham() -> Dataset:
    folder = DATA / "skin7_200x150"
    table = pd.read_csv(folder / "labels.csv").set_index("image_id")
    counts = table.label.value_counts()
    rare = table.label.isin(counts.index[counts < counts.mean() / 2])
    others = np.random.default_rng(SEED).choice(table.index[~rare], OTHERS, replace=False)
    return masked("ham10000", folder, table.loc[sorted([*table.index[rare], *others])])


def isic17() -> Dataset:
    """The images that no segmenter learnt from: share and seed of tools/train_shipped_segmenter.py."""
    folder = DATA / "isic17_256"
    _, held_out = split_pairs(find_pairs(folder / "images", folder / "masks"), 0.07, 0)
    table = pd.read_csv(folder / "labels.csv").set_index("image_id")
    return masked("isic17", folder, table.loc[[pair.image.stem for pair in held_out]])


def busi() -> Dataset:
    table = pd.read_csv(DATA / "busi" / "labels.csv")
    table = table.rename(columns={table.columns[0]: "image_id"}).set_index("image_id")
    return masked("busi", DATA / "busi", table[table.label != "normal"])


def masked(name: str, folder: Path, table: pd.DataFrame) -> Dataset:
    def mask(image: str) -> NDArray[np.bool_]:
        return np.asarray(Image.open(folder / "masks" / f"{image}.png").convert("L")) > 0

    # An empty mask is no truth to compare a box with.
    ids = [str(image) for image in table.index if mask(str(image)).any()]
    if len(ids) < len(table):
        print(f"{name}: {len(table) - len(ids)} images have an empty mask and are left out")
    images = {image: folder / "images" / f"{image}.jpg" for image in ids}
    return Dataset(name, images, dict(table.label.loc[ids]), mask)


def tbx11k() -> Dataset:
    folder = DATA / "cxr_tbx11k"
    table = pd.read_csv(folder / "boxes.csv")
    table["image_id"] = table["image_id"].astype(str)
    corners = {"x0": "min", "y0": "min", "x1": "max", "y1": "max"}
    around = table.groupby("image_id").agg(corners)

    def mask(image: str) -> NDArray[np.bool_]:
        found = np.zeros((512, 512), bool)
        x0, y0, x1, y1 = (np.asarray(around.loc[image]) * 512).round().astype(int)
        found[y0:y1, x0:x1] = True
        return found

    images = {image: folder / "images" / f"{image}.jpg" for image in around.index}
    return Dataset("tbx11k", images, dict.fromkeys(around.index, "tuberculosis"), mask)


DATASETS = {"ham10000": ham, "isic17": isic17, "busi": busi, "tbx11k": tbx11k}


@dataclass(frozen=True)
class Scored:
    """IoU, cover of the lesion's pixels and trust of one method's boxes, in the order of the images."""

    iou: NDArray[np.float64]
    cover: NDArray[np.float64]
    score: NDArray[np.float64]


def score_boxes(data: Dataset, maker: BoxMaker, workers: int, work: Path) -> Scored:
    made = make_boxes(
        data.images, maker, workers=workers, resume=work / f"{data.name}-{maker.name.replace(':', '-')}.jsonl"
    )
    boxes = {box.image: box for box in made.boxes.boxes}
    rows = []
    for image in data.images:
        mask, box = data.mask(image), boxes.get(image)
        if box is None:
            rows.append((0.0, 0.0, 0.0))
            continue
        ys, xs = np.nonzero(mask)
        truth = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
        inside = (xs + 0.5 > box.x1) & (xs + 0.5 < box.x2) & (ys + 0.5 > box.y1) & (ys + 0.5 < box.y2)
        rows.append((float(box_iou(box.xyxy, [truth])[0]), float(inside.mean()), box.score))
    return Scored(*np.array(rows).T)


def rate(data: Dataset, maker: BoxMaker) -> float:
    """Images per second of one core, without decoding; the better of two passes."""
    some = list(data.images.values())[:: max(1, len(data.images) // TIMED)][:TIMED]
    pixels = [np.asarray(read_image(path), np.uint8) for path in some]
    times = []
    with single_thread():
        maker(pixels[0])
        for _ in range(2):
            start = time.perf_counter()
            for image in pixels:
                maker(image)
            times.append(time.perf_counter() - start)
    return len(pixels) / min(times)


def summary(scored: Scored) -> dict[str, float | str]:
    iou, bad = scored.iou, scored.iou < 0.25
    rng = np.random.default_rng(SEED)
    means = [iou[rng.integers(0, len(iou), len(iou))].mean() for _ in range(BOOTSTRAPS)]
    low, high = np.quantile(means, [0.025, 0.975])
    found: dict[str, float | str] = {
        "mean_iou": iou.mean(), "mean_low": low, "mean_high": high, "median_iou": float(np.median(iou)),
        "over_50": (iou > 0.5).mean(), "under_25": bad.mean(), "cover": scored.cover.mean(),
    }  # fmt: skip
    if np.ptp(scored.score) == 0:
        return {**found, "spearman": "", "bad_in_fifth": "", "least_fifth_iou": "", "others_iou": ""}
    order = np.argsort(scored.score, kind="stable")
    fifth, others = order[: len(order) // 5], order[len(order) // 5 :]
    return {
        **found,
        "spearman": float(spearmanr(scored.score, iou).statistic),
        "bad_in_fifth": float(bad[fifth].sum() / bad.sum()) if bad.any() else "",
        "least_fifth_iou": iou[fifth].mean(),
        "others_iou": iou[others].mean(),
    }


def rounded(fields: Row) -> Row:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}


def save(path: Path, rows: list[Row]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def verdict(rows: list[Row]) -> None:
    """Print the targets on HAM10000 and what was reached."""
    mine = {str(row["method"]): row for row in rows if row["dataset"] == "ham10000"}
    several = {"consensus", "colour", "saliency-consensus", "segmenter"}
    single = {name: row for name, row in mine.items() if name in set(METHODS) - several}
    if not single or "consensus" not in mine:
        return
    best = max(single.values(), key=lambda row: float(str(row["mean_iou"])))
    both = mine["consensus"]
    trained = [row["mean_iou"] for name, row in mine.items() if name.startswith("segmentation:")]
    for what, value, target in (
        (f"best single method ({best['method']}), mean IoU", best["mean_iou"], 0.78),
        ("consensus, mean IoU", both["mean_iou"], 0.80),
        ("consensus, Spearman of score and IoU", both["spearman"], 0.55),
        ("consensus, boxes under 0.25 in the least trusted fifth", both["bad_in_fifth"], 0.50),
        *(
            ("shipped segmenter, mean IoU", row["mean_iou"], 0.80)
            for name, row in mine.items()
            if name == "segmenter"
        ),
        *(("full-size segmenter, mean IoU", value, 0.85) for value in trained),
    ):
        reached = float(str(value)) >= target
        print(f"{what}: {value} (target {target}) {'reached' if reached else 'MISSED'}")


def parse() -> argparse.Namespace:
    makers = {**BASELINES, **METHODS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--methods", nargs="+", choices=makers, default=list(makers))
    parser.add_argument("--segmenter", help="one more method: a segmenter's file or folder")
    parser.add_argument("--limit", type=int, help="only so many images of each data set, evenly spread")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "lesioncare" / "boxes_quality")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run has done")
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


def loaded(name: str, limit: int | None) -> Dataset:
    data = DATASETS[name]()
    if limit is None:
        return data
    keep = list(data.images)[:: max(1, len(data.images) // limit)][:limit]
    return replace(data, images={image: data.images[image] for image in keep})


def measured(data: Dataset, maker: BoxMaker, options: argparse.Namespace) -> tuple[Row, list[Row]]:
    """The row of a data set and method, and a row for each class."""
    scored = score_boxes(data, maker, options.workers, options.work)
    head = {"dataset": data.name, "method": maker.name}
    row = {**head, "tuned_on": data.name == TUNED_ON, "images": len(data.images), **summary(scored)}
    labels = np.array([data.labels[image] for image in data.images])
    classes = []
    for label in sorted(set(labels.tolist())):
        part = scored.iou[labels == label]
        found = {"mean_iou": part.mean(), "under_25": (part < 0.25).mean()}
        classes.append(rounded({**head, "label": label, "images": len(part), **found}))
    return rounded({**row, "images_per_s": rate(data, maker)}), classes


def main() -> None:
    options = parse()
    if options.fresh:
        shutil.rmtree(options.work, ignore_errors=True)
    makers = [{**BASELINES, **METHODS}[method] for method in options.methods]
    if options.segmenter:
        makers.append(method_named(f"segmentation:{options.segmenter}"))
    rows: list[Row] = []
    classes: list[Row] = []
    for name in options.datasets:
        data = loaded(name, options.limit)
        for maker in makers:
            row, more = measured(data, maker, options)
            print("  ".join(f"{key} {value}" for key, value in row.items() if key != "tuned_on"), flush=True)
            rows.append(row)
            classes += more
            save(options.out / "boxes_quality.csv", rows)
            save(options.out / "boxes_quality_classes.csv", classes)
    verdict(rows)


if __name__ == "__main__":
    main()
