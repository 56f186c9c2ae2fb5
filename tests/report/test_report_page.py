import base64
import hashlib
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lesioncare.errors import RunError
from lesioncare.evaluation import compare
from lesioncare.report import build_report, text

from .helpers import CLASSES, Page, changed, make_run, without_boxes

EVIL = "<script>alert(1)</script>\"'"


def difference(a, b, key):
    return compare(a.predictions, b.predictions, a.rare, a.train_counts)[key]


def cards(page):
    return {card.all("h2")[0].text: card for card in page.all("article", "card")}


def numbers(card):
    return [float(one.attributes["value"]) for one in card.all("data")]


def evil(run):
    """The run with a class name that is markup."""
    rename = {"rarest": EVIL}
    names = tuple(rename.get(name, name) for name in run.classes)
    return replace(
        run,
        classes=names,
        rare=("rare", EVIL),
        train_counts={rename.get(name, name): n for name, n in run.train_counts.items()},
        predictions=replace(run.predictions, classes=names),
    )


def row_widths(table):
    """Columns that each row fills, its own cells and those that reach down into it."""
    widths, reaching = [], {}
    for number, row in enumerate(table.all("tr")):
        cells = [cell for cell in row.children if cell.tag in {"td", "th"}]
        for cell in cells:
            for below in range(number + 1, number + int(cell.attributes.get("rowspan", 1))):
                reaching[below] = reaching.get(below, 0) + 1
        widths.append(len(cells) + reaching.get(number, 0))
    return widths


# the answer


def test_cards_hold_the_metrics_of_both_arms(page, plain, care):
    shown = cards(page(plain, care))
    for title, read in {
        "Rare recall": lambda run: run.metrics.rare_recall,
        "Balanced accuracy": lambda run: run.metrics.balanced_accuracy,
        "Looks at the lesion": lambda run: run.metrics.localisation["rare"].energy,
        "Rare recall, adjusted": lambda run: run.metrics.rare_recall_adjusted,
    }.items():
        assert numbers(shown[title]) == pytest.approx([read(plain), read(care)], abs=1e-6)
        assert [one.text for one in shown[title].all("data")] == [
            text.percent(read(plain)),
            text.percent(read(care)),
        ]


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Rare recall", "rare_recall"),
        ("Balanced accuracy", "balanced_accuracy"),
        ("Looks at the lesion", "energy:rare"),
        ("Rare recall, adjusted", "rare_recall_adjusted"),
    ],
)
def test_cards_hold_the_difference_its_interval_and_its_verdict(page, plain, care, title, key):
    card, expected = cards(page(plain, care))[title], difference(plain, care, key)
    assert text.points(expected.difference) in card.text
    assert text.span(expected) in card.text
    assert card.all("span", "badge")[0].text.endswith(text.verdict_words(expected))


def test_the_card_of_the_energy_names_chance_and_centre_prior(page, plain, care):
    card = cards(page(plain, care))["Looks at the lesion"]
    assert text.percent(0.25) in card.text
    assert text.percent(0.375) in card.text


def test_the_first_sentence_states_a_shown_difference_with_its_numbers(page, plain, care):
    expected = difference(plain, care, "rare_recall")
    assert expected.shown
    lead = page(plain, care).all("p", "lead")[0].text
    assert lead.startswith(
        f"More images of the rare classes are recognised: {text.percent(care.metrics.rare_recall)} (CARE) "
        f"against {text.percent(plain.metrics.rare_recall)} (no attention), a difference of "
        f"{text.points(expected.difference)} ({text.interval(expected)})."
    )
    adjusted = difference(plain, care, "rare_recall_adjusted")
    assert lead.endswith(text.threshold_answer(expected, adjusted))


def test_a_worse_arm_is_called_worse(page, plain, care):
    found = page(care, plain)
    assert found.all("p", "lead")[0].text.startswith("Fewer images of the rare classes are recognised")
    assert cards(found)["Rare recall"].all("span", "badge")[0].attributes["class"] == "badge lower"


def test_equal_arms_show_no_difference_and_no_colour(page, plain):
    found = page(plain, replace(plain, name="again"))
    assert found.all("p", "lead")[0].text.startswith("No difference shown")
    assert found.all("span", "badge")
    assert {one.attributes["class"] for one in found.all("span", "badge")} == {"badge unshown"}
    assert not [one for one in found.all("svg", "strip") if "unshown" not in one.attributes["class"]]


# structure


def test_two_runs_have_every_section_in_order(page, plain, care):
    names = [one.attributes["id"] for one in page(plain, care).all("section")]
    assert names == ["answer", "data", "classes", "training", "errors", "looks", "made"]


def test_links_within_the_page_lead_somewhere_and_ids_are_unique(page, plain, care):
    found = page(plain, care)
    ids = [one.attributes["id"] for one in found.all() if "id" in one.attributes]
    links = [one.attributes["href"] for one in found.all("a")]
    assert len(ids) == len(set(ids))
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_nothing_is_loaded_from_elsewhere(page, plain, care):
    found = page(plain, care)
    for element in found.all():
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = element.attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/jpeg;base64,")), (element.tag, name, value[:60])
    assert "@import" not in found.html
    assert "url(" not in found.html
    assert not re.findall(r"https?://", found.html)


def test_the_policy_lets_only_the_page_s_own_script_run(page, plain, care):
    found = page(plain, care)
    (script,) = found.all("script")
    digest = base64.b64encode(hashlib.sha256("".join(script.pieces).encode()).digest()).decode()
    policy = next(one for one in found.all("meta") if "http-equiv" in one.attributes).attributes["content"]
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [name for one in found.all() for name in one.attributes if name.startswith("on")]


def test_every_table_row_fills_every_column(page, images, plain, care):
    third = make_run(images, "focal", gain=0.5, seed=3)
    for found in (page(plain), page(plain, care), page(plain, care, third)):
        assert found.all("table")
        for table in found.all("table"):
            widths = row_widths(table)
            assert len(set(widths)) == 1, (table.attributes, widths)


def test_table_headers_have_a_scope_and_tables_a_caption(page, plain, care):
    found = page(plain, care)
    assert all(one.attributes.get("scope") for one in found.all("th"))
    assert all(len(one.all("caption")) == 1 for one in found.all("table"))


def test_pictures_have_alternative_texts_and_can_be_reached_by_keyboard(page, plain, care):
    found = page(plain, care)
    assert found.all("img")
    assert all(one.attributes["alt"] for one in found.all("img"))
    assert all(one.attributes["tabindex"] == "0" for one in found.all("article", "example"))
    assert all(
        one.attributes.get("aria-hidden") == "true" or one.attributes.get("aria-label")
        for one in found.all("svg")
    )


# sections


def test_data_section_counts_and_marks_the_rare_classes(page, plain, care):
    rows = page(plain, care).section("data").all("tbody")[0].all("tr")
    assert [row.all("th")[0].text for row in rows] == ["rarest rare", "rare rare", "middle", "common"]
    assert [[one.text for one in row.all("b")] for row in rows] == [
        ["20", "14"],
        ["40", "16"],
        ["200", "20"],
        ["900", "24"],
    ]
    assert "74 test images of 37 groups" in page(plain, care).section("answer").text


def test_class_table_holds_the_figures_of_both_arms(page, plain, care):
    table = page(plain, care).section("classes").all("table", "classes")[0]
    body = next(one for one in table.all("tbody") if one.all("th")[0].text.startswith("middle"))
    first, second = body.all("tr")
    for row, run in ((first, plain), (second, care)):
        one, look = run.metrics.per_class["middle"], run.metrics.localisation_per_class["middle"]
        expected = [text.percent(one.recall), text.percent(one.recall_adjusted), text.percent(one.precision)]
        expected += [text.percent(one.f1), text.ratio(one.auroc), text.ratio(one.average_precision)]
        expected += [text.percent(look.energy), text.percent(look.pointing)]
        cells = [cell.text for cell in row.all("td") if "rowspan" not in cell.attributes]
        assert cells == expected
    of_recall = difference(plain, care, "recall:middle")
    assert text.span(of_recall) in first.all("td", "difference")[0].text


def test_confusion_tables_hold_the_counts_in_the_page_s_order(page, plain, care):
    table = page(plain, care).section("errors").all("table")[0]
    order = [CLASSES.index(name) for name in ("rarest", "rare", "middle", "common")]
    counts = [[int(cell.text) for cell in row.all("td", "cell")] for row in table.all("tbody")[0].all("tr")]
    assert counts == np.array(plain.metrics.confusion)[np.ix_(order, order)].tolist()


def test_curves_end_with_the_last_value_and_leave_out_what_an_arm_lacks(page, plain, care):
    figures = page(plain, care).section("training").all("figure", "curve")
    said = {one.all("b")[0].text: one.all("p", "last")[0].text for one in figures}
    assert said["Training loss"] == "no attention 1.000CARE 1.000"
    assert said["Attention loss"] == "CARE \u22120.200"
    assert said["Validation balanced accuracy"] == f"no attention {text.percent(0.6)}CARE {text.percent(0.6)}"
    assert "Validation loss" not in said


def test_looks_section_compares_with_chance_and_centre(page, plain, care):
    body = page(plain, care).section("looks").all("tbody")[0]
    cells = [cell.text for cell in body.all("tr")[1].all("td")]
    energy = care.metrics.localisation["rare"].energy
    assert cells[:3] == [text.percent(energy), text.percent(0.25), text.percent(0.375)]
    assert cells[4:] == ["30", "0"]


def test_settings_that_differ_come_apart_from_the_others(page, plain, care):
    made = page(plain, care).section("made")
    differing, same = made.all("table")[:2]
    assert [row.text for row in differing.all("tbody")[0].all("tr")] == ["attention.lossno attentionCARE"]
    assert [row.text for row in same.all("tbody")[0].all("tr")] == ["data.tabletable.csv", "seed0"]
    assert "12.5 s" in made.text
    assert "not a medical device" in made.text


# edges


def test_one_run_is_reported_without_comparison(page, care):
    found = page(care)
    assert found.all("h1")[0].text == "How well are the rare classes found?"
    lead = found.all("p", "lead")[0].text
    assert lead.startswith(text.percent(care.metrics.rare_recall))
    assert f"(logit adjustment) it would be {text.percent(care.metrics.rare_recall_adjusted)}." in lead
    assert not found.all("span", "badge")
    assert not found.all("svg", "strip")
    assert numbers(cards(found)["Balanced accuracy"]) == pytest.approx(
        [care.metrics.balanced_accuracy], abs=1e-6
    )


def test_three_runs_are_each_compared_with_the_first(page, images, plain, care):
    found = page(plain, care, make_run(images, "focal", gain=0.5, seed=3))
    assert len(found.all("p", "lead")) == 2
    assert len(cards(found)["Rare recall"].all("data")) == 3
    assert len(cards(found)["Rare recall"].all("span", "badge")) == 2
    assert "(focal) against" in found.all("p", "lead")[1].text


def test_runs_of_one_name_are_told_apart(page, care):
    found = page(care, replace(care, seconds={}))
    assert "(CARE (run 2)) against" in found.all("p", "lead")[0].text


def test_markup_in_names_is_text(page, plain, care):
    found = page(evil(plain), replace(evil(care), name=EVIL), title=EVIL)
    assert len(found.all("script")) == 1
    assert found.html.count(EVIL) == 0
    assert found.all("h1")[0].text == EVIL
    assert EVIL in found.section("classes").text
    alternatives = [one.attributes["alt"] for one in found.section("looks").all("img")]
    assert any(EVIL in one for one in alternatives)
    assert any(EVIL in (one.attributes.get("aria-label") or "") for one in found.all("div", "forest-row"))


def test_groups_paths_and_image_names_stay_out_of_the_page(page, plain, care):
    html = page(plain, care).html
    assert "patient-" not in html
    assert "secret-name" not in html


def test_a_class_that_the_test_part_lacks_is_named_and_has_no_figures(page, plain, care):
    def without(run):
        keep = run.predictions.target != CLASSES.index("rarest")
        return replace(run, predictions=run.predictions.select(keep), maps=run.maps[keep])

    found = page(without(plain), without(care))
    assert "Not in the test part, so without figures: rarest." in found.section("classes").text
    assert len(found.all("div", "forest-row")) == 1 + 3
    assert text.percent(without(care).metrics.rare_recall) in found.all("p", "lead")[0].text
    assert "not in this average: rarest." in cards(found)["Rare recall"].text


def test_no_rare_image_at_all_is_said_first(page, plain, care):
    def without(run):
        keep = ~np.isin(run.predictions.target, [1, 2])
        return replace(run, predictions=run.predictions.select(keep), maps=run.maps[keep])

    for found in (page(without(plain), without(care)), page(without(plain))):
        assert found.all("p", "lead")[0].text == (
            "How many images of the rare classes are recognised is unknown: the test part holds none."
        )
        assert not found.all("article", "example")


def test_without_rare_classes_the_answer_is_about_all(page, plain, care):
    found = page(replace(plain, rare=()), replace(care, rare=()))
    expected = difference(replace(plain, rare=()), care, "balanced_accuracy")
    assert "every class counting the same" in found.all("p", "lead")[0].text
    assert text.points(expected.difference) in found.all("p", "lead")[0].text
    assert "No class counts as rare" in cards(found)["Rare recall"].text


def test_without_boxes_the_section_says_so_and_the_card_is_not_measured(page, plain, care):
    found = page(without_boxes(plain), without_boxes(care))
    assert "No test image has a box" in found.section("looks").text
    assert not found.section("looks").all("table")
    assert not found.all("rect")
    card = cards(found)["Looks at the lesion"]
    assert [one.text for one in card.all("data")] == [text.MISSING] * 2
    assert "not measured" in card.text


def test_a_class_without_training_images_leaves_the_adjusted_figures_open(page, plain, care):
    counts = {"common": 900, "rare": 40, "rarest": 20}
    found = page(replace(plain, train_counts=counts), replace(care, train_counts=counts))
    assert [one.text for one in cards(found)["Rare recall, adjusted"].all("data")] == [text.MISSING] * 2
    assert "training images of every class" in cards(found)["Rare recall, adjusted"].text
    assert not found.section("errors").all("details")


def test_images_of_unknown_class_are_left_out_and_counted(page, plain, care):
    target = plain.predictions.target.copy()
    target[:5] = -1
    found = page(changed(plain, target=target), changed(care, target=target))
    assert "5 images of unknown class left out" in found.section("answer").text


def test_no_history_is_said(page, plain):
    found = page(replace(plain, history=pd.DataFrame()))
    assert "No training history" in found.section("training").text


def test_too_few_groups_are_no_evidence(page, plain, care):
    def few(run):
        group = np.array([f"patient-{target}-{row % 3}" for row, target in enumerate(run.predictions.target)])
        return changed(run, group=group)

    found = page(few(plain), few(care))
    assert (
        "cannot be judged: the smallest class has only 3 lesions or patients to test"
        in found.all("p", "lead")[0].text
    )
    assert not re.search(r"interval [\d\u2212+]", found.all("p", "lead")[0].text)
    card = cards(found)["Rare recall"]
    assert card.all("span", "badge")[0].text == "too few groups (3)"
    assert text.points(difference(few(plain), few(care), "rare_recall").difference) in card.text
    assert not card.all("svg", "strip")  # as the energy has, which is of six groups of two classes
    assert not found.section("classes").all("svg", "strip")


# files and errors


def test_the_same_runs_give_the_same_bytes_in_a_new_folder(tmp_path, plain, care):
    first = build_report([plain, care], tmp_path / "a" / "b" / "one.html")
    second = build_report([plain, care], tmp_path / "two.html")
    assert first == tmp_path / "a" / "b" / "one.html"
    assert first.read_bytes() == second.read_bytes()
    assert [one.name for one in first.parent.iterdir()] == ["one.html"]


def test_a_saved_and_loaded_run_gives_the_same_page(tmp_path, plain):
    plain.save(tmp_path / "run")
    first = build_report([plain], tmp_path / "one.html")
    second = build_report([type(plain).load(tmp_path / "run")], tmp_path / "two.html")
    assert first.read_text() == second.read_text()


def test_a_failure_leaves_the_old_report(tmp_path, plain, care):
    path = build_report([plain], tmp_path / "report.html")
    before = path.read_bytes()
    with pytest.raises(RunError):
        build_report([plain, replace(care, rare=("rare",))], path)
    assert path.read_bytes() == before


def test_an_unwritable_place_is_an_error_that_names_it(tmp_path, plain):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file"):
        build_report([plain], tmp_path / "file" / "report.html")


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(RunError, match="at least one run"):
        build_report([], tmp_path / "report.html")


def test_runs_with_other_rare_classes_are_refused(tmp_path, plain, care):
    with pytest.raises(RunError, match="'no attention' and 'CARE' do not call the same classes rare"):
        build_report([plain, replace(care, rare=("rare",))], tmp_path / "report.html")


def test_runs_on_other_images_are_refused(tmp_path, plain, care):
    keep = np.arange(len(care.predictions)) > 0
    other = replace(care, predictions=care.predictions.select(keep), maps=None)
    with pytest.raises(RunError, match="cannot be compared"):
        build_report([plain, other], tmp_path / "report.html")


def test_an_unclosed_element_is_found_by_these_tests():
    with pytest.raises(AssertionError, match="closes"):
        Page("<p><b>text</p>")
