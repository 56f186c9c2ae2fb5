"""The box formats by name, and reading and writing any of them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from lesioncare.boxes.boxset import BoxSet, Size
from lesioncare.boxes.formats import coco, labelstudio, masks, table, voc, yolo
from lesioncare.boxes.formats.atomic import check_file, check_folder, writing_file, writing_folder
from lesioncare.boxes.formats.bounds import read_start
from lesioncare.boxes.formats.folder import ImageFolder, files_below
from lesioncare.boxes.formats.format import EVERYTHING, Format, Reading
from lesioncare.boxes.formats.losses import Losses, losses_of
from lesioncare.errors import ConfigError, DataError

FORMATS: Mapping[str, Format] = {
    "coco": Format(coco.read_coco, coco.write_coco, EVERYTHING),
    "voc": Format(voc.read_voc, voc.write_voc, EVERYTHING - {"classes"}, folder=frozenset({".xml"})),
    "yolo": Format(
        yolo.read_yolo,
        yolo.write_yolo,
        frozenset({"label", "classes"}),
        folder=frozenset({".txt", ".yaml"}),
        needs_sizes=True,
    ),
    "csv": Format(table.read_csv, table.write_csv, EVERYTHING - {"classes"}),
    "rsna": Format(table.read_csv, table.write_rsna, frozenset({"id"})),
    "parquet": Format(table.read_parquet, table.write_parquet, EVERYTHING),
    "labelstudio": Format(
        labelstudio.read_label_studio,
        labelstudio.write_label_studio,
        EVERYTHING - {"classes"},
        needs_sizes=True,
    ),
    "masks": Format(masks.read_masks, None, frozenset()),
}
BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xml": "voc",
    ".yaml": "yolo",
    ".yml": "yolo",
    ".json": "coco",
    ".png": "masks",
}
BY_COLUMNS = {"csv": table.write_csv, "parquet": table.write_parquet}

__all__ = ["FORMATS", "check_target", "detect_format", "read_boxes", "write_boxes"]


def read_boxes(
    path: Path,
    format: str | None = None,  # noqa: A002  the word that the command line uses
    *,
    image_root: Path | None = None,
    columns: Mapping[str, str] | None = None,
    components: bool = False,
) -> BoxSet:
    """Read boxes of any format.

    Args:
        path: the file or folder.
        format: a key of `FORMATS`; by default found from the suffix and the contents.
        image_root: folder of the images. YOLO cannot be read without; for the others, sizes that the file
            does not tell are taken from the images that are there and can be read.
        columns: column of each field of a table, for those that do not have their usual names.
        components: one box per connected part of a mask, not per mask.

    Raises:
        DataError: the file cannot be read; the message names the file, the entry and a remedy.
        ConfigError: there is no such format.

    Example:
        `read_boxes(Path("boxes.csv"), columns={"image": "name", "x1": "left", "y1": "top", "x2": "right",
        "y2": "bottom"})`
    """
    images = None if image_root is None else ImageFolder(image_root)
    reading = Reading(images, columns, components)
    try:
        _check_there(path)
        boxset = _format(format or detect_format(path)).read(path, reading)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except DataError as error:
        if str(path) in str(error):
            raise
        raise DataError(f"{path}: {error}") from error
    return boxset if images is None else boxset.with_sizes(_readable_sizes(boxset, images))


def check_target(
    path: Path,
    format: str | None = None,  # noqa: A002  as above
    *,
    overwrite: bool = False,
) -> None:
    """Refuse what `write_boxes` could not write to, or what it would replace; to be called before the work.

    Args:
        path: the file or folder.
        format: a key of `FORMATS`; by default found from the suffix.
        overwrite: whether a file, or a folder of nothing but boxes, may be replaced.

    Raises:
        DataError: it is there.
        ConfigError: there is no such format, or it cannot be written.
    """
    name = format or _format_to_write(path)
    _writer(name)
    if _is_folder(name, path):
        check_folder(path, _replaced(name, path, overwrite))
    else:
        check_file(path, overwrite=overwrite)


def write_boxes(
    boxset: BoxSet,
    path: Path,
    format: str | None = None,  # noqa: A002  as above
    *,
    image_root: Path | None = None,
    columns: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Losses:
    """Write boxes in any format but masks; a file is replaced as a whole, a folder must not be there.

    Args:
        boxset: what to write.
        path: the file or folder.
        format: a key of `FORMATS`; by default found from the suffix.
        image_root: folder of the images, for formats in fractions if the set does not know the sizes.
        columns: fields to write to a table, and the column of each.
        overwrite: whether a folder of nothing but boxes of this format may be replaced, too.

    Returns:
        What the format cannot hold of this set; say it to the user.

    Raises:
        DataError: the set cannot be written; nothing is left behind.
        ConfigError: there is no such format, or it cannot be written in this way.
    """
    name = format or _format_to_write(path)
    chosen, write = _format(name), _writer(name)
    if image_root is not None:
        boxset = boxset.with_sizes(ImageFolder(image_root).sizes(_unknown(boxset)))
    if chosen.needs_sizes:
        _check_sizes(boxset, name)
    if columns is not None and name not in BY_COLUMNS:
        raise ConfigError(f"columns: {name} has no columns; choose from {', '.join(BY_COLUMNS)}.")
    writing = (
        writing_folder(path, _replaced(name, path, overwrite))
        if _is_folder(name, path)
        else writing_file(path)
    )
    with writing as temporary:
        if columns is not None:
            BY_COLUMNS[name](boxset, temporary, columns)
        else:
            write(boxset, temporary)
    return losses_of(boxset, name, chosen.holds if columns is None else table.held(columns))


def detect_format(path: Path) -> str:
    """Name of the format of a file, by its suffix and first character, or of a folder, by what is in it.

    Raises:
        DataError: it is not there, or none of the formats fits.
    """
    if path.is_dir():
        name = _format_of_folder(path)
    else:
        name = BY_SUFFIX.get(path.suffix.lower())
        if name == "coco" and _first_character(path) == "[":
            name = "labelstudio"
    if name is None:
        raise DataError(f"{path}: looks like no box format. Name one of {', '.join(FORMATS)}.")
    if name == "masks" and not masks.are_masks(path):
        raise DataError(
            f"{path}: pictures that are neither named as masks nor black and white, so no masks. Give the "
            "boxes, or the folder of the masks; if these are masks, name the format (masks)."
        )
    return name


def _check_there(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path}: no such box file or folder. Check the path.")


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise ConfigError(f"there is no box format {name!r}. Choose from {', '.join(FORMATS)}.")
    return FORMATS[name]


def _writer(name: str) -> Callable[[BoxSet, Path], None]:
    write = _format(name).write
    if write is None:
        raise ConfigError(f"{name} can be read, but not written. Choose from {', '.join(_writable())}.")
    return write


def _is_folder(name: str, path: Path) -> bool:
    """Whether boxes are written as a folder there; one image's VOC boxes can be a file."""
    return bool(FORMATS[name].folder) and path.suffix.lower() != ".xml"


def _replaced(name: str, path: Path, overwrite: bool) -> frozenset[str] | None:
    """Suffixes of the files of a folder that may be deleted with it; None without `overwrite`."""
    if not overwrite:
        return None
    is_ours = path.is_dir() and _format_of_folder(path) == name
    return FORMATS[name].folder if is_ours else frozenset()


def _writable() -> list[str]:
    return [name for name, entry in FORMATS.items() if entry.write is not None]


def _format_to_write(path: Path) -> str:
    name = BY_SUFFIX.get(path.suffix.lower())
    if name is None or name == "yolo":  # a data.yaml is only part of the folder
        raise ConfigError(f"{path}: the name does not tell the format. Name one of {', '.join(_writable())}.")
    return name


def _format_of_folder(path: Path) -> str | None:
    if (path / "labels").is_dir() or any((path / name).is_file() for name in yolo.CLASS_FILES):
        return "yolo"
    if files_below(path, {".xml"}):
        return "voc"
    return "masks" if files_below(path, {".png"}) else None


def _first_character(path: Path) -> str:
    return read_start(path, 200).decode("utf-8-sig", errors="replace").lstrip()[:1]


def _unknown(boxset: BoxSet) -> list[str]:
    return [image for image, size in boxset.images.items() if size is None]


def _readable_sizes(boxset: BoxSet, images: ImageFolder) -> dict[str, Size]:
    """Sizes that the images tell; what is wrong with the others is for `check_boxes` to say."""
    sizes = {}
    for image in _unknown(boxset):
        with suppress(DataError):
            size = images.size(image)
            if size is not None:
                sizes[image] = size
    return sizes


def _check_sizes(boxset: BoxSet, name: str) -> None:
    unknown = _unknown(boxset)
    if unknown:
        raise DataError(
            f"{name} needs the size of every image; unknown for {len(unknown)}, first {unknown[0]!r}. "
            "Name the folder of the images with --images (image_root)."
        )
