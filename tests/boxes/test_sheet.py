import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.sheet import COLOURS, INK, PAPER, check_sheet, contact_sheet, write_sheet
from lesioncare.errors import ConfigError, DataError


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png", "ä.png"):
        Image.new("RGB", (100, 50)).save(tmp_path / name)
    return tmp_path


def rgb(colour):
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def test_a_box_is_drawn_where_it_is_in_the_colour_of_its_class(images):
    """Tiles of 100 pixels show images of 100 x 50 as they are, and a row takes 30 more than its tile."""
    boxset = BoxSet.of([Box("a.png", 10, 20, 60, 40, label="mel"), Box("a.png", 70, 5, 90, 45, label="nv")])
    sheet = np.asarray(contact_sheet(boxset, images, tile=100))
    tile = sheet[-130:-80, :100]
    for colour, (x1, y1, x2, y2) in zip(COLOURS, [(10, 20, 60, 40), (70, 5, 90, 45)], strict=False):
        ys, xs = np.nonzero((tile == rgb(colour)).all(axis=2))
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x1, y1, x2, y2)


def test_eight_images_stand_in_a_row(tmp_path):
    for number in range(9):
        Image.new("RGB", (10, 10)).save(tmp_path / f"{number}.png")
    boxset = BoxSet((), {f"{number}.png": None for number in range(9)})
    assert contact_sheet(boxset, tmp_path, tile=60).size == (8 * 64, 30 + 2 * 90)
    assert contact_sheet(boxset, tmp_path, tile=60, limit=3).size == (3 * 64, 30 + 90)


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


@pytest.mark.parametrize("size", [(20, 8), (20, 20), (8, 20)])
def test_a_caption_stands_by_its_own_image_and_far_from_the_next_row(tmp_path, size):
    red = (200, 0, 0)
    for number in range(9):
        Image.new("RGB", size, red).save(tmp_path / f"{number}.png")
    sheet = contact_sheet(BoxSet((), {f"{number}.png": None for number in range(9)}), tmp_path, tile=60)
    strip = np.asarray(sheet)[:, :60]
    pictured = (strip == red).all(axis=2).any(axis=1)
    written = (strip != rgb(PAPER)).any(axis=(1, 2)) & ~pictured
    first = np.flatnonzero(pictured)
    end, following = next((a, b) for a, b in itertools.pairwise(first) if b > a + 1)
    caption = [row for row in np.flatnonzero(written) if end < row < following]
    assert caption[0] - end <= 5
    assert following - caption[-1] >= 15


def test_the_legend_has_a_square_of_each_colour_beside_names_in_ink_however_narrow_the_sheet(images):
    boxset = BoxSet.of([Box("a.png", 10, 20, 60, 40, label=f"diagnosis {n}") for n in range(8)])
    legend = np.asarray(contact_sheet(boxset, images, tile=100))[:-130]
    for colour in COLOURS:
        ys, xs = np.nonzero((legend == rgb(colour)).all(axis=2))
        assert len(ys) >= 10 * 10
        assert len(ys) == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)  # a rectangle, no letters
        beside = legend[ys.min() : ys.max() + 1, xs.max() + 1 :]
        assert (beside == rgb(INK)).all(axis=2).any()


def test_the_legend_names_what_is_drawn(images):
    boxset = BoxSet.of([Box("a.png", 1, 1, 9, 9, label="mel"), Box("b.png", 1, 1, 9, 9, label="nv")])
    one = BoxSet.of([Box("a.png", 1, 1, 9, 9, label="mel")])
    assert contact_sheet(boxset, images, limit=1).tobytes() == contact_sheet(one, images).tobytes()


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
    return sheet.crop((0, sheet.height - 30, tile, sheet.height - 16)).tobytes()


def drawn(text, tile):
    paper = Image.new("RGB", (tile, 14), PAPER)
    ImageDraw.Draw(paper).text((0, 0), text, fill=INK)
    return paper.tobytes()


def pictures(boxset, images, **options):
    """Which images are on the sheet, told by their grey value."""
    for number, name in enumerate(boxset.images):
        Image.new("L", (50, 50), 50 + number).save(images / name)
    sheet = np.asarray(contact_sheet(boxset, images, tile=50, **options))
    values = [sheet[-80 + 25, 25 + 54 * column, 0] for column in range(sheet.shape[1] // 54)]
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


@pytest.mark.parametrize(("name", "kind"), [("s.png", "PNG"), ("s.jpg", "JPEG"), ("s.JPEG", "JPEG")])
def test_a_sheet_is_written_by_the_names_end_and_replaces_an_older_one(images, name, kind):
    boxset = BoxSet.of([Box("ä", 1, 1, 9, 9, source="mbd"), Box("ä", 1, 1, 9, 9)])
    path = images / "new" / name
    for tile in (50, 70):
        sheet = contact_sheet(boxset, images, tile=tile)
        check_sheet(path)
        write_sheet(sheet, path)
        with Image.open(path) as written:
            assert (written.format, written.size) == (kind, sheet.size)
            written.load()
    with pytest.raises(DataError, match="cannot be written"):
        write_sheet(sheet, images / "a.png" / "sheet.png")


@pytest.mark.parametrize("name", ["a.png", "photo.jpg", "text.png", "empty.jpg", "folder.png"])
def test_no_other_file_is_replaced_by_a_sheet(images, name):
    Image.new("RGB", (100, 50), "red").save(images / "photo.jpg")
    (images / "text.png").write_text("<!doctype html>")
    (images / "empty.jpg").touch()
    (images / "folder.png").mkdir()
    before = (images / name).is_file() and (images / name).read_bytes()
    for refuse in (check_sheet, lambda path: write_sheet(Image.new("RGB", (9, 9)), path)):
        with pytest.raises(DataError, match=f"{name}: .*Name another file"):
            refuse(images / name)
    assert before == ((images / name).is_file() and (images / name).read_bytes())


@pytest.mark.parametrize("name", ["sheet", "sheet.html", "sheet.csv", "sheet.png.txt"])
def test_a_sheet_is_written_to_no_name_that_is_none_of_a_picture(tmp_path, name):
    for refuse in (check_sheet, lambda path: write_sheet(Image.new("RGB", (9, 9)), path)):
        with pytest.raises(ConfigError, match=r"Name a \.png, \.jpg or \.jpeg file"):
            refuse(tmp_path / name)
    assert not list(tmp_path.iterdir())
