"""Draw the boxes of every method, and the truth, on 40 random dermoscopic images.

    python docs/montage.py

writes `docs/images/boxes.jpg`. The images are of ISIC 2017 (CC-0), of the part that no segmenter learnt from;
those of HAM10000, on which the methods are measured, may not be shown here.
"""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np

from lesioncare.boxes.generation import METHODS
from lesioncare.images import read_image
from lesioncare.training.segmentation.pairs import find_pairs
from lesioncare.training.segmentation.run import split_pairs

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

HERE = Path(__file__).parent
DATA = Path(os.environ.get("LESIONCARE_DATA", HERE.parent.parent / "shared" / "data")) / "isic17_256"
SHARE, SEED, IMAGES, COLUMNS = 0.07, 0, 40, 8  # the share and seed of tools/train_shipped_segmenter.py


def truth(mask: Path) -> tuple[float, float, float, float] | None:
    """The box around a mask."""
    ys, xs = np.nonzero(np.asarray(read_image(mask).convert("L")) > 127)
    return (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else None


def draw(axis: plt.Axes, box: tuple[float, ...], colour: object, width: float) -> None:
    """Add a box to a picture."""
    x1, y1, x2, y2 = box
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=width))


def main() -> None:
    """Draw and save the sheet."""
    _, held_out = split_pairs(find_pairs(DATA / "images", DATA / "masks"), SHARE, SEED)
    chosen = np.random.default_rng(SEED).choice(len(held_out), IMAGES, replace=False)
    colours = dict(zip(METHODS, plt.get_cmap("tab20")(np.linspace(0, 1, 20))[: len(METHODS)], strict=True))
    figure, axes = plt.subplots(IMAGES // COLUMNS, COLUMNS, figsize=(16, 10.6), dpi=100)
    for axis, index in zip(axes.flat, sorted(chosen), strict=True):
        pair = held_out[index]
        pixels = np.asarray(read_image(pair.image), np.uint8)
        axis.imshow(pixels)
        axis.axis("off")
        for name, maker in METHODS.items():
            if (found := maker(pixels)) is not None:
                draw(axis, found.corners, colours[name], 2.2 if name in ("segmenter", "consensus") else 1.0)
        if (box := truth(pair.masks[0])) is not None:
            draw(axis, box, "white", 2.6)
    lines = [Line2D([], [], color=colour, linewidth=2.5, label=name) for name, colour in colours.items()]
    lines.append(Line2D([], [], color="white", linewidth=2.5, label="truth"))
    figure.subplots_adjust(0.005, 0.045, 0.995, 0.995, 0.02, 0.02)
    figure.legend(
        handles=lines, ncols=len(lines), loc="lower center", facecolor="0.6", frameon=True, fontsize=10
    )
    figure.savefig(HERE / "images" / "boxes.jpg", pil_kwargs={"quality": 80})


if __name__ == "__main__":
    main()
