"""The page of test images: what is listed, and that it is shown."""

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.report.comparisons import make_comparison
from tests.review.browser import CHROMIUM, FLAGS, needs_chromium, serving, wait_until

from lesioncare.errors import DataError, RunError
from lesioncare.evaluation import RunResult
from lesioncare.review.guard import Guard
from lesioncare.review.results import Results
from lesioncare.review.results_app import results_app

TOKEN = "a-token"


@pytest.fixture(scope="module")
def pair(finished):
    """A run, and the same with the logits of two images turned around and another energy."""
    from dataclasses import replace  # noqa: PLC0415

    run = RunResult.load(finished)
    predictions = run.predictions
    logits, energy = predictions.logits.copy(), predictions.energy.copy()
    logits[3] = -4 * logits[3]
    energy[5] = 1.0 - energy[5] if energy[5] > 0.5 else energy[5] + 0.5
    changed = replace(predictions, logits=logits, energy=energy)
    return run, replace(run, name="other", predictions=changed)


def client_of(results):
    app = Guard(results_app(results), TOKEN, 80)
    return TestClient(app, base_url="http://127.0.0.1:80", headers={"host": "127.0.0.1:80"})


def test_what_changed_most_comes_first(pair):
    results = Results.of(pair)
    assert results.order("probability")[0] == 3
    assert results.order("energy")[0] == 5
    assert sorted(results.order("image")) == list(range(len(pair[0].predictions)))
    shown = results.describe(3)
    assert shown["arms"][0]["truth"] != shown["arms"][1]["truth"]
    assert shown["image"] == pair[0].predictions.image[3]
    assert len(shown["boxes"]) == len(pair[0].predictions.boxes[3])


def test_one_class_or_the_rare_ones(pair):
    results = Results.of(pair)
    names = np.array(results.classes)[pair[0].predictions.target]
    assert {names[n] for n in results.order("answer", "red-lacunae")} == {"red-lacunae"}
    assert {names[n] for n in results.order("answer", only_rare=True)} == set(pair[0].rare)


def test_pictures_and_lists_over_http(pair):
    client = client_of(Results.of(pair))
    found = client.get(f"/{TOKEN}/api/examples?order=energy&limit=2").json()
    assert found["total"] == len(pair[0].predictions)
    assert found["examples"][0]["position"] == 5
    plain, mapped = (client.get(f"/{TOKEN}/pictures/5{query}") for query in ("", "?arm=1"))
    assert plain.headers["content-type"] == "image/jpeg"
    assert plain.content != mapped.content
    assert client.get("/wrong/pictures/5").status_code == 403
    for path in (
        "pictures/99999",
        "pictures/-1",
        "pictures/5?arm=9",
        "api/examples?order=size",
        "pictures/x",
    ):
        assert client.get(f"/{TOKEN}/{path}").status_code == 422


def test_runs_on_other_images_are_refused(pair):
    from dataclasses import replace  # noqa: PLC0415

    fewer = pair[1].predictions.select(np.arange(len(pair[1].predictions)) > 0)
    with pytest.raises(RunError, match="not tested on the same images"):
        Results.of([pair[0], replace(pair[1], predictions=fewer, maps=None)])


def test_a_run_without_maps_has_no_picture_under_one(pair):
    from dataclasses import replace  # noqa: PLC0415

    results = Results.of([replace(pair[0], maps=None)])
    with pytest.raises(DataError, match="no maps"):
        results.jpeg(0, 0)
    assert results.jpeg(0, None)


@needs_chromium
@pytest.mark.slow
def test_the_page_in_the_browser(pair):
    playwright = pytest.importorskip("playwright.sync_api")
    with serving(results_app(Results.of(pair)), TOKEN) as address, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.locator(".example").first.wait_for()
        page.locator("select[name=order]").select_option("energy")
        page.get_by_role("heading", name=str(pair[0].predictions.image[5])).wait_for()
        first = page.locator(".example").first
        assert first.locator("img").count() == 3
        loaded = "[...document.querySelectorAll('.example img')].slice(0, 3).every((i) => i.naturalWidth)"
        wait_until(lambda: page.evaluate(loaded))
        assert "other" in first.inner_text()
        # Two choices at once: the list is that of the second, and no image comes twice.
        page.evaluate(
            """() => ["probability", "image"].forEach((name) => {
            const { order } = document.forms[0].elements;
            order.value = name; order.dispatchEvent(new Event("change", { bubbles: true })); })"""
        )
        page.get_by_role("heading", level=2).first.get_by_text(str(pair[0].predictions.image[0])).wait_for()
        page.wait_for_timeout(500)
        names = page.locator(".example h2").all_inner_texts()
        assert len(names) == len(set(names)) > 1
        assert errors == []
        browser.close()


def test_of_a_comparison_every_arm_in_the_folds_that_all_have(tmp_path):
    lacking = [("worse", 1, seed) for seed in (0, 1)]
    results = Results.of_comparison(make_comparison(tmp_path, lacking=lacking))
    assert results.names == ("plain", "better", "worse")
    assert len(results.describe(0)["arms"]) == 3
    shown = [results.describe(position)["image"] for position in results.order("image")]
    assert shown
    assert all(image.startswith("fold0-") for image in shown)


def test_a_comparison_without_a_fold_that_all_arms_have_is_refused(tmp_path):
    lacking = [("worse", fold, seed) for fold in (0, 1) for seed in (0, 1)]
    with pytest.raises(RunError, match=r"no fold and seed is finished in every arm.*lesioncare compare"):
        Results.of_comparison(make_comparison(tmp_path, lacking=lacking))
