import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lesioncare.data.quality import check_table
from lesioncare.report.data_check import build_check_page, leak_sentence, rare_sentence


@pytest.fixture
def check(tmp_path):
    """A table with nasty names, a twin with two labels, a leak and a missing image."""
    for seed in range(4):
        fields = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(fields).resize((64, 48)).save(tmp_path / f"smith{seed}.png", comment="Jane Smith")
    Image.open(tmp_path / "smith0.png").save(tmp_path / "again.bmp")
    lines = [
        "image,label,patient,split",
        "smith0.png,<b>nv</b>,MRN-1,train",
        "smith1.png,<b>nv</b>,MRN-1,test",
        "smith2.png,mel,MRN-2,train",
        "smith3.png,mel,MRN-3,train",
        "again.bmp,mel,MRN-4,test",
        "gone.png,mel,MRN-5,test",
    ]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return check_table(tmp_path / "table.csv")


def test_the_rare_classes_are_named_with_their_share_by_the_rule_of_auto(check, tmp_path):
    assert rare_sentence(check).startswith("No class is rare by the rule of --rare auto")
    assert "the smallest, <b>nv</b>, has 33.3" in rare_sentence(check)
    rows = check.rows.loc[[0, 2] + [3] * 5].assign(label=["df", "df", *["nv"] * 5]).reset_index(drop=True)
    assert "here 25.0" in rare_sentence(replace(check, rows=rows))
    assert "No class" in rare_sentence(replace(check, rows=rows))  # 2 of 7 are more than a quarter
    told = rare_sentence(replace(check, rows=rows.iloc[1:]))  # 1 of 6
    assert told.endswith("of all): df (16.7\u202f%, 1). Training counts its training part alone.")
    assert "Rare by" not in build_check_page(check, tmp_path / "a.html").read_text("utf-8")
    assert "No class is rare by" in build_check_page(check, tmp_path / "a.html").read_text("utf-8")


@pytest.fixture
def page(check, tmp_path):
    return build_check_page(check, tmp_path / "new" / "check.html").read_text(encoding="utf-8")


def test_everything_is_escaped_and_nothing_is_loaded(page):
    assert "<b>nv</b>" not in page
    assert "&lt;b&gt;nv&lt;/b&gt;" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "default-src 'none'" in page


def test_every_link_has_its_target(page):
    targets = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= targets


def test_no_image_group_or_patient_is_named(page):
    for secret in ("smith", "MRN", "gone.png", "again.bmp", "Jane"):
        assert secret not in page


def test_each_kind_has_a_section_with_its_number_and_pictures(check, page):
    for kind, count in check.counts.items():
        assert f'<h2 class="kind">{kind.capitalize()} <span class="number">{count}</span></h2>' in page
    assert "row 2" in page
    assert page.count("data:image/jpeg;base64,") >= 4


def test_pictures_can_be_left_out(check, tmp_path):
    page = build_check_page(check, tmp_path / "check.html", pictures=False).read_text(encoding="utf-8")
    assert "data:image" not in page
    assert "rows 2, 6" in page


def test_the_same_check_gives_the_same_bytes(check, page, tmp_path):
    assert build_check_page(check, tmp_path / "b.html").read_text(encoding="utf-8") == page


def test_the_leak_is_told_in_numbers(check):
    told = leak_sentence(check.groups, "group")
    assert told.startswith("Random splits leak lesions or patients: 2 of 6 images share theirs")
    assert leak_sentence(None, "group") == ""


@pytest.mark.parametrize(("patients", "told"), [("aabb", True), ("abcd", False)])
def test_lesions_are_counted_only_where_one_has_several_images(check, tmp_path, patients, told):
    rows = [f"smith{n}.png,{'nv' if n % 2 else 'mel'},{one}" for n, one in enumerate(patients)]
    (tmp_path / "grouped.csv").write_text("\n".join(["image,label,patient", *rows]))
    page = build_check_page(check_table(tmp_path / "grouped.csv"), tmp_path / "g.html").read_text("utf-8")
    assert ("<span>2 lesions or patients</span>" in page) == told
    assert ("lesions or patients</span>" in page) == told


def test_a_sound_table_says_so(tmp_path):
    for seed in range(2):
        fields = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(fields).resize((64, 48)).save(tmp_path / f"{seed}.png")
    (tmp_path / "table.csv").write_text("image\n0.png\n1.png\n")
    page = build_check_page(check_table(tmp_path / "table.csv"), tmp_path / "c.html").read_text()
    assert "Nothing was found that speaks against this table." in page
    assert "No two images look the same." in page
