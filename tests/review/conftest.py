"""A folder of images, a box file on them, and the review of it behind a client that knows the token."""

from dataclasses import dataclass

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import write_boxes
from lesioncare.review.app import review_app
from lesioncare.review.guard import Guard
from lesioncare.review.opening import open_review
from lesioncare.review.pictures import Pictures

PORT = 8017
SCORES = {"a.png": 0.9, "b.png": 0.2, "c.png": 0.5}


@pytest.fixture
def folder(tmp_path):
    """Three images of 200 x 150 and boxes.json, a box on each; b.png is trusted least."""
    images = tmp_path / "images"
    images.mkdir()
    for number, name in enumerate(SCORES):
        pixels = np.full((150, 200, 3), 200, np.uint8)
        pixels[40:90, 50:120, number] = 20
        Image.fromarray(pixels).save(images / name)
    boxes = [
        Box(name, 50, 40, 120, 90, label="df" if name != "c.png" else "vasc", source="mbd", score=score)
        for name, score in SCORES.items()
    ]
    boxset = BoxSet.of(boxes, dict.fromkeys(SCORES, (200, 150)), ("nv", "df", "vasc"))
    write_boxes(boxset, tmp_path / "boxes.json")
    return tmp_path


@pytest.fixture
def review(folder):
    opened = open_review(folder / "boxes.json")
    yield opened
    opened.close()


@dataclass
class Page:
    """What the page does, without the page."""

    client: TestClient
    token: str

    def get(self, path, **query):
        return self.client.get(f"/{self.token}{path}", params=query)

    def post(self, path, body):
        return self.client.post(f"/{self.token}{path}", json=body)

    def see(self, number, reviewer="anna"):
        return self.get(f"/api/images/{number}", reviewer=reviewer).json()

    def do(self, action, number, key, reviewer="anna", **more):
        shown = self.see(number, reviewer)
        body = {"key": f"{key:032x}", "reviewer": reviewer, "image": number, "action": action}
        answer = self.post("/api/changes", body | {"boxes": shown["boxes"], "seen": shown["seen"]} | more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def queue(self, reviewer="anna", **query):
        return [line["id"] for line in self.get("/api/queue", reviewer=reviewer, **query).json()]


def page_of(review, images):
    app = Guard(review_app(review, Pictures(images)), review.store.token, PORT)
    return Page(TestClient(app, base_url=f"http://127.0.0.1:{PORT}"), review.store.token)


@pytest.fixture
def page(review, folder):
    return page_of(review, folder / "images")
