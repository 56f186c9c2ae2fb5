"""What each edit changes, and what it leaves alone."""

import numpy as np
import pytest
from PIL import Image

from lesioncare.data.editing import (
    ARTEFACTS,
    EditedImages,
    EditSettings,
    EditSource,
    choose_partners,
    covered,
    hide_lesion,
    lesion_weight,
    only_lesion,
    paste_artefact,
    swap_background,
    version_names,
)
from lesioncare.data.editing.edits import region
from lesioncare.errors import ConfigError, DataError

SKIN, LESION = (210, 150, 130), (70, 40, 30)
BOXES = {
    "in the middle": [[30, 20, 60, 44]],
    "at the border": [[0, 30, 25, 64]],
    "two": [[10, 8, 30, 30], [60, 36, 85, 58]],
    "overlapping": [[20, 20, 50, 44], [40, 30, 70, 50]],
    "between pixels": [[30.4, 20.3, 59.6, 43.7]],
}


def rng():
    return np.random.default_rng(0)


def picture(boxes, height=64, width=96):
    """Skin with grain, and a dark lesion filling each box."""
    image = np.full((height, width, 3), SKIN, dtype=np.int16) + rng().normal(0, 3, (height, width, 1)).astype(
        int
    )
    for x1, y1, x2, y2 in boxes:
        image[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = LESION
    return image.clip(0, 255).astype(np.uint8)


def mean_distance(pixels, colour):
    return np.abs(pixels.reshape(-1, 3).mean(axis=0) - colour).max()


@pytest.fixture(params=BOXES.values(), ids=BOXES.keys())
def boxes(request):
    return np.array(request.param, dtype=np.float64)


def test_a_hidden_lesion_looks_like_skin_and_the_rest_is_untouched(boxes):
    image = picture(boxes)
    before = image.copy()
    hidden = hide_lesion(image, boxes, 0.1, rng())
    inside = region(boxes, image.shape, 0.1)
    np.testing.assert_array_equal(hidden[~inside], image[~inside])
    np.testing.assert_array_equal(image, before)
    for x1, y1, x2, y2 in boxes.astype(int):
        assert mean_distance(hidden[y1:y2, x1:x2], SKIN) < 12
    assert 1 < hidden[inside].astype(float).std(axis=0).mean() < 12  # grain, but no lesion


def test_the_margin_hides_what_reaches_out_of_the_box():
    boxes = np.array([[40, 20, 60, 40]])
    image = picture([[38, 18, 62, 42]])  # a lesion two pixels larger than its box
    assert hide_lesion(image, boxes, 0.0, rng())[18:42, 38:62].min() < 80
    assert hide_lesion(image, boxes, 0.1, rng())[18:42, 38:62].min() > 90


def test_only_the_lesion_is_left_before_one_colour(boxes):
    image = picture(boxes)
    alone = only_lesion(image, boxes, 0.1)
    weight = lesion_weight(boxes, image.shape, 0.1)
    np.testing.assert_array_equal(alone[weight == 1], image[weight == 1])
    colours = np.unique(alone[weight == 0], axis=0)
    assert len(colours) == 1
    assert np.abs(colours[0].astype(int) - SKIN).max() <= 3


def test_a_swapped_image_has_the_lesion_and_the_other_background(boxes):
    image, other = picture(boxes), np.full((200, 150, 3), (20, 90, 160), dtype=np.uint8)
    swapped = swap_background(image, boxes, other, 0.1)
    weight = lesion_weight(boxes, image.shape, 0.1)
    assert swapped.shape == image.shape
    np.testing.assert_array_equal(swapped[weight == 1], image[weight == 1])
    assert np.unique(swapped[weight == 0], axis=0).tolist() == [[20, 90, 160]]


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_artefact_lies_outside_the_boxes_and_is_the_same_each_time(name, boxes):
    image = picture(boxes)
    pasted = paste_artefact(image, boxes, name, 0.1, rng())
    weight = lesion_weight(boxes, image.shape, 0.1)
    np.testing.assert_array_equal(pasted[weight == 1], image[weight == 1])
    assert (pasted != image).any()
    np.testing.assert_array_equal(pasted, paste_artefact(image, boxes, name, 0.1, rng()))


def test_an_artefact_keeps_its_colour_on_any_image():
    for shade in (20, 230):
        image = np.full((60, 90, 3), shade, dtype=np.uint8)
        pasted = paste_artefact(image, np.array([[40, 25, 50, 35]]), "green-sticker", 0.1, rng())
        changed = pasted[(pasted != image).any(axis=2)].astype(int)
        red, green, blue = np.median(changed, axis=0)
        assert green > red + 60
        assert green > blue + 40


@pytest.mark.parametrize("edit", [lambda *a: hide_lesion(*a, rng()), only_lesion], ids=["hide", "only"])
def test_a_box_over_the_full_frame_leaves_no_skin(edit):
    image = picture([])
    with pytest.raises(DataError, match="the lesion's box fills the image"):
        edit(image, np.array([[2.0, 2.0, 94.0, 62.0]]), 0.1)


def test_a_thin_rim_of_skin_is_enough():
    image = picture([[0, 0, 95, 64]])
    hidden = hide_lesion(image, np.array([[0.0, 0.0, 95.0, 64.0]]), 0.0, rng())
    assert mean_distance(hidden, SKIN) < 12


def test_the_weight_falls_linearly_over_the_margin():
    weight = lesion_weight(np.array([[10, 0, 30, 40]]), (40, 60), 0.25)
    expected = np.clip(1 - np.array([5.5, 4.5, 3.5, 2.5, 1.5, 0.5]) / 5, 0, 1)
    np.testing.assert_allclose(weight[20, 4:10], expected, atol=1e-6)
    assert (weight[20, 10:30] == 1).all()
    assert weight[20, 36] == 0


def test_how_much_boxes_cover():
    assert covered(np.array([[0, 0, 50, 10]]), (20, 100), 0.0) == 0.25
    assert covered(np.array([[0, 0, 50, 10], [0, 0, 50, 20]]), (20, 100), 0.0) == 0.5
    assert covered(np.array([[0, 0, 50, 10]]), (20, 100), 0.1) == pytest.approx(0.55 * 0.55)


def test_partners_are_of_another_class_and_group_and_classes_are_equally_frequent():
    target = np.repeat([0, 1, 2], [80, 8, 4])
    group = np.array([f"g{i // 2}" for i in range(92)])
    partners = choose_partners(target, group, 3)
    assert (target[partners] != target).all()
    assert (group[partners] != group).all()
    behind = np.bincount(target[partners[:80]], minlength=3)
    assert abs(behind[1] - behind[2]) < 30
    np.testing.assert_array_equal(partners, choose_partners(target, group, 3))
    assert (partners != choose_partners(target, group, 4)).any()


def test_without_a_second_class_or_patient_nothing_can_be_swapped():
    for target, group in (([0, 0], ["a", "b"]), ([0, 1], ["a", "a"])):
        with pytest.raises(DataError, match="backgrounds cannot be swapped"):
            choose_partners(np.array(target), np.array(group), 0)


def test_an_unknown_artefact_is_refused():
    assert version_names(("ruler", "ruler")) == ("original", "hidden", "lesion", "swapped", "ruler")
    with pytest.raises(ConfigError, match=r"--artefacts: no such artefact 'tape'. Choose from ruler, hair"):
        version_names(("tape",))


@pytest.fixture
def source(tmp_path):
    boxes = [[[30, 20, 60, 44]], [[10, 8, 30, 30]], [[60, 30, 90, 60]]]
    paths = []
    for number, box in enumerate(boxes):
        image = picture(box)
        image[0, 0] = (200, 0, 40 * number)
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(image).save(paths[-1])
    return EditSource(
        paths, [np.array(box, float) for box in boxes], np.array([1, 2, 0]), EditSettings(seed=5)
    )


def test_versions_are_the_same_each_time_and_do_not_depend_on_each_other(source):
    for name in version_names(tuple(ARTEFACTS)):
        first = [source.version(row, name) for row in (0, 1, 2)]
        for row in (2, 0, 1):
            np.testing.assert_array_equal(source.version(row, name), first[row])


def test_the_swapped_version_has_the_partners_hidden_background(source):
    swapped, behind = source.version(0, "swapped"), source.version(1, "hidden")
    weight = lesion_weight(source.boxes[0], swapped.shape, 0.1)
    np.testing.assert_array_equal(swapped[weight == 0], behind[weight == 0])


def test_large_images_are_reduced_with_their_boxes(source):
    small = EditSource(source.paths, source.boxes, source.partners, EditSettings(max_side=48))
    image, boxes = small.original(0)
    assert image.shape == (32, 48, 3)
    np.testing.assert_allclose(boxes, [[15, 10, 30, 22]])
    assert small.version(1, "original").shape == (32, 48, 3)


def test_a_data_set_gives_one_version_transformed(source):
    def double(sample):
        return {**sample, "image": sample["image"].float() * 2}

    edited = EditedImages(source, np.array([0, 1, 1]), "hidden", double)
    item = edited[0, 1]
    assert (item["label"], item["position"], len(edited)) == (1, 1, 3)
    np.testing.assert_array_equal(item["image"].permute(1, 2, 0), source.version(1, "hidden") * 2.0)
    with pytest.raises(DataError, match="no such image"):
        EditedImages(
            EditSource(["gone.png"], source.boxes, source.partners, EditSettings()),
            np.array([0]),
            "hidden",
            double,
        )[0]
