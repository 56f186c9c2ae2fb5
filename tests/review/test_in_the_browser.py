"""The page from end to end, in a real browser."""

import os
import signal
import subprocess
import sys

import pytest
from PIL import Image
from tests.review.browser import CHROMIUM, FLAGS, Reviewer, needs_chromium, serving_review, wait_until

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import write_boxes
from lesioncare.review.export import reviewed_boxes
from lesioncare.review.opening import open_review

pytestmark = [needs_chromium, pytest.mark.slow]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def address(review, folder):
    with serving_review(review, folder / "images") as found:
        yield found


@pytest.fixture
def anna(browser, address):
    person = Reviewer(browser, address, "anna")
    yield person
    assert person.errors == []
    person.close()


@pytest.fixture
def many(tmp_path):
    """Function of how many images, their size and those whose file is gone -> the review of them.

    Boxes have more digits than the page rounds to; the first image is trusted least.
    """
    opened = []

    def make(count=3, size=(200, 150), gone=(), **more):
        (tmp_path / "many").mkdir()
        names = [f"{number}.jpg" for number in range(count)]
        for name in set(names) - set(gone):
            Image.new("RGB", size, "grey").save(tmp_path / "many" / name)
        boxes = [
            Box(name, 50.123, 40.123, 120.123, 90.123, label="df", source="mbd", score=number / count)
            for number, name in enumerate(names)
        ]
        boxset = BoxSet.of(boxes, dict.fromkeys(names, size), ("nv", "df", "vasc"))
        write_boxes(boxset, tmp_path / "many.json")
        opened.append(open_review(tmp_path / "many.json", **more))
        return opened[0]

    yield make
    for review in opened:
        review.close()


def outcome(review, number):
    return review.state.images[number].events[-1].after


def test_draw_move_resize_and_delete(anna, review):
    """b.png, number 2, comes first; its box is 50, 40, 120, 90."""
    anna.wait_image("b.png")
    anna.drag((85, 65), (95, 75))
    anna.wait_saved()
    assert outcome(review, 2).boxes[0].xyxy == pytest.approx((60, 50, 130, 100), abs=0.6)
    anna.drag((130, 100), (150, 120))
    anna.wait_saved()
    assert outcome(review, 2).boxes[0].xyxy == pytest.approx((60, 50, 150, 120), abs=0.8)
    anna.drag((10, 10), (40, 35))
    anna.wait_saved()
    drawn = outcome(review, 2).boxes[1]
    assert drawn.xyxy == pytest.approx((10, 10, 40, 35), abs=0.6)
    assert (drawn.label, drawn.source) == ("df", "manual")
    anna.press("Delete")
    anna.wait_saved()
    assert len(outcome(review, 2).boxes) == 1
    anna.drag((170, 130), (500, 400))
    anna.wait_saved()
    assert outcome(review, 2).boxes[1].xyxy == pytest.approx((170, 130, 200, 150), abs=0.6)
    assert [event.action for event in review.store.events()] == ["edit"] * 5


def test_a_session_with_the_keyboard_alone(anna, review):
    anna.wait_image("b.png")
    anna.press("ArrowRight", "ArrowRight", "Control+ArrowDown", "Shift+ArrowRight", "Alt+ArrowUp", "a")
    anna.wait_image("c.png")
    anna.wait_saved()
    assert outcome(review, 2).boxes[0].xyxy == pytest.approx((52, 49, 123, 100))
    assert outcome(review, 2).decision == "accepted"
    anna.press("n", "1", "d", "r")
    anna.wait_image("a.png")
    anna.press("s")
    anna.page.locator("#empty").get_by_text("No more images with this filter").wait_for()
    anna.wait_saved()
    assert review.state.counts["rejected"] == review.state.counts["skipped"] == 1
    anna.wait_progress("2 of 3")
    anna.press("?")
    anna.page.get_by_role("dialog").get_by_text("Accept: the boxes are right").wait_for()
    anna.page.get_by_role("dialog").get_by_text("the class of that number: 1 nv, 2 df, 3 vasc").wait_for()
    anna.press("Escape")


def test_undo_redo_and_reload(anna, review):
    anna.wait_image("b.png")
    anna.press("a")
    anna.wait_image("c.png")
    anna.press("Control+z")
    anna.wait_image("b.png")
    anna.page.get_by_text("You:").wait_for(state="detached")
    anna.wait_saved()
    assert review.state.counts["accepted"] == 0
    anna.press("y")
    anna.page.get_by_text("You: accepted").wait_for()
    anna.page.reload()
    anna.wait_image("c.png")
    anna.wait_progress("1 of 3")
    assert anna.page.locator("#who").inner_text() == "anna"


def test_two_browsers_in_conflict(browser, address, anna, review):
    ben = Reviewer(browser, address, "ben")
    for person in (anna, ben):
        person.wait_image("b.png")
    anna.drag((85, 65), (95, 75))
    anna.press("a")
    anna.wait_image("c.png")
    anna.wait_saved()
    ben.press("r")
    ben.wait_image("c.png")
    alert = ben.page.get_by_role("alert")
    alert.get_by_text("b.png is in conflict").wait_for()
    assert alert.bounding_box()["y"] < ben.page.locator("#stage").bounding_box()["height"] / 2
    ben.page.get_by_role("button", name="Accept").click(trial=True)  # the message does not lie over it
    assert review.state.status(2) == "conflict"
    ben.page.get_by_label("State").select_option("conflict")
    ben.wait_image("b.png")
    ben.page.get_by_text("anna: accepted").first.wait_for()
    assert ben.page.locator(".box.other").count() == 1
    ben.page.get_by_role("button", name="Take those of anna").click()
    ben.wait_saved()
    wait_until(lambda: review.state.status(2) == "accepted")
    assert outcome(review, 2).boxes[0].xyxy == pytest.approx((60, 50, 130, 100), abs=0.6)
    assert ben.errors == []
    ben.close()


SERVER = """
import sys
from pathlib import Path
from tests.review.browser import serving_review
from lesioncare.review.opening import open_review
folder = Path(sys.argv[1])
with serving_review(open_review(folder / "boxes.json"), folder / "images", {}, int(sys.argv[2])) as address:
    print(address, flush=True)
    import time; time.sleep(600)
"""


def start(folder, port):
    words = [sys.executable, "-c", SERVER, str(folder), str(port)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."})
    return process, process.stdout.readline().strip()


def test_the_server_is_killed_in_the_middle_of_drawing(browser, folder):
    process, address = start(folder, 0)
    again = None
    port = int(address.split(":")[2].split("/")[0])
    try:
        anna = Reviewer(browser, address, "anna")
        anna.wait_image("b.png")
        anna.page.mouse.move(*anna.at(10, 10))
        anna.page.mouse.down()
        anna.page.mouse.move(*anna.at(30, 25), steps=3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        anna.page.mouse.move(*anna.at(40, 35), steps=3)
        anna.page.mouse.up()
        anna.press("a")
        anna.page.get_by_text("Not saved yet").wait_for()
        anna.page.close()  # and the window too
        anna.page = anna.context.new_page()
        again, same = start(folder, port)
        assert same == address
        anna.page.goto(address)
        anna.wait_image("c.png")
        anna.wait_saved()
        anna.close()
    finally:
        for one in (process, again):
            if one is not None:
                one.kill()
                one.wait()
                one.stdout.close()
    review = open_review(folder / "boxes.json")
    assert [event.action for event in review.store.events()] == ["edit", "accept"]
    assert outcome(review, 2).boxes[1].xyxy == pytest.approx((10, 10, 40, 35), abs=0.6)
    assert review.state.status(2) == "accepted"
    review.close()


def test_closing_the_window_right_after_a_key_loses_nothing(browser, address, review):
    anna = Reviewer(browser, address, "anna")
    anna.wait_image("b.png")
    anna.press("ArrowRight")
    anna.page.close(run_before_unload=False)
    again = anna.context.new_page()
    again.goto(address)
    again.locator("body[data-image]").wait_for()
    wait_until(lambda: 2 in review.state.images)
    assert outcome(review, 2).boxes[0].x1 == 51
    anna.close()


def test_touch_draws_and_two_fingers_zoom(browser, address, review):
    anna = Reviewer(browser, address, "anna", has_touch=True)
    anna.wait_image("b.png")
    session = anna.context.new_cdp_session(anna.page)

    def touch(kind, *points):
        spots = [{"x": x, "y": y, "id": at} for at, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    touch("touchStart", anna.at(10, 10))
    touch("touchMove", anna.at(30, 20))
    touch("touchMove", anna.at(40, 35))
    touch("touchEnd")
    anna.wait_saved()
    wait_until(lambda: 2 in review.state.images)
    assert outcome(review, 2).boxes[1].xyxy == pytest.approx((10, 10, 40, 35), abs=0.6)
    before = anna.page.locator("#picture").bounding_box()["width"]
    (x, y), events = anna.at(100, 75), len(review.store.events())
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchMove", (x - 80, y), (x + 80, y))
    touch("touchEnd")
    assert anna.page.locator("#picture").bounding_box()["width"] > 2 * before
    assert len(review.store.events()) == events
    anna.close()


def test_zoom_pan_maps_theme_and_filter(anna):
    anna.wait_image("b.png")
    before = anna.page.locator("#picture").bounding_box()
    anna.press("+", "+")
    assert anna.page.locator("#picture").bounding_box()["width"] == pytest.approx(
        before["width"] * 1.25**2, rel=0.02
    )
    anna.press("Escape", "ArrowRight")
    anna.press("0")
    assert anna.page.locator("#picture").bounding_box()["width"] == pytest.approx(before["width"], rel=0.01)
    plain = anna.page.locator("#picture").get_attribute("src")
    anna.press("m")
    anna.page.locator('body[data-layer="mbd"]').wait_for(timeout=20_000)
    assert anna.page.locator("#picture").get_attribute("src") != plain
    anna.press("t")
    assert anna.page.evaluate("document.documentElement.dataset.theme") == "dark"
    anna.page.locator("#filter select[name=label]").select_option("vasc")
    anna.wait_image("c.png")
    anna.wait_progress("0 of 1")


def test_everything_can_be_named_and_reached_at_twice_the_size(browser, address):
    """200 % zoom of a window of 1280 pixels leaves 640."""
    anna = Reviewer(browser, address, "anna")
    anna.wait_image("b.png")
    anna.page.set_viewport_size({"width": 640, "height": 400})
    assert anna.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for name in ("Accept", "Reject", "Skip", "Undo"):
        button = anna.page.get_by_role("button", name=name).bounding_box()
        assert button["y"] + button["height"] <= 400
        assert button["x"] + button["width"] <= 640
    nameless = anna.page.evaluate(
        """[...document.querySelectorAll('button, select, input, [tabindex]')]
        .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert "Box 1 of 1, class df, source mbd, score 0.20" in anna.page.locator(".box").get_attribute(
        "aria-label"
    )
    assert "b.png, 1 box" in anna.page.locator("#said").inner_text()
    anna.close()


def test_script_in_file_names_and_labels_is_shown_as_text(browser, tmp_path):
    image, label = "<img src=x onerror=alert(1)>.png", "<script>alert(2)</script>"
    source = "'\"><svg onload=alert(3)>"
    (tmp_path / "images").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "images" / image)
    write_boxes(BoxSet.of([Box(image, 1, 1, 9, 9, label=label, source=source)]), tmp_path / "boxes.json")
    review = open_review(tmp_path / "boxes.json")
    with serving_review(review, tmp_path / "images") as address:
        anna = Reviewer(browser, address, "<b onclick=alert(4)>anna</b>")
        wait_until(lambda: anna.image == image)
        assert anna.page.locator("#image-name").inner_text() == image
        assert anna.page.locator(".box text").text_content() == label
        anna.press("a")
        anna.wait_saved()
        assert not anna.page.evaluate("window.alerted ?? false")
        assert anna.page.locator("img[src='x'], script:not([src]), b").count() == 0
        assert anna.errors == []
        anna.close()
    review.close()


def test_no_key_decides_on_an_image_that_is_not_on_the_screen_yet(anna, review):
    """Both keys come before the second image is shown: the second key must fall on neither."""
    anna.wait_image("b.png")
    anna.page.evaluate(
        """() => { for (const key of ["a", "a"])
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); }"""
    )
    anna.wait_image("c.png")
    anna.wait_saved()
    assert [event.image for event in review.store.events()] == [2]


def test_a_key_in_the_middle_of_a_drag_decides_on_what_is_on_the_screen(anna, review):
    """And what the pointer does afterwards does not fall on the next image."""
    anna.wait_image("b.png")
    mouse = anna.page.mouse
    mouse.move(*anna.at(120, 90))
    mouse.down()
    mouse.move(*anna.at(150, 120), steps=3)
    anna.press("a")
    anna.wait_image("c.png")
    mouse.move(*anna.at(170, 140), steps=3)
    mouse.up()
    anna.wait_saved()
    assert [(event.image, event.action) for event in review.store.events()] == [(2, "edit"), (2, "accept")]
    assert outcome(review, 2).boxes[0].xyxy == pytest.approx((50, 40, 150, 120), abs=0.6)


def test_a_class_chosen_by_keyboard_moves_no_box(anna, review):
    anna.wait_image("b.png")
    anna.press("c", "ArrowDown", "ArrowUp")
    anna.page.wait_for_timeout(600)  # until a move by keyboard would be kept
    anna.wait_saved()
    assert outcome(review, 2).boxes[0].xyxy == (50, 40, 120, 90)
    assert anna.page.evaluate("document.activeElement.ariaLabel") == "Class of box 1"
    anna.press("ArrowDown", "Escape", "Meta+ArrowDown", "a")
    anna.wait_image("c.png")
    anna.wait_saved()
    assert (outcome(review, 2).boxes[0].label, outcome(review, 2).boxes[0].y1) == ("vasc", 50)


def test_after_the_mouse_keys_are_for_the_image_again(anna, review):
    """Not for the list that was chosen from, nor for the button that was pressed."""
    anna.wait_image("b.png")
    anna.page.locator("#layer").click()
    anna.page.locator("#layer").select_option("otsu")
    anna.press("a")
    anna.wait_image("c.png")
    anna.page.get_by_role("button", name="Reject").click()
    anna.wait_image("a.png")
    anna.press("Enter")
    anna.page.locator("#empty").get_by_text("No more images").wait_for()
    anna.wait_saved()
    assert [event.action for event in review.store.events()] == ["accept", "reject", "accept"]


def test_a_name_that_is_changed_in_the_same_window_overwrites_nobody(browser, many, tmp_path):
    review = many(independent=True)
    with serving_review(review, tmp_path / "many") as address:
        anna = Reviewer(browser, address, None)
        anna.page.get_by_label("Name", exact=True).fill("  ")
        anna.press("Enter")
        assert anna.page.get_by_role("dialog").is_visible()  # a blank name is none
        for name, key in (("anna", "a"), ("ben", "r")):
            anna.page.get_by_label("Name", exact=True).fill(name)
            anna.press("Enter")
            anna.wait_image("0.jpg")
            anna.press(key)
            anna.wait_image("1.jpg")
            anna.wait_saved()
            anna.page.locator("#who").click()
        assert [event.reviewer for event in review.store.events()] == ["anna", "ben"]
        assert review.state.status(1) == "conflict"
        anna.close()


def test_boxes_beside_a_new_one_stay_as_they_were(browser, many, tmp_path):
    """Also where it is drawn within another one, with Shift; a box that was not touched is not "manual"."""
    review = many()
    with serving_review(review, tmp_path / "many") as address:
        anna = Reviewer(browser, address, "anna")
        anna.page.keyboard.down("Shift")
        anna.drag((60, 50), (80, 70))
        anna.page.keyboard.up("Shift")
        anna.press("a")
        anna.wait_image("1.jpg")
        anna.wait_saved()
        anna.close()
    old, new = reviewed_boxes(review, only_decided=True).boxes
    assert (old.xyxy, old.source) == ((50.123, 40.123, 120.123, 90.123), "mbd, accepted by anna")
    assert (new.xyxy, new.source) == (pytest.approx((60, 50, 80, 70), abs=0.6), "manual, anna")


def test_an_image_that_cannot_be_seen_cannot_be_accepted(browser, many, tmp_path):
    review = many(gone=["0.jpg"])
    with serving_review(review, tmp_path / "many") as address:
        anna = Reviewer(browser, address, "anna")
        anna.page.locator("#empty").get_by_text("cannot be shown").wait_for()
        anna.press("a")
        anna.page.get_by_role("alert").get_by_text("Nobody can see this image").wait_for()
        anna.press("r")
        anna.wait_image("1.jpg")
        anna.wait_saved()
        anna.close()
    assert [event.action for event in review.store.events()] == ["reject"]


def test_the_page_goes_on_by_itself_when_the_server_is_back(browser, many, tmp_path):
    """Further than the five images that were loaded beforehand; nothing of the last one stays in sight."""
    review = many(9)
    with serving_review(review, tmp_path / "many") as address:
        anna = Reviewer(browser, address, "anna")
        loaded = "performance.getEntriesByType('resource').filter((e) => e.name.includes('PART')).length"
        for part in ("/pictures/", "/api/images/"):
            wait_until(lambda part=part: anna.page.evaluate(loaded.replace("PART", part)) == 6)
    for number in range(6):
        anna.wait_image(f"{number}.jpg")
        anna.press("a")
    anna.page.locator("#empty").get_by_text("The server does not answer").wait_for()
    assert anna.page.locator(".box").count() == 0
    with serving_review(review, tmp_path / "many", port=int(address.split(":")[2].split("/")[0])):
        anna.wait_image("6.jpg")
        anna.wait_saved()
        anna.wait_progress("6 of 9")
        anna.press("a")
        anna.wait_image("7.jpg")
        anna.wait_saved()
        assert anna.errors == []
        anna.close()
    assert [event.image for event in review.store.events()] == [1, 2, 3, 4, 5, 6, 7]


def test_the_wheel_loads_a_larger_picture(browser, many, tmp_path):
    review = many(1, size=(2400, 1600))
    with serving_review(review, tmp_path / "many") as address:
        anna = Reviewer(browser, address, "anna")
        pixels = "document.getElementById('picture').naturalWidth"
        assert anna.page.evaluate(pixels) < 2400
        anna.page.mouse.move(*anna.at(1200, 800))
        for _ in range(4):
            anna.page.mouse.wheel(0, -300)
        wait_until(lambda: anna.page.evaluate(pixels) == 2400)
        anna.close()
