"""The default parameters on real images; a guard against getting worse, not a benchmark."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import spearmanr

from lesioncare.boxes.generation import make_boxes
from lesioncare.boxes.generation.maker import box_iou

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("LESIONCARE_DATA", ROOT.parent / "shared" / "data")) / "isic17_256"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"needs {FOLDER} (set LESIONCARE_DATA)"),
]


@pytest.fixture(scope="module")
def lesions():
    """Path and true box of 80 images by id."""
    table = pd.read_csv(FOLDER / "labels.csv").iloc[::25].head(80)
    found = {}
    for image in table.image_id:
        ys, xs = np.nonzero(np.asarray(Image.open(FOLDER / "masks" / f"{image}.png").convert("L")))
        truth = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        found[image] = (FOLDER / "images" / f"{image}.jpg", truth)
    return found


@pytest.mark.parametrize(
    ("method", "least"),
    [("consensus", 0.74), ("mbd", 0.72), ("border", 0.68), ("colour", 0.70), ("otsu", 0.66)],
)
def test_boxes_fit_the_lesions_and_the_score_knows_how_well(lesions, method, least):
    made = make_boxes({image: path for image, (path, _) in lesions.items()}, method)
    boxes = {box.image: box for box in made.boxes.boxes}
    ious = [box_iou(boxes[image].xyxy, [truth])[0] for image, (_, truth) in lesions.items()]
    scores = [boxes[image].score for image in lesions]
    assert np.mean(ious) > least
    assert spearmanr(scores, ious).statistic > 0.3
