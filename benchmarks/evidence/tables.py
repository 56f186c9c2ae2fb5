"""The tables and box files of the evidence, made from the data sets by fixed rules and fixed draws.

    python benchmarks/evidence/tables.py

writes CSV files to `runs/evidence/tables` (the plans beside this file read them):

* `kermany_RARITY.csv`: chest X-rays, pneumonia rare in training (1, 5 and 20 %). Patients are split once, by
  their number whatever the folder it stands in: 35 % of them are for test, with all their images, the same
  for the three rarities. Of the other patients' pneumonia images so many are drawn, patient after patient,
  that they are the share; the smaller draw is part of the larger. The images left out are in no part.
* `busi_anywhere.csv`, `tbx11k_anywhere.csv`, `shortcut_anywhere.csv`: boxes of the sizes of `busi_boxes.csv`,
  `tbx11k_boxes.csv` and `shortcut/table.csv`, anywhere in their images.
* `kermany_centre.csv`, `kermany_consensus.csv`: boxes for them: the middle 70 % of each side, about where the
  lungs are, and the saliency consensus (which is known to fail on X-rays).
* `tbx11k.csv`: active against latent tuberculosis, images with both or neither left out; `tbx11k_boxes.csv`.
* `busi.csv`: ultrasound; images that repeat an earlier one are in its group, and clusters whose labels
  contradict each other are left out whole.
* `skin_inner.csv`: HAM10000 without the test fold 0, for choices that no test fold may decide.
* `skin_rare_N.csv`: the test fold 0 for test, and of the rest N images (10, 20, 40, 80) of each rare class,
  lesion after lesion; the smaller draw is part of the larger.
* `shortcut/`: synthetic images with a marker on the rare kinds; the only images that are made.
* `skin_centre.csv`, `skin_random.csv`: boxes of the manual ones' size, in the image's middle, and anywhere;
  `skin_mbd.csv`, `skin_segmenter.csv`, `skin_consensus.csv`: those of `lesioncare boxes make`;
  `skin_consensus_alike.csv`: those of the consensus, all trusted alike;
  `skin_iouNN.csv`: the manual ones moved and scaled at random until their overlap is 0.NN.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from lesioncare.data import Columns, load_table, split_by_fold
from lesioncare.data.synthetic import SyntheticConfig, write_dataset
from lesioncare.rawtable import read_header

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("LESIONCARE_DATA", REPOSITORY.parent / "shared" / "data"))
TABLES = REPOSITORY / "runs" / "evidence" / "tables"
RARITIES = (1, 5, 20)
CORNERS = ["x0", "y0", "x1", "y1"]
RARE = ("AKIEC", "BCC", "DF", "VASC")


def patient(path: str) -> str:
    """The number in a file's name: of persons with pneumonia, and of healthy ones, are counted apart."""
    person = re.search(r"person(\d+)_", path)
    if person:
        return f"person{int(person[1])}"
    image = re.search(r"IM-(\d+)", path)
    if image is None:
        raise ValueError(f"{path}: no patient's number.")
    return f"IM{int(image[1])}"


def kermany(target: Path, share_of_test: float = 0.35) -> None:
    table = pd.read_csv(DATA / "cxr_kermany_224" / "labels.csv")[["path", "label", "subtype"]]
    table["patient"] = table.path.map(patient)
    rng = np.random.default_rng(0)
    tested: set[str] = set()
    for label in sorted(table.label.unique()):
        patients = rng.permutation(sorted(table.patient[table.label == label].unique()))
        tested |= set(patients[: round(share_of_test * len(patients))])
    table["split"] = np.where(table.patient.isin(tested), "test", "train")
    normal = int(((table.split == "train") & (table.label == "NORMAL")).sum())
    candidates = table[(table.split == "train") & (table.label == "PNEUMONIA")]
    place = {name: number for number, name in enumerate(rng.permutation(sorted(candidates.patient.unique())))}
    order = candidates.index[np.argsort(candidates.patient.map(place), kind="stable")]
    for percent in RARITIES:
        number = round(normal * percent / (100 - percent))
        kept = table.drop(order[number:])
        kept.to_csv(target / f"kermany_{percent}.csv", index=False)
        print(f"kermany {percent} %:", kept.groupby(["split", "label"]).size().to_dict())
    # As fractions: every image has 224 x 224 pixels, of which the middle 70 % are 33.6 to 190.4.
    middle = pd.DataFrame({"path": table.path, **dict(zip(CORNERS, (0.15, 0.15, 0.85, 0.85), strict=True))})
    pixels = middle.assign(**{corner: middle[corner] * 224 for corner in CORNERS})
    write_boxes(pixels.rename(columns={"path": "image"}), target / "kermany_centre.csv")


def tbx11k(target: Path) -> None:
    folder = DATA / "cxr_tbx11k"
    table = pd.read_csv(folder / "labels.csv")
    table = table[table.label.isin(["active", "latent"])][["image_id", "label"]]
    table.to_csv(target / "tbx11k.csv", index=False)
    boxes = pd.read_csv(folder / "boxes.csv").rename(columns={"image_id": "image", "class": "label"})
    boxes = boxes[boxes.image.isin(table.image_id)]
    boxes[CORNERS] *= 512
    write_boxes(boxes, target / "tbx11k_boxes.csv")
    print("tbx11k:", table.label.value_counts().to_dict(), len(boxes), "boxes")


def busi(target: Path) -> None:
    folder = DATA / "busi"
    table = pd.read_csv(folder / "labels.csv").set_index("image_id", drop=False)
    cluster = {name: name for name in table.index}

    def root(name: str) -> str:
        while cluster[name] != name:
            name = cluster[name]
        return name

    for row in pd.read_csv(folder / "near_duplicates.csv").itertuples():
        cluster[root(row.b)] = root(row.a)
    table["group"] = [root(name) for name in table.index]
    labels = table.groupby("group").label.nunique()
    kept = table[~table.group.isin(labels.index[labels > 1])]
    kept[["image_id", "label", "group"]].to_csv(target / "busi.csv", index=False)
    boxed = kept[kept.x0.notna() & (kept.x1 > kept.x0)]
    size = boxed[["width", "height", "width", "height"]].to_numpy()
    boxes = boxed[["image_id", "label", *CORNERS]].rename(columns={"image_id": "image"})
    boxes[CORNERS] = boxed[CORNERS].to_numpy() * size
    write_boxes(boxes, target / "busi_boxes.csv")
    print("busi:", kept.label.value_counts().to_dict(), kept.group.nunique(), "groups", len(boxes), "boxes")


def skin(target: Path) -> None:
    """Boxes of the manual ones' size elsewhere: what is left of the gain is not of the lesion's place."""
    table = pd.read_csv(DATA / "skin7_200x150" / "labels.csv")
    side = table[["x1", "y1"]].to_numpy() - table[["x0", "y0"]].to_numpy()
    free = 1 - side
    places = {"centre": np.full_like(side, 0.5), "random": np.random.default_rng(0).random(side.shape)}
    for name, place in places.items():
        corners = np.hstack([free * place, free * place + side]) * np.array([200, 150, 200, 150])
        boxes = pd.DataFrame(corners, columns=CORNERS)
        boxes.insert(0, "image", table.image_id)
        write_boxes(boxes, target / f"skin_{name}.csv")


def skin_inner(target: Path) -> None:
    """The images outside the test fold 0, as `lesioncare splits` and `compare` deal it."""
    source = DATA / "skin7_200x150" / "labels.csv"
    columns = Columns.guess(read_header(source))
    images = load_table(source, columns, image_root=source.parent / "images")
    split = split_by_fold(images, fold=0, n_folds=5, seed=0, validation=0.1)
    tested = set(images.frame["image"].iloc[split.test])
    table = pd.read_csv(source)
    kept = table[~table.image_id.isin(tested)]
    kept.to_csv(target / "skin_inner.csv", index=False)
    print("skin, inner:", kept.label.value_counts().to_dict())


def skin_rare(target: Path) -> None:
    """Fewer and fewer images of the rare classes to learn from; the test part stays."""
    source = DATA / "skin7_200x150" / "labels.csv"
    images = load_table(source, Columns.guess(read_header(source)), image_root=source.parent / "images")
    split = split_by_fold(images, fold=0, n_folds=5, seed=0, validation=0.1)
    tested = set(images.frame["image"].iloc[split.test])
    table = pd.read_csv(source)
    table["split"] = np.where(table.image_id.isin(tested), "test", "train")
    lesions = np.random.default_rng(0).permutation(sorted(table.lesion_id.unique()))
    place = dict(zip(lesions, range(len(lesions)), strict=True))
    training = table[table.split == "train"]
    order = training.iloc[np.argsort(training.lesion_id.map(place), kind="stable")]
    for number in (10, 20, 40, 80):
        drawn = order[order.label.isin(RARE)].groupby("label").cumcount() < number
        left_out = drawn.index[~drawn]
        kept = table.drop(left_out)
        kept.to_csv(target / f"skin_rare_{number}.csv", index=False)
        print(f"skin, rare {number}:", kept.groupby(["split", "label"]).size().to_dict())


def skin_jittered(target: Path) -> None:
    """Boxes whose overlap (IoU) with the manual ones is 0.8, 0.6, 0.4 and 0.2."""
    table = pd.read_csv(DATA / "skin7_200x150" / "labels.csv")
    true = table[CORNERS].to_numpy()
    rng = np.random.default_rng(0)
    shift, scale = rng.normal(size=(len(true), 2)), rng.normal(size=(len(true), 2))
    for percent in (80, 60, 40, 20):
        low, high = np.zeros(len(true)), np.full(len(true), 4.0)
        for _ in range(40):  # bisection for how far: the overlap falls with it
            middle = (low + high) / 2
            near = overlap(true, jittered(true, shift, scale, middle)) > percent / 100
            low, high = np.where(near, middle, low), np.where(near, high, middle)
        corners = jittered(true, shift, scale, low)
        print(f"skin, IoU {percent} %: {overlap(true, corners).mean():.3f}")
        boxes = pd.DataFrame(corners * np.array([200, 150, 200, 150]), columns=CORNERS)
        boxes.insert(0, "image", table.image_id)
        write_boxes(boxes, target / f"skin_iou{percent}.csv")


def jittered(boxes: np.ndarray, shift: np.ndarray, scale: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Boxes [n, 4] in fractions, moved and scaled `far` [n] times each its own way."""
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    centre = centre + 0.5 * far[:, None] * shift * side
    half = side * np.exp(np.clip(0.5 * far[:, None] * scale, -3, 3)) / 2
    return np.clip(np.hstack([centre - half, centre + half]), 0, 1)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.clip(sides, 0, None).prod(1)
    return shared / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared)


def shortcut(target: Path) -> None:
    """Synthetic images whose rare kinds wear a marker in training, and not in the test part."""
    write_dataset(target / "shortcut", SyntheticConfig(size=64, seed=1))
    print("shortcut:", target / "shortcut")


def write_boxes(boxes: pd.DataFrame, target: Path) -> None:
    named = dict(zip(CORNERS, ("x1", "y1", "x2", "y2"), strict=True))
    boxes.rename(columns=named).round(3).to_csv(target, index=False)


def automatic(target: Path) -> None:
    """Boxes by methods of `lesioncare boxes make`, which skip what is there already."""
    skin_images = DATA / "skin7_200x150"
    makings = [
        ("mbd", skin_images / "images", skin_images / "labels.csv", "skin_mbd.csv"),
        ("segmenter", skin_images / "images", skin_images / "labels.csv", "skin_segmenter.csv"),
        ("consensus", skin_images / "images", skin_images / "labels.csv", "skin_consensus.csv"),
        ("saliency-consensus", DATA / "cxr_kermany_224", target / "kermany_20.csv", "kermany_consensus.csv"),
    ]
    for method, images, table, name in makings:
        if not (target / name).exists():
            words = ["boxes", "make", images, "--table", table, "--method", method, "-o", target / name]
            subprocess.run(
                [sys.executable, "-m", "lesioncare", *map(str, words), "--workers", "2"], check=True
            )
    controls = [
        ("busi", target / "busi_boxes.csv", DATA / "busi" / "images"),
        ("tbx11k", target / "tbx11k_boxes.csv", DATA / "cxr_tbx11k" / "images"),
        ("shortcut", target / "shortcut" / "table.csv", target / "shortcut"),
    ]
    for name, boxes, images in controls:
        if not (target / f"{name}_anywhere.csv").exists():
            words = ["boxes", "control", boxes, target / f"{name}_anywhere.csv", "--images", images]
            subprocess.run([sys.executable, "-m", "lesioncare", *map(str, words)], check=True)
    alike = pd.read_csv(target / "skin_consensus.csv").assign(score=1.0)
    alike.to_csv(target / "skin_consensus_alike.csv", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=TABLES)
    parser.add_argument("--no-automatic", action="store_true", help="without the boxes that take minutes")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for make in (kermany, tbx11k, busi, skin, skin_inner, skin_rare, skin_jittered, shortcut):
        make(options.output)
    if not options.no_automatic:
        automatic(options.output)


if __name__ == "__main__":
    main()
