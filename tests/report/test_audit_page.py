"""The page of an audit, from answers that are made up."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lesioncare.data.editing import EditSettings, choose_partners, version_names
from lesioncare.evaluation.audit import AuditResult, RunAudit
from lesioncare.report import build_audit_report, text
from lesioncare.report.audit.study import meaning_of

from .helpers import CLASSES, COUNTS, Page, make_run

EVIL = "<script>alert(1)</script>\"'"
VERSIONS = version_names(("ruler", "green-sticker"))


def audit(folder, name="no attention", *, hidden=0.0, seed=0):
    """One run's answers; with the lesion hidden the true class's logit is raised by `hidden` only."""
    run = make_run(folder, name, gain=2.0)
    truth = np.eye(4)[run.predictions.target]
    noise = np.random.default_rng(seed)
    raised = {
        "original": 3.0,
        "hidden": hidden,
        "lesion": 2.0,
        "swapped": 1.0,
        "ruler": 3.0,
        "green-sticker": 1.5,
    }
    nothing = dict.fromkeys(
        ("energy", "pointing", "area_share", "centre_energy"), np.full(len(truth), np.nan)
    )
    answers = {
        version: replace(
            run.predictions, logits=noise.normal(size=truth.shape) + raised[version] * truth, **nothing
        )
        for version in VERSIONS
    }
    curves = noise.uniform(size=(2, len(truth), 5))
    return RunAudit(name, COUNTS, answers, *curves)


def build(folder, *runs, **fields):
    images = runs[0].answers["original"]
    partners = choose_partners(images.target, images.group, 0)
    result = AuditResult(runs, ("rare", "rarest"), partners, EditSettings(), {"without a box": 3})
    return replace(result, **fields)


@pytest.fixture
def page(tmp_path):
    def page(result, **options):
        path = build_audit_report(result, tmp_path / "out" / "audit.html", **options)
        return Page(path.read_text("utf-8"))

    return page


@pytest.fixture
def alone(images):
    return build(images, audit(images, hidden=2.0))


@pytest.fixture
def both(images):
    return build(images, audit(images, hidden=2.0), audit(images, "CARE", seed=1))


def test_the_verdict_stands_on_top_and_says_what_was_found(page, alone):
    shown = page(alone)
    leads = shown.all("p", "lead")
    verdict = alone.verdicts["no attention"]
    assert [lead.text for lead in leads] == [verdict.sentence]
    assert verdict.kind == "knows"
    assert "knows" in leads[0].attributes["class"]
    for sentence in alone.sentences("no attention"):
        assert sentence in shown.section("answer").text
    assert "3 left out, without a box" in shown.section("answer").text
    assert shown.all("title")[0].text == "Does the network need the lesion?"


def test_one_answer_for_every_image_is_said_above_the_verdict_and_draws_nothing(page, images):
    run = audit(images)
    same = np.tile([0.0, 1.0, 0.0, 0.0], (len(run.answers["original"]), 1))
    answers = {name: replace(one, logits=same) for name, one in run.answers.items()}
    result = build(images, replace(run, answers=answers))
    shown = page(result)
    first, lead = shown.section("answer").all("p")[:2]
    assert first.text == result.remarks[0]
    assert first.text.startswith("The network calls every image rare: ")
    assert lead.attributes["class"].startswith("lead")
    assert "No pasted artefact changes an answer." in shown.section("answer").text
    table = shown.section("artefacts").all("table")[0]
    assert "points, not shown" not in table.text


def test_nothing_is_said_of_skin_and_what_artefacts_are_worth_elsewhere_is(page, alone):
    shown = page(alone)
    assert not re.search("skin|photograph", shown.text)
    rows = [row.text for row in shown.section("versions").all("span", "name")]
    assert "Originalthe image as it is" in rows
    assert "Lesion hiddenfilled in with what surrounds it" in rows
    assert meaning_of("vignette") == "dark corners around the lesion"
    assert shown.text.count("They are those of dermoscopy and mean little on X-rays and ultrasound.") == 1


def test_groups_are_told_only_where_one_has_several_images(page, alone):
    assert "74 images with a box, of 37 groups (lesions or patients)" in page(alone).section("answer").text
    (run,) = alone.runs
    answers = {name: replace(one, group=one.image) for name, one in run.answers.items()}
    said = page(replace(alone, runs=(replace(run, answers=answers),))).section("answer").text
    assert "74 images with a box" in said
    assert "groups" not in said


def test_each_run_has_its_verdict_and_the_second_is_compared(page, both):
    shown = page(both)
    kinds = [lead.attributes["class"].split()[-1] for lead in shown.all("p", "lead")]
    assert kinds == ["knows", "unshown"]
    compared = both.comparison_sentences("CARE")
    assert compared[0].startswith("CARE: the balanced accuracy with the lesion hidden is lower: ")
    assert compared[0] in shown.section("answer").text
    assert both.comparison_sentences("no attention") == ()


def test_too_few_groups_have_no_intervals_anywhere(page, both):
    def few(run):
        answers = {
            name: replace(one, group=np.array([f"p{t}-{row % 3}" for row, t in enumerate(one.target)]))
            for name, one in run.answers.items()
        }
        return replace(run, answers=answers)

    for runs in (both.runs[:1], both.runs):
        shown = page(replace(both, runs=tuple(map(few, runs))))
        assert "too few groups (3)" in shown.section("versions").text
        assert not shown.section("versions").all("svg", "strip")
        said = " ".join(one.text for one in shown.all("section") if one.attributes["id"] != "made")
        assert not re.search(r"interval [\d\u2212+]|\d to [\d\u2212+]", said)
        labels = [one.attributes.get("aria-label", "") for one in shown.all("div", "forest-row")]
        assert not any("interval" in label or " to " in label for label in labels)


def test_the_panels_hold_every_version_and_chance(page, alone):
    section = page(alone).section("versions")
    rows = [row for row in section.all("div", "forest-row") if "aria-label" in row.attributes]
    assert len(rows) == 2 * len(VERSIONS)
    hidden = alone.statistics["no attention"].levels["hidden"]["balanced_accuracy"]
    label = next(
        row.attributes["aria-label"] for row in rows if "Lesion hidden" in row.attributes["aria-label"]
    )
    assert text.percent(hidden.value) in label
    assert text.span(alone.statistics["no attention"].effects["hidden"]["balanced_accuracy"]) in label
    chance = {line.attributes["x1"] for line in section.all("line", "chance")}
    assert chance == {"25.0%"}


def test_the_tables_hold_the_numbers(page, both):
    shown = page(both)
    for run in both.runs:
        found = both.statistics[run.name]
        recall = found.effects["hidden"]["recall:rarest"]
        assert f"{100 * recall.b:.1f}" in shown.section("classes").text
        assert text.percent(found.background.b) in shown.section("backgrounds").text
        assert text.percent(found.changed["green-sticker"].value) in shown.section("artefacts").text
        assert text.ratio(found.insertion.value) in shown.section("maps").text
    for table in shown.all("table"):
        widths = {
            sum(
                int(cell.attributes.get("colspan", 1))
                for cell in row.children
                if "rowspan" not in cell.attributes
            )
            for row in table.all("tr")
        }
        assert max(widths) - min(widths) <= 1


def test_the_gallery_shows_all_versions_with_answers_and_no_names(page, both):
    shown = page(both)
    cards = shown.all("article", "example")
    assert len(cards) == 8
    for card in cards:
        assert len(card.all("figure")) == len(VERSIONS)
        assert len(card.all("figcaption")[0].all("span", "who")) == 2
    pictures = shown.all("img")
    assert pictures
    assert all(one.attributes["alt"].startswith("Image ") for one in pictures)
    assert all(one.attributes["src"].startswith("data:image/jpeg;base64,") for one in pictures)
    assert "image file not found or not readable" in shown.text  # a third of the files is gone
    assert "secret-name" not in shown.html
    assert "patient-" not in shown.html


def test_links_lead_somewhere_and_nothing_is_loaded(page, both):
    shown = page(both)
    identities = [one.attributes["id"] for one in shown.all() if "id" in one.attributes]
    assert len(identities) == len(set(identities))
    assert {link.attributes["href"][1:] for link in shown.all("a")} <= set(identities)
    assert "http" not in shown.html.replace("http-equiv", "")


def test_names_that_are_markup_are_text(page, images):
    run = audit(images, EVIL)
    names = tuple(EVIL if name == "rarest" else name for name in CLASSES)
    answers = {version: replace(one, classes=names) for version, one in run.answers.items()}
    evil = replace(run, answers=answers, prior={name: COUNTS.get(name, 20) for name in names})
    shown = page(build(images, evil, rare=("rare", EVIL)), title=EVIL)
    assert len(shown.all("script")) == 1
    assert shown.all("h1")[0].text == EVIL
    assert EVIL in shown.section("classes").text


def test_without_artefacts_maps_and_rare_classes_their_parts_are_left_out(page, images):
    run = audit(images, hidden=2.0)
    answers = {name: one for name, one in run.answers.items() if name in VERSIONS[:4]}
    shown = page(build(images, replace(run, answers=answers, deletion=None, insertion=None), rare=()))
    assert {one.attributes["id"] for one in shown.all("section")} == {
        *("answer", "versions", "classes", "backgrounds", "pictures", "made")
    }
    assert len(shown.section("versions").all("h3")) == 1
    assert "rare recall" not in shown.section("answer").text


def test_the_same_audit_gives_the_same_bytes(page, both):
    assert page(both).html == page(both).html
