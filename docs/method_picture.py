"""Draw docs/images/method.png from a finished demonstration: python docs/method_picture.py demo/."""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle

from lesioncare.attention import Regions
from lesioncare.evaluation import RunResult
from lesioncare.images import read_image


def main(demo: Path) -> None:
    """Show an image, the box on the map's cells, and both maps with their means inside and outside."""
    mpl.use("agg")
    plain, guided = RunResult.load(demo / "without"), RunResult.load(demo / "with")
    row = _clearest(plain, guided)
    image, box = read_image(Path(plain.predictions.path[row])), plain.predictions.boxes[row]
    cells = guided.maps.shape[1:]
    regions = Regions([torch.as_tensor(box, dtype=torch.float32)], (image.height, image.width), cells)
    figure, axes = plt.subplots(1, 5, figsize=(10.5, 2.6), layout="constrained")
    axes[0].imshow(image)
    for x1, y1, x2, y2 in box:
        axes[0].add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec="white", lw=1.5))
    axes[0].set_title("image and box")
    _cells(axes[1], regions.mask[0], "m, share in the box")
    _cells(axes[2], regions.outside[0] / regions.outside.sum(), "O, weights outside")
    for axis, run, name in ((axes[3], plain, "map, trained without"), (axes[4], guided, "map, with CARE")):
        _map(axis, run.maps[row], regions, name)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    figure.savefig(Path(__file__).parent / "images" / "method.png", dpi=110)


def _clearest(plain: RunResult, guided: RunResult) -> int:
    """The test image of a rare class whose map moves farthest into its box."""
    rare = np.isin(plain.predictions.target, [plain.classes.index(name) for name in plain.rare])
    return int(np.argmax(np.where(rare, guided.predictions.energy - plain.predictions.energy, -1)))


def _cells(axis: plt.Axes, values: torch.Tensor, title: str) -> None:
    axis.imshow(values, cmap="Greens", vmin=0)
    axis.set_title(title)


def _map(axis: plt.Axes, cam: np.ndarray, regions: Regions, title: str) -> None:
    positive = torch.as_tensor(cam, dtype=torch.float32)  # a run keeps the positive part, its maximum 1
    inside = float((positive * regions.inside).sum() / regions.inside.sum())
    outside = float((positive * regions.outside).sum() / regions.outside.sum())
    axis.imshow(positive, cmap="magma", vmin=0, vmax=1)
    axis.set_title(title)
    axis.set_xlabel(f"inside {inside:.2f}, outside {outside:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
