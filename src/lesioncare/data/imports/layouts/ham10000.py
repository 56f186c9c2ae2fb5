"""HAM10000 as Harvard Dataverse has it: two parts of images, the metadata, and the lesions' masks."""

from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.lesions import boxes_of_masks, masks_by_image
from lesioncare.data.imports.tree import Tree

_TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")

__all__ = ["HAM10000"]


def _read(tree: Tree, _: Settings) -> Found:
    frame = tree.table(_TABLES, ["lesion_id", "image_id", "dx"])
    paths, notes = tree.locate(frame["image_id"])
    kept = frame[frame["image_id"].isin(list(paths))]
    cells = zip(kept["image_id"], kept["dx"], kept["lesion_id"], strict=True)
    records = tuple(Record(paths[image], label, lesion) for image, label, lesion in cells)
    masks = masks_by_image(tree.masks)
    of_image = {path: masks.get(image, []) for image, path in paths.items()}
    if not masks:
        notes.append("No masks (HAM10000_segmentations_lesion_tschandl), so there are no boxes.")
    boxes = boxes_of_masks(tree, of_image, {record.image: record.label for record in records})
    counts = (
        Count("images in the table", len(frame), 10015),
        Count("lesions in the table", frame["lesion_id"].nunique(), 7470),
        *([Count("masks", sum(map(len, of_image.values())), 10015)] if masks else []),
    )
    return Found(records, tuple(boxes), counts, tuple(notes))


HAM10000 = Layout(
    "HAM10000: seven classes of pigmented skin lesions",
    "HAM10000_images_part_1/*.jpg, HAM10000_images_part_2/*.jpg, HAM10000_metadata.csv, "
    "HAM10000_segmentations_lesion_tschandl/*_segmentation.png",
    _read,
    "https://doi.org/10.7910/DVN/DBW86T",
    "CC BY-NC 4.0",
    {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115},
)
