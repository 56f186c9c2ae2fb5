"""BUSI (2020): breast ultrasound with lesion masks, a folder per class."""

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.lesions import boxes_of_masks, masks_by_image
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import DataError

_CLASSES = {"benign": 437, "malignant": 210, "normal": 133}

__all__ = ["BUSI"]


def _read(tree: Tree, settings: Settings) -> Found:  # noqa: ARG001  nothing to decide
    records, of_image = [], {}
    masks = masks_by_image(tree.masks)
    for path in tree.images:
        folder, _, name = path.rpartition("/")
        label = folder.rpartition("/")[2]
        if label in _CLASSES:
            records.append(Record(path, label))
            of_image[path] = masks.get(name.rpartition(".")[0], [])
    if not records:
        raise DataError(f"{tree.root}: no benign|malignant|normal/*.png in it. Unpack the data set.")
    boxes = boxes_of_masks(tree, of_image, {record.image: record.label for record in records})
    notes = (
        "Some images of BUSI are in it twice or more, a few with two labels, and nothing tells the patients: "
        "run lesioncare data check, and do not trust a random split.",
    )
    counts = (Count("masks", sum(map(len, of_image.values())), 798),)
    return Found(tuple(records), tuple(boxes), counts, notes)


BUSI = Layout(
    "BUSI: breast ultrasound",
    "Dataset_BUSI_with_GT/benign|malignant|normal/NAME (1).png and NAME (1)_mask.png",
    _read,
    "https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
    "CC0 as Kaggle and others state; cite Al-Dhabyani et al., Data in Brief 2020",
    _CLASSES,
)
