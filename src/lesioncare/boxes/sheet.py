"""A contact sheet: images with their boxes drawn in, to look at many at once."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.boxes.formats.atomic import writing_file
from lesioncare.boxes.formats.folder import ImageFolder
from lesioncare.errors import ConfigError, DataError
from lesioncare.images import read_image

Order = Literal["file", "random", "score"]
# Colours of Okabe and Ito, which people with any colour vision can tell apart.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#FFFFFF")
CAPTION = 14
"""Height of the line below an image."""
GAP = 4
ROW_GAP = 16
"""Between a caption and the images below it: clearly more than between a caption and its own image."""
LEGEND = 22
"""Height of a line of the legend."""
LEGEND_SIZE = 14
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
MARK = b"A sheet of boxes, drawn by lesioncare"
"""Stands near the beginning of the file, by which a sheet is told from a user's own picture."""
SHORTEST_ID = 12
"""Characters of an id that a caption shows at least; where less would be left, the score gives way."""
PAPER, INK = "#202020", "#F0F0F0"

__all__ = ["Order", "check_sheet", "contact_sheet", "write_sheet"]


def contact_sheet(
    boxset: BoxSet,
    image_root: Path,
    *,
    limit: int = 40,
    order: Order = "file",
    seed: int = 0,
    tile: int = 192,
) -> Image.Image:
    """Draw images with their boxes, in rows of at most eight.

    Boxes have the colour of their source, or of their class where there is one source only; the legend at
    the top says which is which. Right below each image stand its id and the score of its least trusted box,
    unless the score of every box is 1.

    Args:
        boxset: what to draw.
        image_root: folder of the images.
        limit: most images to draw.
        order: "file" takes the first, "random" some, "score" those with the least trusted boxes.
        seed: for "random".
        tile: longer side of a drawn image in pixels.

    Raises:
        DataError: there is no image, or one is missing or cannot be read.
        ConfigError: a number is not positive, or the order is none of the three.
    """
    if limit < 1 or tile < 1:
        raise ConfigError(f"limit and tile must be at least 1, but got {limit} and {tile}.")
    chosen = _choose(boxset, order, seed)[:limit]
    if not chosen:
        raise DataError("there is no image to draw: the set is empty.")
    images = ImageFolder(image_root)
    grouped = boxset.by_image()
    colours, named = _colours([box for image in chosen for box in grouped[image]])
    trusted = all(box.score == 1 for box in boxset.boxes)  # people's boxes, say: nothing to tell
    scores = {} if trusted else _least_scores(boxset)
    columns = min(8, len(chosen))
    step = (tile + GAP, tile + CAPTION + ROW_GAP)
    legend = _draw_legend(named, columns * step[0])
    sheet = Image.new("RGB", (legend.width, legend.height + -(-len(chosen) // columns) * step[1]), PAPER)
    sheet.paste(legend)
    for number, image in enumerate(chosen):
        row, column = divmod(number, columns)
        left, top = column * step[0], legend.height + row * step[1]
        drawn = _draw_tile(images, image, grouped[image], colours, tile)
        sheet.paste(drawn, (left, top))
        caption = _caption(image, scores.get(image), tile)
        ImageDraw.Draw(sheet).text((left, top + drawn.height), caption, fill=INK)
    return sheet


def check_sheet(path: Path) -> None:
    """Refuse a target that cannot be a sheet, or where a file is that is none; to be called before the work.

    An older sheet may be replaced. A user's photograph, table or page may not.

    Raises:
        ConfigError: the name does not end in .png, .jpg or .jpeg.
        DataError: there is another file, or a folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: a sheet is a picture. Name a .png, .jpg or .jpeg file.")
    try:
        with path.open("rb") as file:
            own = MARK in file.read(256)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Name another file.") from error
    if not own:
        raise DataError(
            f"{path}: is there, and is no sheet that lesioncare drew. Name another file (--output), or move "
            "this one away."
        )


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as PNG or JPEG, by the name's end, as a whole or not at all.

    Raises:
        ConfigError: see `check_sheet`.
        DataError: see `check_sheet`, or the file cannot be written.
    """
    check_sheet(path)
    with writing_file(path) as temporary:
        if SUFFIXES[path.suffix.lower()] == "JPEG":
            sheet.save(temporary, format="JPEG", quality=90, comment=MARK)
        else:
            notes = PngImagePlugin.PngInfo()
            notes.add_text("Comment", MARK.decode())
            sheet.save(temporary, format="PNG", pnginfo=notes)


def _choose(boxset: BoxSet, order: str, seed: int) -> list[str]:
    images = list(boxset.images)
    if order == "random":
        random.Random(seed).shuffle(images)  # noqa: S311  a choice to look at, not a secret
    elif order == "score":
        least = _least_scores(boxset)
        images.sort(key=lambda image: least.get(image, 2.0))  # no box: last
    elif order != "file":
        raise ConfigError(f"order must be file, random or score, but got {order!r}.")
    return images


def _least_scores(boxset: BoxSet) -> dict[str, float]:
    """Score of the least trusted box of each image that has one."""
    return {image: min(box.score for box in boxes) for image, boxes in boxset.by_image().items() if boxes}


def _colours(boxes: Sequence[Box]) -> tuple[Mapping[Box, str], Mapping[str, str]]:
    """Colour of each box, and of each source or class."""
    by_source = len({box.source for box in boxes}) > 1
    names = {box: box.source if by_source else (box.label or "no class") for box in boxes}
    named = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(sorted(set(names.values())))}
    return {box: named[name] for box, name in names.items()}, named


def _draw_legend(named: Mapping[str, str], width: int) -> Image.Image:
    """A square in each colour and the name beside it, in as many lines of this width as they need."""
    font = ImageFont.load_default(LEGEND_SIZE)
    places, left, line = {}, GAP, 0
    for name in named:
        needed = LEGEND_SIZE + GAP + int(font.getlength(name))
        if left > GAP and left + needed > width:
            left, line = GAP, line + 1
        places[name] = (left, line * LEGEND + GAP)
        left += needed + 4 * GAP
    legend = Image.new("RGB", (width, (line + 1) * LEGEND + 2 * GAP), PAPER)
    pen = ImageDraw.Draw(legend)
    for name, (x, y) in places.items():
        # The names in ink: letters in a dark colour could not be read on the dark paper.
        pen.rectangle((x, y, x + LEGEND_SIZE - 1, y + LEGEND_SIZE - 1), fill=named[name])
        pen.text((x + LEGEND_SIZE + GAP, y), name, fill=INK, font=font)
    return legend


def _draw_tile(
    images: ImageFolder, image: str, boxes: Sequence[Box], colours: Mapping[Box, str], tile: int
) -> Image.Image:
    found = images.find(image)
    if found is None:
        raise DataError(f"image {image!r} is not in {images.root}. Check the folder.")
    picture = read_image(images.root / found)
    width, height = picture.size
    scale = tile / max(width, height)
    small = picture.resize((max(1, round(width * scale)), max(1, round(height * scale))))
    pen = ImageDraw.Draw(small)
    for box in boxes:
        x1, y1, x2, y2 = (value * scale for value in box.xyxy)
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colours[box], width=2)
    return small


def _caption(image: str, score: float | None, tile: int) -> str:
    """The end of an id, which differs more than its beginning, and the score, as in `img_012 .43`."""
    # Two blanks: one is so narrow here that the score would look like a suffix of the id.
    said = "" if score is None else f"  {score:.2f}".replace(" 0", " ")
    most = max(1, tile // 6)
    if most - len(said) < min(len(image), SHORTEST_ID):
        said = ""
    most -= len(said)
    return (image if len(image) <= most else f"...{image[-most + 3 :]}") + said
