"""How well near-duplicates are found: `python benchmarks/near_duplicates.py`.

The copy of BUSI comes with a list of 137 pairs. That list was itself made from correlations of thumbnails, so
that a recall and precision of 1 shows that the check does the same, not that people would. HAM10000 gives an
independent measure: no list, but lesions, so that two images of one lesion are no false alarm. Perceptual
hashes of 64 bits (OpenCV's pHash) stand beside it. Writes near_duplicates.csv beside this file.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from lesioncare.data.quality import find_twins
from lesioncare.data.quality.scan import scan_images

DATA = Path(os.environ.get("LESIONCARE_DATA", Path(__file__).parents[2] / "shared" / "data"))
Pairs = set[tuple[int, int]]


def twins(paths: list[str]) -> Iterator[tuple[str, float, Pairs]]:
    """Pairs by correlation of thumbnails, at several thresholds."""
    found, _ = find_twins(scan_images(paths), 0.98)
    for least in (0.98, 0.985, 0.99, 0.995, 0.998):
        yield (
            "thumbnails",
            least,
            {(one.first, one.second) for one in found if one.identical or one.similarity >= least},
        )


def hashes(paths: list[str]) -> Iterator[tuple[str, float, Pairs]]:
    """Pairs by Hamming distance of OpenCV's pHash, at several distances."""
    hasher = cv2.img_hash.PHash_create()
    bits = np.stack([hasher.compute(np.asarray(Image.open(path).convert("L"))).ravel() for path in paths])
    for most in (0, 2, 4, 6, 8, 10):
        pairs: Pairs = set()
        for start in range(len(bits)):
            distance = np.bitwise_count(bits[start] ^ bits[start + 1 :]).sum(axis=1)
            pairs |= {(start, start + 1 + int(other)) for other in np.flatnonzero(distance <= most)}
        yield "pHash", most, pairs


def busi() -> Iterator[dict[str, object]]:
    """Against the list."""
    folder = DATA / "busi"
    names = pd.read_csv(folder / "labels.csv")["image_id"].tolist()
    at = {name: position for position, name in enumerate(names)}
    listed = pd.read_csv(folder / "near_duplicates.csv")
    truth = {tuple(sorted((at[a], at[b]))) for a, b in zip(listed["a"], listed["b"], strict=True)}
    paths = [str(folder / "images" / f"{name}.jpg") for name in names]
    for method in (twins, hashes):
        for name, threshold, pairs in method(paths):
            right = len(pairs & truth)
            yield {
                "data": "BUSI, its list",
                "method": name,
                "threshold": threshold,
                "pairs": len(pairs),
                "recall": round(right / len(truth), 3),
                "precision": round(right / max(len(pairs), 1), 3),
            }


def ham() -> Iterator[dict[str, object]]:
    """Precision only: the share of pairs that are of one lesion."""
    folder = DATA / "skin7_200x150"
    table = pd.read_csv(folder / "labels.csv")
    lesion = table["lesion_id"].to_numpy()
    paths = [str(folder / "images" / f"{name}.jpg") for name in table["image_id"]]
    for method in (twins, hashes):
        for name, threshold, pairs in method(paths):
            same = sum(lesion[first] == lesion[second] for first, second in pairs)
            yield {
                "data": "HAM10000, same lesion",
                "method": name,
                "threshold": threshold,
                "pairs": len(pairs),
                "recall": "",
                "precision": round(same / max(len(pairs), 1), 3),
            }


def main() -> None:
    """Measure, print and write."""
    frame = pd.DataFrame([*busi(), *ham()])
    print(frame.to_string(index=False))
    frame.to_csv(Path(__file__).with_suffix(".csv"), index=False)


if __name__ == "__main__":
    main()
