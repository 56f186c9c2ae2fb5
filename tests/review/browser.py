"""Chromium through Playwright, a server in a thread, and what a reviewer does on the page."""

import shutil
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from lesioncare.review.app import review_app
from lesioncare.review.guard import Guard
from lesioncare.review.maps import saliency_maps
from lesioncare.review.pictures import Pictures
from lesioncare.review.serve import bind

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium (.ci/run does)"
)


@contextmanager
def serving(app, token, port=0):
    """Serve an app as the command does, in a thread; give the address."""
    with bind(port) as opened:
        number = opened.getsockname()[1]
        config = uvicorn.Config(
            Guard(app, token, number),
            log_level="error",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        opened.listen(128)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{number}/{token}/"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def serving_review(review, images, maps=None, port=0):
    app = review_app(review, Pictures(images, saliency_maps() if maps is None else maps))
    with serving(app, review.store.token, port) as address:
        yield address


class Reviewer:
    """A person at a page of their own, with a name."""

    def __init__(self, browser, address, name, **context):
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, **context)
        self.context.add_init_script("window.alert = () => { window.alerted = true; };")
        self.page = self.context.new_page()
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        if name is not None:
            self.page.get_by_label("Name", exact=True).fill(name)
            self.page.keyboard.press("Enter")
            self.page.locator('body:not([data-image=""])[data-image]').wait_for()

    @property
    def image(self):
        return self.page.evaluate("document.body.dataset.image")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def wait_image(self, name):
        self.page.locator(f'body[data-image="{name}"]').wait_for(timeout=10_000)

    def wait_saved(self):
        self.page.locator('#saved[data-state="saved"]').wait_for(timeout=15_000)

    def wait_progress(self, text):
        """It is told with the answer to a decision, which may come after "saved" or the next image."""
        self.page.locator("#progress-text").get_by_text(text).wait_for(timeout=10_000)

    def at(self, x, y):
        """Where a point of the image is on the screen."""
        box = self.page.locator("#picture").bounding_box()
        scale = box["width"] / self.page.evaluate(
            "parseFloat(document.getElementById('picture').style.width)"
        )
        return box["x"] + x * scale, box["y"] + y * scale

    def drag(self, start, end, steps=5):
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=steps)
        self.page.mouse.up()

    def close(self):
        self.context.close()


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
