import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import KFold

from lesioncare.data import Columns
from lesioncare.data.quality import KINDS, check_table, expected_leaks, find_twins
from lesioncare.data.quality.check import outliers
from lesioncare.data.quality.scan import normalised, scan_images
from lesioncare.data.quality.twins import clusters
from lesioncare.errors import ConfigError, DataError


def smooth(seed, size=(96, 72)):
    """A picture with shapes as large as those of photographs."""
    fields = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(fields).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def place(tmp_path):
    """Ten different images, 0.png to 9.png, and a function that checks a table of them."""
    for seed in range(10):
        smooth(seed).save(tmp_path / f"{seed}.png")

    def check(*rows, header="image,label", columns=None, **options):
        path = tmp_path / "table.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return check_table(path, columns, **options)

    check.folder = tmp_path
    return check


def of(check, kind):
    return [(finding.rows, finding.detail) for finding in check.findings if finding.kind == kind]


NINE = [f"{n}.png,{'mel' if n % 2 else 'nv'}" for n in range(10)]


def test_a_sound_table_has_no_findings(place):
    assert place(*NINE).findings == ()


def test_a_split_without_a_test_part_is_told(place):
    rows = [f"{row},{'train' if number else 'val'}" for number, row in enumerate(NINE)]
    assert any("no test part" in note for note in place(*rows, header="image,label,split").notes)
    rows = [f"{row},{'train' if number else 'test'}" for number, row in enumerate(NINE)]
    assert not any("part" in note for note in place(*rows, header="image,label,split").notes)


def test_the_same_pixels_in_another_file_format_are_identical(place):
    smooth(3).save(place.folder / "copy.bmp")
    found = place(*NINE, "copy.bmp,mel")
    assert found.counts == {"identical images": 1}
    assert of(found, "identical images") == [((5, 12), "the same pixels")]


@pytest.mark.parametrize(
    "change",
    [
        lambda image, path: image.save(path, quality=60),
        lambda image, path: image.resize((48, 36)).save(path),
        lambda image, path: image.point(lambda value: value * 0.7 + 30).save(path),
        lambda image, path: image.convert("L").save(path),
    ],
    ids=["compressed", "smaller", "brighter", "grey"],
)
def test_changed_copies_are_near_duplicates_and_other_images_are_not(place, change):
    change(smooth(4), place.folder / "copy.jpg")
    found = place(*NINE, "copy.jpg,nv")
    assert [rows for rows, _ in of(found, "near-duplicate images")] == [(6, 12)]


def test_one_image_with_two_labels_is_found(place):
    smooth(4).save(place.folder / "copy.jpg", quality=80)
    (finding,) = of(place(*NINE, "copy.jpg,mel"), "one image, two labels")
    assert finding[0] == (6, 12)
    assert finding[1].startswith("nv and mel; correlation 0.99")


def test_one_file_in_two_rows_with_two_labels_is_found(place):
    assert of(place(*NINE, "4.png,mel"), "listed twice") == [((6, 12), "nv and mel")]
    assert place(*NINE, "4.png,nv").counts == {}


def test_twins_and_groups_across_the_split_are_found(place):
    smooth(0).save(place.folder / "copy.bmp")
    rows = [f"{n}.png,{'ab'[n % 2]},g{n // 2},{'train' if n < 7 else 'test'}" for n in range(10)]
    found = place(*rows, "copy.bmp,a,g9,test", header="image,label,patient,split")
    assert of(found, "group across the split") == [((8, 9), "1 in train, 1 in test")]
    assert of(found, "twins across the split") == [((2, 12), "train and test; the same pixels")]
    assert of(found, "twins in two groups") == [((2, 12), "the same pixels")]


def test_validation_has_many_names_and_unknown_ones_are_told(place):
    rows = [f"{n}.png,{'ab'[n % 2]},g,{part}" for n, part in enumerate(("val", "valid", "Validation", "dev"))]
    found = place(*rows, header="image,label,patient,split")
    assert of(found, "group across the split") == []
    assert of(found, "unknown split") == [((5,), "'dev'")]


def test_rows_that_cannot_be_used_are_findings_not_errors(place):
    (place.folder / "bad.png").write_bytes((place.folder / "1.png").read_bytes()[:300])
    (place.folder / "text.png").write_bytes(b"text")
    rows = ("gone.png,mel", "bad.png,mel", "9.png,", "text.png,mel")
    found = place(*NINE, *rows, header="image,label")
    assert [rows for rows, _ in of(found, "missing image")] == [(12,)]
    assert [rows for rows, _ in of(found, "unreadable image")] == [(13,), (15,)]
    assert [rows for rows, _ in of(found, "empty label")] == [(14,)]
    assert "bad.png" not in of(found, "unreadable image")[0][1]
    assert of(found, "unreadable image")[1][1].startswith("not a readable image (no known format")


def test_small_classes_are_told_with_their_groups(place):
    rows = [*(f"{n}.png,nv,g{n}" for n in range(6)), *(f"{n}.png,df,g6" for n in range(6, 10))]
    found = place(*rows, header="image,label,lesion_id")
    assert of(found, "small class") == [((), "df: 4 images of 1 lesion or patient")]
    rows = [*(f"{n}.png,nv,g{n}" for n in range(6)), *(f"{n}.png,df,g{n}" for n in range(6, 10))]
    assert of(place(*rows, header="image,label,lesion_id"), "small class") == [((), "df: 4 images")]


def test_odd_sizes_brightness_and_blank_images_are_told(place):
    smooth(20, (300, 72)).save(place.folder / "wide.png")
    Image.new("RGB", (96, 72), (250, 250, 250)).save(place.folder / "white.png")
    found = place(*NINE, "wide.png,nv", "white.png,nv")
    assert of(found, "unusual size") == [((12,), "300 x 72 pixels")]
    assert of(found, "no contrast") == [((13,), "brightness 250 of 255")]
    assert [rows for rows, _ in of(found, "unusual brightness")] == [(13,)]


def test_an_upright_image_among_lying_ones_is_not_unusual_but_a_square_one_is(place):
    smooth(20, (72, 96)).save(place.folder / "upright.png")
    smooth(21, (83, 83)).save(place.folder / "square.png")  # of the same area
    found = place(*NINE, "upright.png,nv", "square.png,nv")
    assert of(found, "unusual size") == [((13,), "83 x 83 pixels")]


def test_blank_images_are_no_twins(place):
    for name in ("one", "two"):
        Image.new("RGB", (96, 72), (9, 9, 9 + (name == "two"))).save(place.folder / f"{name}.png")
    assert place(*NINE, "one.png,nv", "two.png,nv").twins == ()


@pytest.mark.parametrize("unit", ["pixel", "fraction"])
def test_boxes_in_the_table_are_checked(place, unit):
    scale = (96, 72, 96, 72) if unit == "fraction" else (1, 1, 1, 1)
    boxes = [(10, 10, 40, 40), (10, 10, 140, 40), (40, 40, 10, 50), (5, 5, 7, 7)]
    cells = [",".join(f"{value / side:.6f}" for value, side in zip(box, scale, strict=True)) for box in boxes]
    if unit == "fraction":
        cells[1] = cells[1].replace(f"{140 / 96:.6f}", "1.010000")  # more would make them pixels
    rows = [f"{n}.png,nv,{text}" for n, text in enumerate([*cells, "a,b,c,d", ",,,"])]
    found = of(place(*rows, *(f"{line},,,," for line in NINE[6:]), header="image,label,x1,y1,x2,y2"), "box")
    expected = {(4,), (5,), (6,)} | ({(3,)} if unit == "pixel" else set())
    assert {rows for rows, _ in found} == expected
    assert (("not four numbers") in dict(found)[(6,)]) == ("no area" in dict(found)[(4,)]) is True


def test_boxes_that_are_named_after_another_class_are_told(place):
    boxes = place.folder / "boxes.csv"
    boxes.write_text("image,x1,y1,x2,y2,label\n1.png,1,1,20,20,nv\n1.png,5,5,30,30,mel\n2,5,5,20,20,lesion\n")
    found = of(place(*NINE, box_file=boxes), "box")
    assert found == [((3,), "other class: nv, the image is mel")]


def test_boxes_of_a_file_are_checked(place):
    boxes = place.folder / "boxes.csv"
    boxes.write_text("image,x1,y1,x2,y2\n1.png,1,1,200,20\n2,5,5,20,20\nelsewhere.png,1,1,5,5\n")
    found = of(place(*NINE, box_file=boxes), "box")
    assert found == [
        ((), "1 box of the file is on images that the table does not have"),
        ((3,), "outside image: box 1.0, 1.0, 200.0, 20.0 by 104.0 px of 96 x 72"),
    ]


def test_names_of_images_and_groups_are_in_no_finding(place):
    for name in ("smith1.png", "smith2.png"):
        smooth(30).save(place.folder / name)
    found = place(
        "smith1.png,nv,MRN-1,train", "smith2.png,mel,MRN-2,test", "0.png,mel,MRN-1,test",
        "gone-smith.png,nv,MRN-3,train", header="image,label,patient,split",
    )  # fmt: skip
    assert len(found.counts) >= 6
    told = " ".join(finding.detail for finding in found.findings)
    assert "smith" not in told
    assert "MRN" not in told


def test_the_records_have_the_images_names_for_those_who_mend_them(place):
    smooth(4).save(place.folder / "copy.bmp")
    (record,) = place(*NINE, "copy.bmp,nv").records().to_dict("records")
    assert record == {
        **{"kind": "identical images", "row": 6, "other_row": 12, "detail": "the same pixels"},
        **{"image": "4.png", "other_image": "copy.bmp"},
    }


def test_classes_are_counted_by_part(place):
    rows = [f"{n}.png,{'nv' if n < 7 else 'df'},{'train' if n < 8 else 'test'}" for n in range(10)]
    found = place(*rows, header="image,label,split")
    assert found.classes == {"nv": {"test": 0, "train": 7}, "df": {"test": 2, "train": 1}}
    assert found.parts == ("train", "test")


def test_a_table_without_labels_can_be_checked(place):
    found = place(*(f"{n}.png" for n in range(10)), header="image")
    assert found.classes == {}
    assert any("no column of classes" in note for note in found.notes)


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("scan,label", None, "no column 'image'"),
        ("image,label", Columns(group="patient"), "no column 'patient'"),
    ],
)
def test_what_cannot_be_read_at_all_is_refused(place, header, columns, message):
    with pytest.raises(DataError, match=message):
        place(*NINE, header=header, columns=columns)


def test_a_similarity_above_one_is_refused(place):
    with pytest.raises(ConfigError, match="similarity"):
        place(*NINE, similarity=1.5)


def test_findings_come_in_the_order_of_their_weight(place):
    (place.folder / "bad.png").write_bytes(b"no")
    smooth(4).save(place.folder / "copy.bmp")
    kinds = [finding.kind for finding in place("copy.bmp,mel", *NINE, "bad.png,mel", "x.png,nv").findings]
    assert kinds == sorted(kinds, key=list(KINDS).index)


def test_expected_leaks_by_hand():
    # 4 images in 2 folds, one pair: the other is in the same fold with probability (2 - 1) / (4 - 1)
    leak = expected_leaks(["a", "a", "b", "c"], folds=2)
    assert (leak.groups, leak.shared, leak.images) == (3, 2, 4)
    assert leak.leaked == pytest.approx(2 * (1 - 1 / 3))


def test_expected_leaks_agree_with_scikit_learns_random_folds():
    groups = np.repeat(np.arange(60), np.random.default_rng(0).integers(1, 6, 60))
    groups = groups[: len(groups) // 5 * 5]
    counts = []
    for seed in range(200):
        leaked = 0
        for train, test in KFold(5, shuffle=True, random_state=seed).split(groups):
            leaked += np.isin(groups[test], groups[train]).sum()
        counts.append(leaked)
    error = 4 * np.std(counts) / np.sqrt(len(counts))
    assert expected_leaks(groups).leaked == pytest.approx(np.mean(counts), abs=error)


def test_twins_are_those_of_numpys_correlation(tmp_path):
    paths = []
    for seed in range(12):
        base = np.asarray(smooth(seed // 2), float)
        noise = np.random.default_rng(seed).normal(0, 6 * (seed % 5), base.shape)
        path = tmp_path / f"{seed}.png"
        Image.fromarray((base + noise).clip(0, 255).astype(np.uint8)).save(path)
        paths.append(str(path))
    scan = scan_images(paths)
    grey = [Image.open(path).convert("L").resize((16, 16), Image.Resampling.BOX) for path in paths]
    expected = np.corrcoef([np.asarray(image).ravel() for image in grey])
    found, whole = find_twins(scan, 0.9)
    assert whole
    assert {(one.first, one.second) for one in found} == {
        (i, j) for i, j in np.argwhere(np.triu(expected >= 0.9, 1)).tolist()
    }
    for one in found:
        assert one.similarity == pytest.approx(expected[one.first, one.second], abs=1e-5)


def test_twins_of_twins_are_one_cluster(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1), ("d", 0)):
        smooth(seed).save(tmp_path / f"{name}.png")
    twins, _ = find_twins(scan_images([str(tmp_path / f"{name}.png") for name in "abcd"]))
    found = clusters([twin.pair for twin in twins], 4)
    assert found[0] == found[1] == found[3] != found[2]


def test_of_very_many_twins_only_the_first_are_listed(tmp_path, monkeypatch):
    monkeypatch.setattr("lesioncare.data.quality.twins.MAX_TWINS", 7)
    for number in range(6):
        smooth(0).save(tmp_path / f"{number}.jpg", quality=60 + 5 * number)
    found, whole = find_twins(scan_images([str(tmp_path / f"{number}.jpg") for number in range(6)]))
    assert not whole
    assert len(found) == 7


def test_thumbnails_have_length_one_or_none():
    ramp = np.arange(256).reshape(16, 16)
    assert np.linalg.norm(normalised(ramp)) == pytest.approx(1)
    assert not normalised(np.full((16, 16), 7)).any()


def test_outliers_are_far_from_the_median_in_robust_deviations():
    # median 3, median deviation 1, so one robust deviation is 1.4826 and six are 8.9
    assert outliers(np.array([1.0, 2, 3, 3, 4, 5, np.nan, 11.8]), 0.01).tolist() == [False] * 8
    assert outliers(np.array([1.0, 2, 3, 3, 4, 5, np.nan, 12.0]), 0.01).tolist() == [False] * 7 + [True]
    assert not outliers(np.array([np.nan, np.nan]), 0.01).any()


@pytest.mark.real_data
def test_busi_has_the_pairs_and_the_labels_of_its_list(busi):
    check = check_table(busi / "labels.csv")
    names = dict(zip(check.rows["row"], check.rows["image"], strict=True))
    listed = pd.read_csv(busi / "near_duplicates.csv")
    truth = {frozenset(pair) for pair in zip(listed["a"], listed["b"], strict=True)}

    def found(*kinds):
        return {frozenset(names[row] for row in one.rows) for one in check.findings if one.kind in kinds}

    assert found("near-duplicate images", "identical images") == truth
    label = dict(zip(check.rows["image"], check.rows["label"], strict=True))
    assert found("one image, two labels") == {
        pair for pair in truth if len({label[one] for one in pair}) == 2
    }


def test_decimal_commas_are_named(place):
    found = place('0.png,x,"0,5","0,2","0,7","0,9"', "1.png,y,,,,", header="image,label,x1,y1,x2,y2")
    [(rows, detail)] = of(found, "box")
    assert rows == (2,)
    assert "decimal commas: save the table with decimal points" in detail
