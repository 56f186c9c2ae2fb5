import numpy as np
import pytest
from scipy import ndimage

from lesioncare.data.synthetic import COMMON_KINDS, KINDS, MARKER_OF, RARE_KINDS, make_image
from lesioncare.data.synthetic.artefacts import MARKERS, add_marker
from lesioncare.data.synthetic.frame import GRID_HALF_WIDTH, Frame, drawn, smooth_noise
from lesioncare.data.synthetic.lesions import REACH, Lesion, paint
from lesioncare.data.synthetic.photograph import photograph
from lesioncare.errors import ConfigError

CENTRED = Frame(size=64, x=32, y=32, radius=16, angle=0)


def image(seed, kind="network", **options):
    return make_image(np.random.default_rng(seed), kind, **options)


def test_a_lesion_point_lands_on_the_pixel_worked_out_by_hand():
    frame = Frame(size=64, x=20, y=30, radius=10, angle=np.pi / 2)
    # A quarter turn takes (1, 0) to (0, 1): ten pixels below the centre.
    np.testing.assert_allclose(frame.to_pixels(np.array([[1.0, 0.0], [0.0, 0.5]])), [[20, 40], [15, 30]])


@pytest.mark.parametrize("mirrored", [False, True])
def test_coordinates_are_the_inverse_of_to_pixels(mirrored):
    frame = Frame(size=48, x=21.5, y=26.0, radius=11.0, angle=0.7, mirrored=mirrored)
    u, v = frame.coordinates()
    pixels = frame.to_pixels(np.stack([u.ravel(), v.ravel()], axis=1))
    rows, columns = np.mgrid[:48, :48] + 0.5
    np.testing.assert_allclose(pixels, np.stack([columns.ravel(), rows.ravel()], axis=1), atol=1e-4)


def test_a_grid_is_sampled_at_the_lesion_coordinates():
    frame = Frame(size=64, x=30, y=35, radius=14, angle=0.4, mirrored=True)
    centres = (np.arange(18) + 0.5) / 18 * 2 * GRID_HALF_WIDTH - GRID_HALF_WIDTH
    along_u = np.broadcast_to(centres, (18, 18)).astype(np.float32)
    u, v = frame.coordinates()
    inner = np.maximum(abs(u), abs(v)) < 1.3
    # Pillow's bicubic kernel ripples about a straight line by a tenth of a cell, here 0.02.
    np.testing.assert_allclose(frame.sample(along_u)[inner], u[inner], atol=0.03)


def test_drawn_counts_the_covered_part_of_a_pixel():
    # One column of three canvas pixels is a third of the image's first column.
    coverage = drawn(4, lambda canvas, scale: canvas.rectangle((0, 0, 0, 4 * scale), fill=255))
    np.testing.assert_allclose(coverage[:, 0], 1 / 3, atol=0.01)
    assert not coverage[:, 1:].any()


def test_smooth_noise_has_about_unit_variance_and_small_steps():
    noise = smooth_noise(np.random.default_rng(0), 128, 16)
    assert 0.5 < noise.std() < 1.2
    assert abs(np.diff(noise, axis=0)).mean() < 0.2 * noise.std()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lesion_is_one_piece_within_reach(kind):
    u, v = CENTRED.coordinates()
    for seed in range(15):
        mask = paint(Lesion(kind, seed), CENTRED).mask
        assert ndimage.label(mask)[1] == 1
        assert np.hypot(u, v)[mask].max() <= REACH


@pytest.mark.parametrize("kind", KINDS)
def test_the_pigment_lies_inside_the_mask_but_for_a_soft_edge(kind):
    for seed in range(5):
        pigment = paint(Lesion(kind, seed), CENTRED)
        far = ndimage.distance_transform_edt(~pigment.mask) > 0.6 * CENTRED.radius
        for layer in (pigment.melanin, pigment.blood, pigment.white, pigment.blue):
            assert layer.min() >= 0
            assert layer[far].max() < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_lesion_is_seen_at_every_size(kind):
    small = paint(Lesion(kind, 5), CENTRED)
    large = paint(Lesion(kind, 5), Frame(size=128, x=64, y=64, radius=32, angle=0))
    halved = large.melanin.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), small.melanin.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("kind", KINDS)
def test_a_mirrored_frame_mirrors_the_lesion(kind):
    mirrored = Frame(size=64, x=32, y=32, radius=16, angle=0, mirrored=True)
    plain, flipped = paint(Lesion(kind, 8), CENTRED), paint(Lesion(kind, 8), mirrored)
    assert (plain.mask == flipped.mask[:, ::-1]).mean() > 0.999
    assert np.corrcoef(plain.melanin.ravel(), flipped.melanin[:, ::-1].ravel())[0, 1] > 0.97


def test_each_kind_is_told_by_its_lesion():
    def mean(kind, layer):
        pigments = [paint(Lesion(kind, seed), CENTRED) for seed in range(25)]
        return np.mean([getattr(pigment, layer)[pigment.mask].mean() for pigment in pigments])

    assert mean("white-centre", "white") > 2 * max(
        mean(kind, "white") for kind in KINDS if kind != "white-centre"
    )
    assert mean("red-lacunae", "blood") > 2 * max(
        mean(kind, "blood") for kind in KINDS if kind != "red-lacunae"
    )
    assert mean("blue-veil", "blue") > 2 * max(mean(kind, "blue") for kind in KINDS if kind != "blue-veil")


def test_an_image_is_bytes_with_its_mask_and_tight_box():
    picture = image(0, size=80)
    assert picture.image.shape == (80, 80, 3)
    assert picture.image.dtype == np.uint8
    assert picture.mask.dtype == np.bool_
    x1, y1, x2, y2 = picture.xyxy
    assert picture.mask.sum() == picture.mask[y1:y2, x1:x2].sum()
    assert picture.mask[y1].any()
    assert picture.mask[y2 - 1].any()
    assert picture.mask[:, x1].any()
    assert picture.mask[:, x2 - 1].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lesion_differs_from_the_skin_and_lies_wholly_inside_the_image(kind):
    for seed in range(10):
        picture = image(seed, kind)
        x1, y1, x2, y2 = picture.xyxy
        assert min(x1, y1) >= 0
        assert max(x2, y2) <= 96
        assert 0.02 < picture.mask.mean() < 0.5
        ring = ndimage.binary_dilation(picture.mask, iterations=14) & ~ndimage.binary_dilation(
            picture.mask, iterations=6
        )
        distance = abs(
            np.median(picture.image[picture.mask], axis=0) - np.median(picture.image[ring], axis=0)
        ).max()
        assert distance > 4


def test_the_seed_alone_decides_the_image():
    first, again, other = image(3), image(3), image(4)
    np.testing.assert_array_equal(first.image, again.image)
    assert (first.image != other.image).any()
    rng = np.random.default_rng(3)
    one, two = make_image(rng, "network"), make_image(rng, "network")
    assert (one.image != two.image).any()


@pytest.mark.parametrize("kind", RARE_KINDS)
@pytest.mark.parametrize("size", [32, 64])
def test_the_marker_is_all_that_a_shortcut_changes_and_lies_outside_the_box(kind, size):
    for seed in range(25):
        plain, marked = image(seed, kind, size=size), image(seed, kind, size=size, shortcut=True)
        changed = (plain.image != marked.image).any(axis=2)
        x1, y1, x2, y2 = plain.xyxy
        assert not changed[y1:y2, x1:x2].any()
        assert changed.sum() >= 3
        np.testing.assert_array_equal(plain.mask, marked.mask)
        assert set(marked.artefacts) - set(plain.artefacts) == {MARKER_OF[kind]}


def test_without_a_shortcut_no_marker_is_drawn():
    for kind in KINDS:
        for seed in range(5):
            assert not set(image(seed, kind, size=32).artefacts) & set(MARKERS)


def test_a_common_kind_gets_any_marker():
    seen = {
        name for seed in range(20) for name in image(seed, COMMON_KINDS[0], size=32, shortcut=True).artefacts
    }
    assert set(MARKERS) <= seen


@pytest.mark.parametrize("name", MARKERS)
def test_a_marker_shows_its_colour(name):
    canvas = np.full((64, 64, 3), 0.7, dtype=np.float32)
    x1, y1, x2, y2 = add_marker(canvas, np.random.default_rng(0), name, (24, 24, 40, 40))
    inside = canvas[max(y1, 0) : y2, max(x1, 0) : x2].reshape(-1, 3)
    furthest = inside[np.argmax(abs(inside - 0.7).sum(axis=1))]
    np.testing.assert_allclose(furthest, MARKERS[name].colour, atol=0.2)


@pytest.mark.parametrize("lesion", [(5, 2, 62, 63), (0, 6, 64, 64), (0, 0, 64, 58), (0, 0, 59, 64)])
def test_a_marker_finds_room_beside_a_huge_lesion(lesion):
    canvas = np.zeros((64, 64, 3), dtype=np.float32)
    add_marker(canvas, np.random.default_rng(1), "green-sticker", lesion)
    painted = canvas.any(axis=2)
    assert painted.any()
    assert not painted[lesion[1] : lesion[3], lesion[0] : lesion[2]].any()


def test_nuisances_occur_in_every_kind():
    for kind in KINDS:
        seen = {name for seed in range(40) for name in image(seed, kind, size=32).artefacts}
        assert seen == {"hair", "ruler", "bubbles", "vignette"}


def test_a_hard_vignette_darkens_the_corners():
    corners = [image(seed, size=32).image[0, 0].max() for seed in range(40)]
    assert min(corners) < 40 < max(corners)


def test_unknown_kinds_sizes_and_markers_are_refused():
    with pytest.raises(ConfigError, match=r"kind must be one of common-mole, .*'mole'"):
        image(0, "mole")
    with pytest.raises(ConfigError, match="32 pixels or more, but got 31"):
        image(0, size=31)
    with pytest.raises(ConfigError, match="marker must be one of green-sticker"):
        photograph(Lesion("network", 0), np.random.default_rng(0), marker="red-sticker")
