import base64
import hashlib
import re
from dataclasses import replace

import pytest
import yaml

from lesioncare.errors import RunError
from lesioncare.evaluation import arm_calibration
from lesioncare.evaluation.metrics import decide
from lesioncare.experiment import ComparisonConfig
from lesioncare.report import build_comparison_report, text
from lesioncare.report.comparison.made import plan_yaml

from .comparisons import make_comparison, make_plan, renamed
from .helpers import CLASSES, Page

EVIL = "<script>alert('1')</script>"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return make_comparison(tmp_path_factory.mktemp("comparison"))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    def build(comparison, **options):
        path = tmp_path_factory.mktemp("page") / "new" / "report.html"
        assert build_comparison_report(comparison, path, **options) == path
        return Page(path.read_text("utf-8"))

    return build


@pytest.fixture(scope="module")
def page(comparison, build):
    return build(comparison)


def body(table):
    return table.all("tbody")[0].all("tr")


def column(table, title):
    heads = [head.text for head in table.all("th") if head.attributes.get("scope") == "col"]
    return next(place for place, head in enumerate(heads) if head.startswith(title))


def pair_table(page, title):
    return next(one for one in page.all("details") if one.all("summary")[0].text == title).all("table")[0]


# numbers


@pytest.mark.parametrize(
    ("title", "metric"),
    [
        ("Rare recall", "rare_recall"),
        ("Balanced accuracy, adjusted", "balanced_accuracy_adjusted"),
        ("Macro AUROC", "macro_auroc"),
        ("Energy in box, rare", "energy:rare"),
    ],
)
def test_the_arms_table_holds_each_number_with_its_interval(page, comparison, title, metric):
    table = page.section("numbers").all("table")[0]
    place = column(table, title)
    for row, (arm, numbers) in zip(body(table), comparison.statistics.singles.items(), strict=True):
        one, cell = numbers[metric], row.children[place]
        assert row.children[0].text == arm
        assert cell.text == f"{100 * one.value:.1f}{100 * one.low:.1f} to {100 * one.high:.1f}"
        assert float(cell.attributes["data-key"]) == pytest.approx(one.value, abs=1e-6)


def test_the_highest_of_a_column_is_marked(page, comparison):
    table = page.section("numbers").all("table")[0]
    place, singles = column(table, "Rare recall"), comparison.statistics.singles
    marked = [row.children[0].text for row in body(table) if row.children[place].attributes.get("class")]
    assert marked == [max(singles, key=lambda arm: singles[arm]["rare_recall"].value)] == ["better"]


def test_the_pairs_hold_difference_interval_p_spreads_and_verdict(page, comparison):
    rows = body(pair_table(page, "Rare recall"))
    for row, ((a, b), found) in zip(rows, comparison.statistics.pairs.items(), strict=True):
        one = found["rare_recall"]
        cells = [cell.text for cell in row.children]
        assert cells[:4] == [b, a, f"{100 * one.b:.1f}", f"{100 * one.a:.1f}"]
        assert cells[4] == text.signed(one.difference) + text.span(one)
        assert float(row.children[6].attributes["data-key"]) == pytest.approx(one.p_corrected, abs=1e-6)
        assert cells[7:9] == [f"{100 * one.spread.fold_sd:.1f}", f"{100 * one.spread.seed_sd:.1f}"]
        assert cells[9].endswith(text.verdict_words(one))
    assert len(rows) == 3


def test_every_class_has_its_recall_and_its_difference_from_the_first_arm(page, comparison):
    found = comparison.statistics
    labels = [
        one.attributes["aria-label"]
        for one in page.section("classes").all("div", "forest-line")
        if "role" in one.attributes
    ]
    assert len(labels) == len(CLASSES) * 3
    for name in CLASSES:
        one, change = (
            found.singles["worse"][f"recall:{name}"],
            found.pairs["plain", "worse"][f"recall:{name}"],
        )
        assert (
            f"Recall of {name}, worse: {text.percent(one.value)} ({text.share_span(one)}); difference "
            f"{text.points(change.difference)}, {text.span(change)}, {text.verdict_words(change)}"
        ) in labels


def test_groups_are_told_only_where_one_has_several_images(comparison, page, build):
    assert "148 test images of 74 groups (lesions or patients)" in page.text
    assert "28 test images of 14 groups" in page.section("classes").text
    results = {
        arm: {
            key: replace(run, predictions=replace(run.predictions, group=run.predictions.image))
            for key, run in cells.items()
        }
        for arm, cells in comparison.results.items()
    }
    alone = build(replace(comparison, results=results))
    assert "28 test images" in alone.section("classes").text
    assert not re.search(r"test images? of \d", alone.text)


def test_classes_run_from_rare_to_common(page):
    heads = [one.text.split(" ")[0] for one in page.section("classes").all("h3")]
    assert heads == ["rarest", "rare", "middle", "common"]


def test_a_confusion_is_pooled_over_folds_and_averaged_over_seeds(page, comparison):
    order = ["rarest", "rare", "middle", "common"]
    table = page.section("errors").all("table")[0]
    results = comparison.results["plain"].values()
    for row, truth in zip(body(table), order, strict=True):
        for cell, answer in zip(row.children[1:-1], order, strict=True):
            counts = [run.metrics.confusion[CLASSES.index(truth)][CLASSES.index(answer)] for run in results]
            assert float(cell.text) == pytest.approx(sum(counts) / 2)
    assert [row.children[-1].text for row in body(table)] == ["28", "32", "40", "48"]


def test_calibration_is_told_before_and_after_a_temperature(page, comparison):
    rows = body(page.section("calibration").all("table")[0])
    for row, arm in zip(rows, comparison.arms, strict=True):
        found = arm_calibration(arm)
        keys = [float(cell.attributes["data-key"]) for cell in row.children[1:]]
        mean = sum(found.temperatures) / 4
        expected = [found.raw.nll, found.raw.ece, found.scaled.nll, found.scaled.ece, mean]
        assert keys == pytest.approx(expected, abs=1e-6)
    assert len(page.section("calibration").all("path", "raw")) == 3


def test_without_validation_predictions_the_page_says_that_there_is_no_temperature(comparison, build):
    results = {
        arm: {key: replace(run, validation=None) for key, run in cells.items()}
        for arm, cells in comparison.results.items()
    }
    section = build(replace(comparison, results=results)).section("calibration")
    assert "no temperature could be fitted" in section.text
    assert not section.all("path", "scaled")


def test_a_validation_part_that_leaks_is_not_used_and_named(comparison, build):
    leaking = {
        key: replace(run, validation=run.predictions) for key, run in comparison.results["better"].items()
    }
    section = build(replace(comparison, results={**comparison.results, "better": leaking})).section(
        "calibration"
    )
    assert "must not be fitted on the test part" in section.text


# pictures of disagreement


def test_the_disagreements_count_and_show_what_one_arm_gets_right_and_the_other_wrong(page, comparison):
    section = page.section("images")
    assert [one.text for one in section.all("h3")] == [
        "Right with better, wrong with plain",
        "Right with plain, wrong with better",
    ]
    expected = 0
    for fold in (0, 1):
        right, wrong = (
            [
                decide(comparison.results[arm][fold, seed].predictions.logits)
                == comparison.results[arm][fold, seed].predictions.target
                for seed in (0, 1)
            ]
            for arm in ("better", "plain")
        )
        expected += (right[0] & right[1] & ~(wrong[0] | wrong[1])).sum()
    assert expected > 0
    assert section.all("p", "note")[0].text.startswith(f"{expected} images, {expected} of a rare class")
    first = section.all("div", "gallery")[0].all("article", "example")
    assert len(first) == min(expected, 12)
    for example in first:
        name = example.all("b")[0].text
        assert name in {"rare", "rarest"}
        marks = [
            one.attributes["class"]
            for one in example.all("span")
            if one.attributes.get("class") in {"right", "wrong"}
        ]
        assert marks == ["wrong", "right"]


def test_equal_arms_disagree_on_no_image(tmp_path, build):
    page = build(make_comparison(tmp_path, dict.fromkeys(("plain", "better", "worse"), 0.5)))
    assert page.section("images").text.count("There is no such image.") == 2


# what is missing, and how it was made


def test_missing_cells_are_named_and_the_numbers_rest_on_what_all_arms_have(tmp_path, build):
    partial = make_comparison(tmp_path, lacking={("better", 0, 1), ("worse", 1, 1)})
    page = build(partial)
    listed = [one.text for one in page.all("ul", "missing-cells")[0].all("li")]
    assert listed == ["better, fold 0, seed 1", "worse, fold 1, seed 1"]
    said = page.all("p", "partial")[0].text
    assert "2 of 12 cells are missing" in said
    assert "folds 0 and 1 with seed 0." in said
    assert [row.children[-2].text for row in body(pair_table(page, "Rare recall"))] == ["\u2013"] * 3


def test_nothing_to_compare_is_an_error_that_says_what_to_do(tmp_path):
    lacking = {("better", fold, seed) for fold in (0, 1) for seed in (0, 1)}
    with pytest.raises(RunError, match=r"no fold and seed that every arm has.*Run the same"):
        build_comparison_report(make_comparison(tmp_path, lacking=lacking), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


OTHER_BOXES = {"boxes": "a.csv", "arms": {"ce": None, "own": {"attention": "care", "boxes": "b.csv"}}}


@pytest.mark.parametrize(
    "changed", [{}, {"folds": "0,3/5", "seeds": [4, 7], "arms": "ce,focal+energy-all"}, OTHER_BOXES]
)
def test_the_plan_is_the_file_that_makes_it_again(tmp_path, changed):
    plan = make_plan(tmp_path, **changed)
    assert ComparisonConfig.build(yaml.safe_load(plan_yaml(plan))) == plan


def test_the_page_tells_command_commit_versions_and_plan(page, comparison):
    made = page.section("made").text
    for said in ("lesioncare compare 'a & b'", "abc123", "torch", "InOrder", "2\u202f000", "12.5 s"):
        assert said in made
    assert page.section("made").all("code")[-1].text == " ".join(plan_yaml(comparison.plan).split())


# structure


def test_what_is_given_is_escaped(comparison, build):
    page = build(renamed(comparison, "rarest", EVIL), title=EVIL)
    assert len(page.all("script")) == 1
    assert EVIL not in page.html
    assert EVIL in page.section("classes").text
    assert page.all("h1")[0].text == EVIL


def test_links_lead_to_an_element_and_ids_are_unique(page):
    ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    links = [one.attributes["href"] for one in page.all("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_every_field_of_a_sortable_table_has_a_key_and_a_heading(page):
    tables = page.all("table", "sortable")
    assert len(tables) > 5
    for table in tables:
        heads = table.all("thead")[0].all("th")
        for row in body(table):
            assert len(row.children) == len(heads)
            for head, cell in zip(heads, row.children, strict=True):
                assert "data-key" in cell.attributes or "unsorted" in head.attributes["class"]


def test_only_the_pages_own_script_may_run_and_nothing_is_loaded(page):
    script = re.search(r"<script>(.*)</script>", page.html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(
        one.attributes["content"]
        for one in page.all("meta")
        if "content" in one.attributes and "default-src" in one.attributes["content"]
    )
    assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page.html)


def test_names_of_images_and_groups_stay_out_and_the_same_bytes_come_again(page, comparison, build):
    assert "secret-name" not in page.html
    assert "patient-" not in page.html
    assert build(comparison).html == page.html


def test_one_arm_alone_is_told_without_pairs(tmp_path, build):
    page = build(make_comparison(tmp_path, {"ce": 0.5}, arms="ce"))
    assert "there is no other arm to compare it with" in page.all("p", "lead")[0].text
    assert not page.all("table", "pairs")


def test_more_arms_than_colours(tmp_path, build):
    names = ["ce", "focal", "weighted", "mixup", "cutmix", "crt", "lws", "seesaw"]
    gains = {name: 0.2 * place for place, name in enumerate(names)}
    page = build(make_comparison(tmp_path, gains, arms=",".join(names), folds="0,1/5", seeds=1))
    assert [row.children[0].text for row in body(page.section("numbers").all("table")[0])] == names
    assert {int(c) for c in re.findall(r'"key arm-(\d+)"', page.html)} <= set(range(6))
