"""Draw docs/images/demo.png from a finished demonstration: python docs/pictures.py demo/."""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from lesioncare.evaluation import RunResult
from lesioncare.images import read_image
from lesioncare.report.gallery import overlay

COLUMNS = 2
"""Examples of each rare class: those on which the arms differ most in energy."""


def main(demo: Path) -> None:
    """Show, for each rare class, test images, the box, and both networks' maps."""
    mpl.use("agg")
    plain, guided = RunResult.load(demo / "without"), RunResult.load(demo / "with")
    rows = [row for name in plain.rare for row in _most_different(plain, guided, name)]
    figure, axes = plt.subplots(3, len(rows), figsize=(1.5 * len(rows), 4.7), layout="constrained")
    for column, row in enumerate(rows):
        image = read_image(Path(plain.predictions.path[row])).resize((256, 256))
        maps = [run.maps[row] for run in (plain, guided) if run.maps is not None]
        pictures = [image, *(overlay(image, one.astype(np.float64)) for one in maps)]
        scale = 256 / read_image(Path(plain.predictions.path[row])).width
        for axis, picture in zip(axes[:, column], pictures, strict=True):
            axis.imshow(picture)
            for x1, y1, x2, y2 in plain.predictions.boxes[row] * scale:
                axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec="white", lw=1.2))
            axis.set(xticks=[], yticks=[])
        axes[0, column].set_title(plain.classes[plain.predictions.target[row]], fontsize=9)
    for axis, text in zip(axes[:, 0], ("image and box", plain.name, "CARE"), strict=True):
        axis.set_ylabel(text, fontsize=10)
    figure.savefig(Path(__file__).parent / "images" / "demo.png", dpi=110)


def _most_different(plain: RunResult, guided: RunResult, name: str) -> list[int]:
    gain = guided.predictions.energy - plain.predictions.energy
    rows = np.flatnonzero(plain.predictions.target == plain.classes.index(name))
    return [int(row) for row in rows[np.argsort(-gain[rows])][:COLUMNS]]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
