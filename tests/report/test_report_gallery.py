import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lesioncare.report import gallery
from lesioncare.report.gallery import choose, overlay
from lesioncare.report.study import Study

from .helpers import CLASSES, changed, without_boxes


def classes_of(run, picks):
    return [CLASSES[run.predictions.target[pick.row]] for pick in picks]


def build(*runs):
    return gallery.build_gallery(runs, Study(runs).arms)


def picture(tile):
    return Image.open(io.BytesIO(base64.b64decode(tile.picture.partition(",")[2])))


def test_choice_is_balanced_rare_only_without_repeats_and_repeatable(plain, care):
    picks = choose([plain, care])
    assert len(picks) == len({pick.row for pick in picks}) == 24
    assert classes_of(plain, picks) == ["rare", "rarest"] * 12
    assert picks == choose([plain, care])


def test_choice_alternates_between_the_largest_difference_and_a_random_image(plain, care):
    rare = [pick for pick in choose([plain, care]) if plain.predictions.target[pick.row] == 1]
    rows = np.flatnonzero(plain.predictions.target == 1)
    spread = np.abs(plain.predictions.energy - care.predictions.energy)[rows]
    assert rare[0].row == rows[spread.argmax()]
    assert [pick.reason for pick in rare[:4]] == ["the arms differ", "drawn at random"] * 2


def test_choice_of_one_run_begins_with_the_lowest_energy(plain):
    rows = np.flatnonzero(plain.predictions.target == 1)
    first = choose([plain])[0]
    assert first.row == rows[plain.predictions.energy[rows].argmin()]
    assert first.reason == "low energy"


def test_choice_fills_up_from_the_other_classes_when_one_is_used_up(plain, care):
    few = plain.predictions.target.copy()
    few[np.flatnonzero(few == 1)[2:]] = 0
    picks = choose([changed(plain, target=few), changed(care, target=few)])
    assert [few[pick.row] for pick in picks].count(1) == 2
    assert [few[pick.row] for pick in picks].count(2) == 14


def test_choice_takes_fewer_images_with_more_arms(plain):
    assert len(choose([plain] * 5)) == 96 // 6


def test_choice_without_boxes_is_random(plain, care):
    runs = [without_boxes(plain), without_boxes(care)]
    assert {pick.reason for pick in choose(runs)} == {"drawn at random"}
    assert "energy" not in build(*runs).rule


def test_choice_prefers_boxed_images(plain):
    boxes = [box if row % 2 else np.empty((0, 4)) for row, box in enumerate(plain.predictions.boxes)]
    energy = np.where(np.arange(len(boxes)) % 2, plain.predictions.energy, np.nan)
    picks = choose([changed(plain, boxes=tuple(boxes), energy=energy)])
    assert picks
    assert all(pick.row % 2 for pick in picks)


def test_rule_states_the_number_of_images(plain, care):
    made = build(plain, care)
    assert len(made.examples) == 24
    assert "24 images are shown" in made.rule


def test_box_lies_where_it_is_on_the_image(plain):
    example = next(one for one in build(plain).examples if one.boxes)
    (mark,) = example.boxes  # 10, 5, 30, 20 on 40 x 30 pixels
    assert (mark.x, mark.y, mark.width, mark.height) == pytest.approx((25, 16.67, 50, 50))


def test_box_beyond_the_image_is_cut_at_its_edge(plain):
    wide = changed(plain, boxes=tuple(np.array([[-10.0, 0.0, 80.0, 15.0]]) for _ in plain.predictions.boxes))
    (mark,) = next(one for one in build(wide).examples if one.boxes).boxes
    assert (mark.x, mark.y, mark.width, mark.height) == (0, 0, 100, 50)


def test_tile_tells_answer_probability_and_energy(plain, care):
    for example in build(plain, care).examples:
        row = example.number - 1
        for tile, run in zip(example.tiles[1:], (plain, care), strict=True):
            guess = run.predictions.prediction[row]
            assert tile.prediction == CLASSES[guess]
            assert tile.right == (guess == run.predictions.target[row])
            assert tile.probability.startswith(f"{100 * run.predictions.probabilities[row, guess]:.1f}")
            assert tile.energy.startswith(f"{100 * run.predictions.energy[row]:.1f}")


def test_a_tie_counts_as_wrong_as_in_the_metrics(plain):
    tied = changed(
        plain, logits=np.zeros_like(plain.predictions.logits), target=np.ones_like(plain.predictions.target)
    )
    assert {tile.right for one in build(tied).examples for tile in one.tiles[1:]} == {False}


def test_missing_image_files_become_placeholders(plain, care):
    examples = build(plain, care).examples
    gone = [one for one in examples if (one.number - 1) % 3 == 0]
    there = [one for one in examples if (one.number - 1) % 3]
    assert gone
    assert there
    assert all(tile.picture is None and "not found" in tile.missing for one in gone for tile in one.tiles)
    assert all(tile.picture for one in there for tile in one.tiles)


def test_damaged_image_files_become_placeholders(plain, images):
    for path in images.iterdir():
        path.write_bytes(b"no image")
    assert all(tile.picture is None for one in build(plain).examples for tile in one.tiles)


def test_an_arm_without_maps_says_so_and_none_at_all_leaves_the_gallery_empty(plain, care):
    example = next(one for one in build(plain, replace(care, maps=None)).examples if one.tiles[0].picture)
    assert example.tiles[1].picture
    assert example.tiles[2].missing == "no map kept"
    empty = build(replace(plain, maps=None))
    assert not empty.examples
    assert "No maps" in empty.why_empty


def test_pictures_are_small_jpegs_without_the_file_s_comment_or_exif(plain, images):
    exif = Image.Exif()
    exif[0x010E] = "patient name"
    for row in range(len(plain.predictions)):
        large = Image.new("RGB", (900, 300), (200, 100, 50))
        large.save(images / f"secret-name-{row}.png", "JPEG", comment="patient name", exif=exif)
    for tile in build(plain).examples[0].tiles:
        made = picture(tile)
        assert made.format == "JPEG"
        assert made.size == (256, 85)
        assert b"patient" not in base64.b64decode(tile.picture.partition(",")[2])


def test_overlay_is_strongest_where_the_map_is():
    image = Image.new("RGB", (80, 40), (128, 128, 128))
    cam = np.zeros((4, 8), dtype=np.float16)
    cam[1, 6] = 1.0
    difference = np.abs(
        np.asarray(overlay(image, cam), dtype=int) - np.asarray(overlay(image, 0 * cam), dtype=int)
    )
    strength = difference.sum(axis=-1)
    y, x = np.unravel_index(strength.argmax(), strength.shape)
    assert 10 <= y < 20
    assert 60 <= x < 70
    assert strength[:, :40].max() == 0


def test_overlay_blends_with_the_image_and_takes_nan_as_zero():
    image = Image.new("RGB", (8, 8), (200, 100, 50))
    top = np.asarray(overlay(image, np.ones((2, 2))))[4, 4]
    bottom = np.asarray(overlay(image, np.full((2, 2), np.nan)))[4, 4]
    # viridis runs from (68, 1, 84) to (253, 231, 37); opacity from 0.2 to 0.65
    assert top == pytest.approx(0.35 * np.array([200, 100, 50]) + 0.65 * np.array([253, 231, 37]), abs=1)
    assert bottom == pytest.approx(0.8 * np.array([200, 100, 50]) + 0.2 * np.array([68, 1, 84]), abs=1)
