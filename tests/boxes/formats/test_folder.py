import pytest
from PIL import Image

from lesioncare.boxes.formats.folder import ImageFolder, files_below, stem_of
from lesioncare.errors import DataError


@pytest.fixture
def images(tmp_path):
    for name in (
        "a.jpg",
        "b.jpg",
        "b.png",
        "deep/c.PNG",
        "deep/d.1.png",
        "left/e.png",
        "right/e.png",
        "notes.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (7, 5)).save(tmp_path / name, format="PNG")
    return ImageFolder(tmp_path)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a.jpg", "a.jpg"),
        ("a", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("b.png", "b.png"),
        ("deep/c.PNG", "deep/c.PNG"),
        ("deep\\c", "deep/c.PNG"),
        ("c", "deep/c.PNG"),  # the only file of this name
        ("elsewhere/c.PNG", "deep/c.PNG"),
        ("d.1", "deep/d.1.png"),
        ("left/e", "left/e.png"),
        ("a.png", None),  # another suffix is another image
        ("deep/a.png", None),
        ("notes", None),
        ("../a", "a.jpg"),  # by its name; nothing outside is looked at
        ("z", None),
    ],
)
def test_an_image_is_found_by_path_stem_or_name(images, image, expected):
    assert images.find(image) == expected
    assert images.size(image) == (None if expected is None else (7, 5))


@pytest.mark.parametrize(("image", "two"), [("b", "b.jpg and b.png"), ("e", "left/e.png and right/e.png")])
def test_an_id_that_fits_two_images_is_refused(images, image, two):
    with pytest.raises(DataError, match=f"image '{image}' fits {two}. Use full ids"):
        images.find(image)


def test_files_are_listed_in_order_of_their_paths(images):
    assert files_below(images.root, {".png"}) == [
        "b.png",
        "deep/c.PNG",
        "deep/d.1.png",
        "left/e.png",
        "right/e.png",
    ]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder of images"):
        ImageFolder(tmp_path / "absent")
    with pytest.raises(DataError, match="the folder cannot be read"):
        files_below(tmp_path / "absent", {".png"})


@pytest.mark.parametrize(
    ("image", "stem"),
    [
        ("a.jpg", "a"),
        ("a.JPEG", "a"),
        ("ISIC_0.1", "ISIC_0.1"),
        ("d.1.png", "d.1"),
        ("x/a.b/c", "x/a.b/c"),
        ("a", "a"),
    ],
)
def test_only_suffixes_of_images_are_cut(image, stem):
    assert stem_of(image) == stem
