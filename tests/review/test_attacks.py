"""What must be refused, or shown as plain text."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from tests.review.conftest import PORT, page_of

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import write_boxes
from lesioncare.errors import DataError
from lesioncare.review.guard import MAX_BODY
from lesioncare.review.opening import open_review
from lesioncare.review.page import page_files
from lesioncare.review.pictures import Pictures

SECRET = b"the secret of another folder"


@pytest.mark.parametrize(
    "path",
    [
        "/page/../../../secret.png",
        "/page/..%2f..%2fsecret.png",
        "/page/%2e%2e%2fsecret.png",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/app.py",
        "/page/__init__.py",
        "/pictures/..%2f..%2fsecret.png",
        "/pictures/%2fetc%2fpasswd",
        "/pictures/../secret.png",
        "/pictures/1%00.png",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_out(page, folder, path):
    (folder / "secret.png").write_bytes(SECRET)
    answer = page.client.get(f"/{page.token}{path}")
    assert answer.status_code in (403, 404, 422)
    assert SECRET not in answer.content
    assert b"root:" not in answer.content


@pytest.mark.parametrize(
    "image", ["../secret.png", "/etc/hostname", "..\\secret.png", "images/../../secret.png"]
)
def test_an_image_id_that_leads_out_is_no_image(tmp_path, image):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "secret.png")
    write_boxes(BoxSet.of([Box(image, 1, 1, 9, 9)]), tmp_path / "boxes.json")
    review = open_review(tmp_path / "boxes.json")
    answer = page_of(review, tmp_path / "images").get("/pictures/1")
    assert answer.status_code == 422
    assert "no such image" in answer.json()["detail"]
    review.close()


def test_a_link_out_of_the_folder_is_not_followed_and_one_within_is(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "secret.png")
    Image.new("RGB", (20, 20)).save(images / "real.png")
    (images / "out.png").symlink_to(tmp_path / "secret.png")
    (images / "in.png").symlink_to(images / "real.png")
    pictures = Pictures(images)
    with pytest.raises(DataError, match="leads out"):
        pictures.jpeg("out.png", 100)
    assert pictures.jpeg("in.png", 100)


@pytest.mark.parametrize("token", ["", "wrong", "%00", "x" * 5000, "\u00e4"])
@pytest.mark.parametrize("path", ["/", "/api/setup", "/pictures/1", "/page/review.js"])
def test_nothing_without_the_token(page, token, path):
    answer = page.client.get(f"/{token}{path}")
    assert answer.status_code == 403
    assert page.client.post(f"/{token}/api/undo", json={}).status_code == 403


def test_an_address_without_its_last_slash_is_completed(page):
    """The page's own addresses are relative to it."""
    answer = page.client.get(f"/{page.token}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, f"/{page.token}/")


def test_a_shortened_or_lengthened_token_is_wrong(page):
    for token in (page.token[:-1], page.token + "x", page.token.swapcase()):
        assert page.client.get(f"/{token}/api/setup").status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1",
        "127.0.0.1:80",
        f"127.0.0.1.evil.example:{PORT}",
        "",
    ],
)
def test_a_foreign_host_is_refused(page, host):
    """DNS rebinding: the name of an attacker's page points to this machine."""
    answer = page.client.get(f"/{page.token}/api/setup", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:1"]
)
def test_a_foreign_origin_is_refused(page, origin):
    body = {"key": "0" * 32, "reviewer": "anna"}
    path = f"/{page.token}/api/undo"
    assert page.client.post(path, json=body, headers={"origin": origin}).status_code == 403
    own = {"origin": f"http://127.0.0.1:{PORT}"}
    assert page.client.post(path, json=body, headers=own).status_code == 200


def test_a_form_of_another_page_cannot_change_anything(page):
    path = f"/{page.token}/api/undo"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = page.client.post(path, content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415


def test_an_oversized_body_is_refused_announced_or_not(page):
    path = f"/{page.token}/api/changes"
    kind = {"content-type": "application/json"}
    assert page.client.post(path, content=b"x" * (MAX_BODY + 1), headers=kind).status_code == 413

    def pieces():
        for _ in range(2 + MAX_BODY // 65536):
            yield b"x" * 65536

    assert page.client.post(path, content=pieces(), headers=kind).status_code == 413
    negative = kind | {"content-length": "-1"}
    assert page.client.post(path, content=b"{}", headers=negative).status_code == 413


BOX = {"x1": 1, "y1": 1, "x2": 9, "y2": 9, "label": "df", "source": "manual", "score": 1}
GOOD = {"key": "0" * 32, "reviewer": "anna", "image": 1, "action": "accept", "boxes": [BOX], "seen": []}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"key": 1e999}',
    ],
)
def test_malformed_json_is_refused(page, content):
    answer = page.client.post(
        f"/{page.token}/api/changes", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert page.see(1)["mine"] == "open"


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": 99},
        {"image": "1"},
        {"image": True},
        {"image": 2**70},
        {"action": "drop table"},
        {"action": "undo"},
        {"reviewer": ""},
        {"reviewer": "x" * 81},
        {"reviewer": "a\nb"},
        {"key": "short"},
        {"boxes": [BOX] * 501},
        {"boxes": [{**BOX, "x2": 0}]},
        {"boxes": [{**BOX, "x1": "1"}]},
        {"boxes": [{**BOX, "x1": None}]},
        {"boxes": [{**BOX, "x2": 1e300}]},
        {"boxes": [{**BOX, "score": 2}]},
        {"boxes": [{**BOX, "label": 3}]},
        {"boxes": [{**BOX, "label": "a\u2028b"}]},
        {"boxes": ["box"]},
        {"seen": [77]},
        {"more": 1},
    ],
)
def test_a_change_that_cannot_be_is_refused_whole(page, wrong):
    assert page.post("/api/changes", GOOD | wrong).status_code == 422
    assert page.see(1)["mine"] == "open"
    assert page.post("/api/changes", GOOD).status_code == 200


def test_script_in_names_stays_text(tmp_path):
    """The json carries it as it is; the page only ever sets it as text, see test_in_the_browser."""
    image, label = "<img src=x onerror=alert(1)>.png", "</script><script>alert(1)</script>"
    (tmp_path / "images").mkdir()
    write_boxes(BoxSet.of([Box(image, 1, 1, 9, 9, label=label)]), tmp_path / "boxes.json")
    review = open_review(tmp_path / "boxes.json")
    page = page_of(review, tmp_path / "images")
    setup = page.get("/api/setup")
    assert setup.headers["content-type"] == "application/json"
    assert setup.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in setup.headers["content-security-policy"]
    assert setup.json()["classes"] == [label]
    assert label.encode() not in page.get("/").content
    review.close()


@pytest.mark.parametrize("name", sorted(page_files()))
def test_the_page_loads_nothing_from_elsewhere_and_writes_no_markup(name):
    text = page_files()[name][0].decode()
    for word in ("http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "onclick="):
        assert word not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.slow
def test_fifty_clients_at_once_lose_no_edit(page, review):
    """2,000 edits, each with its own coordinates, by 50 clients of 10 reviewers on 3 images."""

    def edits(client):
        for number in range(40):
            body = GOOD | {
                "key": f"{client:016x}{number:016x}",
                "reviewer": f"reviewer {client % 10}",
                "image": 1 + number % 3,
                "action": "edit",
                "boxes": [BOX | {"x2": 10 + client, "y2": 10 + number}],
            }
            answer = page.post("/api/changes", body)
            assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(edits, range(50)))
    kept = {event.after.boxes[0].xyxy for event in review.store.events()}
    assert len(review.store.events()) == 2000
    assert kept == {(1.0, 1.0, 10.0 + c, 10.0 + n) for c in range(50) for n in range(40)}
    assert page.see(1, "reviewer 0")["status"] == "conflict"
