"""From a folder as people have it to a table, a box file and an account of what was found."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from PIL import Image

from lesioncare.boxes.boxset import BoxSet, check_name
from lesioncare.boxes.formats import write_boxes
from lesioncare.boxes.formats.atomic import check_folder, inside, writing_folder
from lesioncare.data.imports.catalogue import layout_of
from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.pseudonyms import group_key, pseudonym
from lesioncare.data.imports.tree import Tree
from lesioncare.errors import ConfigError, DataError
from lesioncare.progress import track
from lesioncare.rawtable import first_few
from lesioncare.words import noun, several

__all__ = ["Imported", "import_dataset"]


@dataclass(frozen=True)
class Imported:
    """What was written, and what to say about it.

    Args:
        layout: what was read.
        table: the CSV with image, label, group and split, as far as they are known.
        boxes: the box file, None without boxes.
        images: the folder that the table's images are below.
        classes: images of each class; empty without classes.
        groups: number of lesions or patients; None where they are unknown.
        splits: images of each official part.
        n_boxes: number of boxes.
        counts: numbers beside the published ones.
        notes: sentences, the label rule among them.
    """

    layout: Layout
    table: Path
    boxes: Path | None
    images: Path
    n_images: int
    classes: dict[str, int]
    groups: int | None
    splits: dict[str, int]
    n_boxes: int
    counts: tuple[Count, ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The account in plain lines, as it is printed and kept beside the table."""
        groups = (
            ""
            if self.groups is None
            else f", {several(self.groups, 'lesion or patient', 'lesions or patients')}"
        )
        boxes = several(self.n_boxes, "box", "boxes")
        lines = [f"{self.layout.title}: {several(self.n_images, 'image')}{groups}, {boxes}"]
        for title, counted in (("Classes", self.classes), ("Official parts", self.splits)):
            lines += [f"{title}: {', '.join(f'{k} {n}' for k, n in counted.items())}"] if counted else []
        for count in self.counts:
            told = "" if count.published is None else f"; published: {count.published}"
            lines.append(f"{count.what}: {count.found}{told}{'' if count.fits else '  <- differs'}")
        lines += self.notes
        return [*lines, f"Source: {self.layout.source}. Licence: {self.layout.licence}."]


def import_dataset(
    name: str,
    path: Path,
    output: Path,
    settings: Settings | None = None,
    *,
    key_file: Path | None = None,
) -> Imported:
    """Read a data set as it was published and write `table.csv`, `boxes.csv` and `import.txt`.

    Args:
        name: a key of `LAYOUTS`.
        path: folder of the unpacked data set; of MedMNIST, the .npz file.
        output: a folder that is not there yet, or empty; written as a whole or not at all.
        settings: the label rule, and whether official parts are kept.
        key_file: keeps the key that patients are hashed with, so that several tables agree.

    Raises:
        ConfigError: there is no such layout, or the label rule does not fit it.
        DataError: the files are not of this layout, or the output cannot be written; the message says where.
    """
    layout = layout_of(name)
    settings = settings or Settings()
    if settings.rule.finding is not None and not layout.multi_label:
        raise ConfigError(f"--label-rule: in {name} every image has one label already. Leave the option out.")
    check_folder(output, None, "remove it")
    tree = Tree(path)
    found = layout.read(tree, settings)
    _check(found, tree)
    twins = () if found.pixels else _twins(tree.root, found.records)
    key = group_key(key_file) if found.patients else b""
    found = _finished(found, key, settings.rule.finding, (*_against(layout, found), *twins))
    with writing_folder(output) as folder:
        _write(found, folder)
        made = _account(layout, found, output, output if found.pixels else tree.root)
        (folder / "import.txt").write_text("\n".join(made.lines()) + "\n", encoding="utf-8")
    return made


def _check(found: Found, tree: Tree) -> None:
    if not found.records:
        raise DataError(f"{tree.root}: no image is left for the table. {' '.join(found.notes)}")
    for record in found.records:
        check_name(record.image, f"{tree.root}: an image's path")
    twice = [name for name, count in Counter(record.image for record in found.records).items() if count > 1]
    if twice:
        raise DataError(f"{tree.root}: images that the tables list twice: {first_few(twice)}. Correct them.")


def _against(layout: Layout, found: Found) -> Iterator[str]:
    """Say of each class that has another number of images than was published."""
    if not layout.classes:
        return
    counts = Counter(record.label for record in found.records) if found.labels is None else found.labels
    differing = [
        f"{name} {counts.get(name, 0)} of {published}"
        for name, published in layout.classes.items()
        if counts.get(name, 0) != published
    ]
    if differing:
        yield f"Not as published: {', '.join(differing)} images. Is it a part or a new version?"
    else:
        yield "Each class has as many images as were published."


def _twins(root: Path, records: Sequence[Record]) -> Iterator[str]:
    """Say how many images are the same file as another, byte for byte; only equally long ones are read."""
    by_size: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        by_size[(root / record.image).stat().st_size].append(record)
    suspects = [record for alike in by_size.values() if len(alike) > 1 for record in alike]
    same: dict[bytes, list[Record]] = defaultdict(list)
    for record in track(suspects, "Comparing files", "images"):
        with (root / record.image).open("rb") as file:
            same[hashlib.file_digest(file, "sha256").digest()].append(record)
    copies = [alike for alike in same.values() if len(alike) > 1]
    if copies:
        clashing = sum(len({record.label for record in alike}) > 1 for alike in copies)
        number = sum(len(alike) - 1 for alike in copies)
        are = noun(number, "is a byte for byte copy", "are byte for byte copies")
        yield (
            f"{several(number, 'image')} {are} of another; in {several(clashing, 'case')} with another "
            "label. "
            "See lesioncare data check."
        )


def _finished(found: Found, key: bytes, finding: str | None, notes: Sequence[str]) -> Found:
    """With hashed patients, parts to train and test on, and without the boxes that do not belong."""
    records = found.records
    if found.patients:
        records = tuple(
            replace(record, group=record.group and pseudonym(record.group, key)) for record in records
        )
    records, told = _usable_parts(records)
    kept = {record.image for record in records}
    boxes = tuple(
        box
        for box in found.boxes
        # Where one finding is told from the rest, its map must not be drawn into the box of another.
        if box.image in kept and finding in {None, box.label}
    )
    return replace(found, records=records, boxes=boxes, notes=(*found.notes, *told, *notes))


def _usable_parts(records: tuple[Record, ...]) -> tuple[tuple[Record, ...], list[str]]:
    """The records with parts that can be trained and tested on, or without any, and what was changed."""
    parts = {record.split for record in records}
    usable = None not in parts and {"train", "test"} <= parts
    if usable or parts == {None} or not any(record.label for record in records):
        return records, []
    if parts == {"train", "val"}:
        renamed = tuple(replace(one, split="test") if one.split == "val" else one for one in records)
        return renamed, [
            "The official val part is the table's test part, as there are no labels of another; lesioncare "
            "train sets a part of train aside for validation."
        ]
    here = ", ".join(sorted(part or "none" for part in parts))
    told = (
        f"The images are in the parts {here}; to be kept, each must be in one, and train and test be there: "
        "there is no split column, and lesioncare deals folds."
    )
    return tuple(replace(record, split=None) for record in records), [told]


def _write(found: Found, folder: Path) -> None:
    frame = pd.DataFrame([(one.image, one.label, one.group, one.split) for one in found.records])
    frame.columns = pd.Index(["image", "label", "group", "split"])
    used = [name for name in frame.columns if (frame[name].notna() & (frame[name] != "")).any()]
    frame[used].to_csv(folder / "table.csv", index=False)
    if found.boxes:
        write_boxes(BoxSet.of(found.boxes), folder / "boxes.csv")
    if found.pixels is not None:
        names = {record.image for record in found.records}
        kept = (image for image in found.pixels() if image[0] in names)
        for name, pixels in track(kept, "Writing", "images", total=len(names)):
            Image.fromarray(pixels).save(inside(folder, name))


def _account(layout: Layout, found: Found, output: Path, images: Path) -> Imported:
    records = found.records
    grouped = any(record.group is not None for record in records)
    splits = Counter(record.split for record in records if record.split)
    return Imported(
        layout=layout,
        table=output / "table.csv",
        boxes=output / "boxes.csv" if found.boxes else None,
        images=images,
        n_images=len(records),
        classes=dict(Counter(record.label for record in records if record.label).most_common()),
        groups=len({record.group or record.image for record in records}) if grouped else None,
        splits={part: splits[part] for part in ("train", "val", "test") if splits[part]},
        n_boxes=len(found.boxes),
        counts=found.counts,
        notes=found.notes,
    )
