import numpy as np
import pytest
from PIL import Image

from lesioncare import images
from lesioncare.errors import DataError
from lesioncare.images import image_size, read_image


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_images_are_read_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (20, 10), (200, 10, 10)).save(path, exif=exif)
    expected = (10, 20) if orientation in (6, 8) else (20, 10)
    assert image_size(path) == read_image(path).size == expected
    assert read_image(path).mode == "RGB"


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_grey_is_stretched_to_eight_bits(tmp_path, dtype):
    Image.fromarray(np.array([[1000, 2000, 3000]], dtype=dtype)).save(tmp_path / "deep.tif")
    assert np.asarray(read_image(tmp_path / "deep.tif"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (np.uint16, 65535, 255),
        (np.uint16, 0, 0),
        (np.uint16, 32896, 128),
        (np.int32, -5, 0),
        (np.float32, 1.0, 255),
        (np.float32, 0.5, 128),
        (np.float32, 65535.0, 255),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_even_deep_grey_keeps_its_brightness(tmp_path, dtype, value, expected, suffix):
    if suffix == "png" and dtype is not np.uint16:
        pytest.skip("PNG holds 16 bits without a sign")
    path = tmp_path / f"even.{suffix}"
    Image.fromarray(np.full((2, 3), value, dtype=dtype)).save(path)
    assert np.unique(np.asarray(read_image(path))).tolist() == [expected]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    Image.new(mode, (4, 3)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").mode == "RGB"


@pytest.mark.parametrize("content", [b"", b"GIF", b"\x89PNG\r\n\x1a\n", b"text"])
def test_what_is_no_image_is_refused(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"bad\.png: not a readable image \(.+\)\. Replace") as error:
            read(tmp_path / "bad.png")
        assert str(error.value).count("bad.png") == 1


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_truncated_images_are_refused(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cut\."):
        read_image(path)


def test_missing_and_huge_images_are_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no such image"):
        read_image(tmp_path / "none.png")
    Image.new("L", (20, 10)).save(tmp_path / "huge.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 199)
    with pytest.raises(DataError, match="20x10 pixels"):
        image_size(tmp_path / "huge.png")
