import numpy as np
import pytest
from PIL import Image, ImageDraw

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.sheet import COLOURS, INK, PAPER, contact_sheet, write_sheet
from lesioncare.errors import ConfigError, DataError


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png", "ä.png"):
        Image.new("RGB", (100, 50)).save(tmp_path / name)
    return tmp_path


def rgb(colour):
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def test_a_box_is_drawn_where_it_is_in_the_colour_of_its_class(images):
    """Tiles of 100 pixels show images of 100 x 50 as they are; the first tile is below a legend of 18."""
    boxset = BoxSet.of([Box("a.png", 10, 20, 60, 40, label="mel"), Box("a.png", 70, 5, 90, 45, label="nv")])
    sheet = np.asarray(contact_sheet(boxset, images, tile=100))
    tile = sheet[18:68, :100]
    for colour, (x1, y1, x2, y2) in zip(COLOURS, [(10, 20, 60, 40), (70, 5, 90, 45)], strict=False):
        ys, xs = np.nonzero((tile == rgb(colour)).all(axis=2))
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x1, y1, x2, y2)


def test_eight_images_stand_in_a_row(tmp_path):
    for number in range(9):
        Image.new("RGB", (10, 10)).save(tmp_path / f"{number}.png")
    boxset = BoxSet((), {f"{number}.png": None for number in range(9)})
    assert contact_sheet(boxset, tmp_path, tile=60).size == (8 * 64, 18 + 2 * 78)
    assert contact_sheet(boxset, tmp_path, tile=60, limit=3).size == (3 * 64, 18 + 78)


@pytest.mark.parametrize(
    ("image", "scores", "tile", "caption"),
    [
        ("img_012", [0.9, 0.43], 192, "img_012  .43"),
        ("img_012", [1.0, 0.996], 192, "img_012  1.00"),
        ("img_012", [0.0], 192, "img_012  .00"),
        ("img_012", [], 192, "img_012"),
        ("img_012", [0.43], 72, "img_012  .43"),
        ("a/folder/with/a/long/name/img_012", [0.43], 192, "...with/a/long/name/img_012  .43"),
        ("a/folder/img_012", [0.43], 102, "...r/img_012  .43"),
        ("a/folder/img_012", [0.43], 101, "a/folder/img_012"),  # no room for both
    ],
)
def test_below_an_image_stand_its_id_and_its_least_score(tmp_path, image, scores, tile, caption):
    boxes = [Box(image, 1, 1, 9, 9, score=score) for score in scores]
    assert caption_below(image, boxes, tmp_path, tile) == drawn(caption, tile)


def test_scores_that_are_all_1_are_not_shown(tmp_path):
    boxes = [Box("img_012", 1, 1, 9, 9), Box("img_012", 2, 2, 9, 9)]
    assert caption_below("img_012", boxes, tmp_path, 192) == drawn("img_012", 192)


def caption_below(image, boxes, folder, tile):
    """Pixels of the 14 rows below a tile; a second image has a box of another score."""
    for name in (image, "other"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20)).save(folder / f"{name}.png")
    others = [Box("other", 1, 1, 9, 9, score=0.5)] if any(box.score < 1 for box in boxes) else []
    sheet = contact_sheet(BoxSet.of([*boxes, *others], {image: None, "other": None}), folder, tile=tile)
    return sheet.crop((0, 18 + tile, tile, 18 + tile + 14)).tobytes()


def drawn(text, tile):
    paper = Image.new("RGB", (tile, 14), PAPER)
    ImageDraw.Draw(paper).text((0, 0), text, fill=INK)
    return paper.tobytes()


def pictures(boxset, images, **options):
    """Which images are on the sheet, told by their grey value."""
    for number, name in enumerate(boxset.images):
        Image.new("L", (50, 50), 50 + number).save(images / name)
    sheet = np.asarray(contact_sheet(boxset, images, tile=50, **options))
    values = [sheet[18 + 25, 25 + 54 * column, 0] for column in range(sheet.shape[1] // 54)]
    return [list(boxset.images)[value - 50] for value in values]


def test_the_order_of_the_images(images):
    boxes = [
        Box("b.png", 0, 0, 5, 5, score=0.9),
        Box("b.png", 0, 0, 5, 5, score=0.3),
        Box("c.png", 0, 0, 5, 5, score=0.2),
    ]
    boxset = BoxSet.of(boxes, dict.fromkeys(["a.png", "b.png", "c.png", "d.png"]))
    assert pictures(boxset, images) == ["a.png", "b.png", "c.png", "d.png"]
    assert pictures(boxset, images, order="score", limit=2) == ["c.png", "b.png"]
    orders = {tuple(pictures(boxset, images, order="random", seed=seed)) for seed in range(9)}
    assert len(orders) > 1
    assert pictures(boxset, images, order="random", seed=3) == pictures(
        boxset, images, order="random", seed=3
    )


def test_what_cannot_be_drawn(images):
    with pytest.raises(DataError, match="the set is empty"):
        contact_sheet(BoxSet(), images)
    with pytest.raises(DataError, match="image 'no' is not in"):
        contact_sheet(BoxSet((), {"no": None}), images)
    with pytest.raises(ConfigError, match="order must be file, random or score"):
        contact_sheet(BoxSet((), {"a.png": None}), images, order="size")
    with pytest.raises(ConfigError, match="at least 1"):
        contact_sheet(BoxSet((), {"a.png": None}), images, limit=0)


def test_a_sheet_is_written_as_png(images):
    sheet = contact_sheet(BoxSet.of([Box("ä", 1, 1, 9, 9, source="mbd"), Box("ä", 1, 1, 9, 9)]), images)
    write_sheet(sheet, images / "new" / "sheet.any")
    with Image.open(images / "new" / "sheet.any") as written:
        assert (written.format, written.size) == ("PNG", sheet.size)
    with pytest.raises(DataError, match="cannot be written"):
        write_sheet(sheet, images / "a.png" / "sheet.png")
