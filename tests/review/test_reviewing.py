import math
import sqlite3
import subprocess
import sys

import pytest
from sklearn.metrics import cohen_kappa_score
from tests.review.conftest import SCORES, page_of

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.formats import FORMATS, read_boxes, write_boxes
from lesioncare.errors import ReviewError
from lesioncare.review.export import agreements, mean_iou, reviewed_boxes
from lesioncare.review.opening import open_review
from lesioncare.review.state import State

MOVED = {"x1": 60, "y1": 50, "x2": 130, "y2": 100, "label": "df", "source": "mbd", "score": 0.9}


def test_the_least_trusted_comes_first_and_what_is_decided_leaves_the_queue(page):
    assert page.queue() == ["b.png", "c.png", "a.png"]
    page.do("accept", 2, 1)
    page.do("reject", 3, 2)
    assert page.queue() == ["a.png"]
    assert page.queue(status="accepted") == ["b.png"]
    assert page.queue(status="any", limit=2) == ["b.png", "c.png"]
    assert page.queue(status="any", trust=0.5, number=3) == ["a.png"]


def test_filters_by_class_source_and_score(page):
    assert page.queue(label="vasc") == ["c.png"]
    assert page.queue(source="mbd", max_score=0.6) == ["b.png", "c.png"]
    assert page.queue(source="manual") == []
    progress = page.get("/api/progress", reviewer="anna", label="df").json()
    assert progress == {"total": 2, "done": 0, "conflicts": 0, "skipped": 0}
    page.do("accept", 1, 1)
    assert page.get("/api/progress", reviewer="anna", label="df").json()["done"] == 1
    assert page.get("/api/progress", reviewer="anna", label="vasc").json()["done"] == 0


def test_what_was_changed_is_there_after_a_restart(page, review, folder):
    page.do("edit", 1, 1, boxes=[MOVED])
    page.do("accept", 1, 2)
    token = review.store.token
    review.close()
    again = open_review(folder / "boxes.json")
    assert again.store.token == token
    shown = page_of(again, folder / "images").see(1)
    assert shown["decision"] == "accepted"
    assert shown["boxes"] == [MOVED]
    assert [event.action for event in again.store.events()] == ["edit", "accept"]
    first = again.store.events()[0]
    assert first.reviewer == "anna"
    assert first.time.endswith("+00:00")
    assert first.before.boxes == (Box("a.png", 50, 40, 120, 90, label="df", source="mbd", score=0.9),)
    assert first.after.boxes[0].x1 == 60
    again.close()


def test_the_same_change_sent_twice_is_kept_once(page, review):
    for _ in range(2):
        page.post(
            "/api/changes", {"key": "7" * 32, "reviewer": "anna", "image": 1, "action": "skip", "boxes": []}
        )
        page.post("/api/undo", {"key": "8" * 32, "reviewer": "anna"})
    assert [event.action for event in review.store.events()] == ["skip", "undo"]


def test_undo_and_redo_go_back_over_images_and_restarts(page, review, folder):
    page.do("edit", 1, 1, boxes=[MOVED])
    page.do("accept", 2, 2)
    step = {"reviewer": "anna"}
    undone = page.post("/api/undo", step | {"key": "a" * 32}).json()["image"]
    assert (undone["number"], undone["mine"]) == (2, "open")
    review.close()
    again = open_review(folder / "boxes.json")
    page = page_of(again, folder / "images")
    undone = page.post("/api/undo", step | {"key": "b" * 32}).json()["image"]
    assert (undone["number"], undone["mine"], undone["boxes"]) == (1, "open", undone["original"])
    assert page.post("/api/undo", step | {"key": "c" * 32}).json() == {"image": None}
    redone = page.post("/api/redo", step | {"key": "d" * 32}).json()["image"]
    assert redone["boxes"] == [MOVED]
    assert page.post("/api/redo", step | {"key": "e" * 32}).json()["image"]["mine"] == "accepted"
    assert page.post("/api/redo", step | {"key": "f" * 32}).json() == {"image": None}
    again.close()


def test_a_new_change_ends_what_can_be_redone(page):
    page.do("accept", 1, 1)
    page.post("/api/undo", {"reviewer": "anna", "key": "a" * 32})
    page.do("reject", 1, 2)
    assert page.post("/api/redo", {"reviewer": "anna", "key": "b" * 32}).json() == {"image": None}


def test_two_who_disagree_are_a_conflict_that_one_resolves(page, review):
    page.do("accept", 1, 1, reviewer="anna")
    blind = page.see(1, "ben")
    assert (blind["decision"], blind["mine"], blind["status"]) == (None, "open", "accepted")
    shown = page.do("reject", 1, 2, reviewer="ben")
    assert shown["status"] == "conflict"
    assert [other["reviewer"] for other in shown["others"]] == ["anna"]
    assert page.see(1, "anna")["decision"] == "accepted"
    assert page.queue(status="conflict", reviewer="carl") == ["a.png"]
    with pytest.raises(ReviewError, match=r"1 image is in conflict, first 'a\.png'"):
        reviewed_boxes(review)
    assert "a.png" not in reviewed_boxes(review, reviewer="ben").images
    heads = page.see(1, "ben")["heads"]
    assert len(heads) == 2
    page.do("resolve", 1, 3, reviewer="ben", decision="accepted", seen=heads)
    assert page.see(1, "anna")["status"] == page.see(1, "ben")["status"] == "accepted"
    page.post("/api/undo", {"reviewer": "ben", "key": "a" * 32})
    assert page.see(1, "ben")["status"] == "conflict"
    page.post("/api/redo", {"reviewer": "ben", "key": "b" * 32})
    assert page.see(1, "ben")["status"] == "accepted"


def test_two_who_agree_or_one_who_only_skips_are_no_conflict(page):
    page.do("accept", 1, 1, reviewer="anna")
    page.do("accept", 1, 2, reviewer="ben")
    page.do("skip", 1, 3, reviewer="carl")
    assert page.see(1)["status"] == "accepted"
    page.do("reject", 2, 4, reviewer="anna")
    page.do("reject", 2, 5, reviewer="ben", boxes=[])
    assert page.see(2)["status"] == "rejected"


def test_a_page_that_claims_to_have_seen_another_reviewers_decision_overwrites_nothing(page):
    (accepted,) = page.do("accept", 1, 1, reviewer="anna")["seen"]
    assert page.do("reject", 1, 2, reviewer="ben", seen=[accepted])["status"] == "conflict"
    assert page.see(1, "anna")["mine"] == "accepted"


def test_who_decided_builds_on_what_another_resolved(page):
    page.do("accept", 1, 1, reviewer="anna")
    page.do("reject", 1, 2, reviewer="ben")
    page.do("resolve", 1, 3, reviewer="ben", decision="accepted", seen=page.see(1, "ben")["heads"])
    assert page.do("reject", 1, 4, reviewer="anna")["status"] == "rejected"


def test_two_windows_of_one_reviewer_do_not_overwrite_each_other(page):
    page.do("accept", 1, 1, seen=[])
    page.do("reject", 1, 2, seen=[])
    assert page.see(1)["status"] == "conflict"


def test_independent_reviewers_see_nothing_of_each_other_before_they_have_decided(folder):
    review = open_review(folder / "boxes.json", independent=True)
    page = page_of(review, folder / "images")
    page.do("reject", 2, 1, reviewer="anna")
    assert page.queue("ben") == ["b.png", "c.png", "a.png"]
    assert page.queue("anna") == ["c.png", "a.png"]
    seen = page.see(2, "ben")
    assert (seen["status"], seen["others"]) == ("open", [])
    decided = page.do("accept", 2, 2, reviewer="ben")
    assert (decided["status"], len(decided["others"])) == ("conflict", 1)
    assert page.get("/api/progress", reviewer="carl").json()["done"] == 0
    review.close()


def test_an_independent_review_stays_so(folder):
    """A colleague who forgets the option must not see what the first has decided."""
    open_review(folder / "boxes.json").close()
    begun = open_review(folder / "boxes.json", independent=True)
    page_of(begun, folder / "images").do("reject", 2, 1, reviewer="anna")
    begun.close()
    later = open_review(folder / "boxes.json")
    page = page_of(later, folder / "images")
    assert page.see(2, "ben")["others"] == []
    assert "b.png" in page.queue("ben")
    later.close()


def test_two_servers_on_one_review_see_each_other(page, review, folder):
    other = open_review(folder / "boxes.json")
    page.do("accept", 1, 1)
    second = page_of(other, folder / "images")
    assert second.see(1)["decision"] == "accepted"
    second.do("reject", 2, 2)
    assert page.queue(status="rejected") == ["b.png"]
    other.close()


def test_the_state_is_the_fold_of_the_events_alone(page, review):
    for number, action in enumerate(("accept", "skip", "reject", "accept", "edit"), start=1):
        page.do(action, 1 + number % 3, number, reviewer=("anna", "ben")[number % 2])
    page.post("/api/undo", {"reviewer": "anna", "key": "a" * 32})
    folded, live = State.of(review.store.events()), review.state
    assert +folded.counts == +live.counts
    for number in (1, 2, 3):
        assert folded.status(number) == live.status(number)
        assert folded.images[number].heads.keys() == live.images[number].heads.keys()
    statuses = [folded.status(number) for number in folded.images]
    assert {status: statuses.count(status) for status in statuses} == dict(+folded.counts)


def test_events_cannot_be_changed_or_deleted(page, review):
    page.do("accept", 1, 1)
    with sqlite3.connect(review.store.path) as connection:
        for sql in ("UPDATE events SET reviewer = 'x'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(sql)
    connection.close()


def test_only_the_owner_can_read_the_review(review):
    assert review.store.path.stat().st_mode & 0o077 == 0


def test_a_process_that_is_killed_loses_nothing_that_was_answered(folder):
    """The process kills itself with SIGKILL right after the tenth answer."""
    code = f"""
import os, signal
from pathlib import Path
from lesioncare.review.opening import open_review
from lesioncare.review.reviewing import Change
review = open_review(Path({str(folder / "boxes.json")!r}))
for number in range(10):
    review.record(Change(f"{{number:032x}}", "anna", 1 + number % 3, "accept", ()))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    review = open_review(folder / "boxes.json")
    assert len(review.store.events()) == 10
    review.close()


def test_boxes_that_changed_since_are_refused(review, folder):
    review.close()
    write_boxes(BoxSet.of([Box("a.png", 1, 2, 3, 4)]), folder / "boxes.json")
    with pytest.raises(ReviewError, match=r"has changed since .*--review NEW"):
        open_review(folder / "boxes.json")
    open_review(folder / "boxes.json", path=folder / "new.review").close()


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + bytes(100)])
def test_a_file_that_is_no_review_is_refused(folder, content):
    (folder / "other.review").write_bytes(content)
    with pytest.raises(ReviewError, match=r"other\.review"):
        open_review(folder / "boxes.json", path=folder / "other.review")


def test_a_box_file_that_is_damaged_leaves_no_review_behind(tmp_path):
    (tmp_path / "boxes.json").write_text("{")
    with pytest.raises(Exception, match="not valid JSON"):
        open_review(tmp_path / "boxes.json")
    assert [path.name for path in tmp_path.iterdir()] == ["boxes.json"]


@pytest.mark.parametrize("form", [name for name, entry in FORMATS.items() if entry.write])
def test_the_export_carries_what_was_decided_to_any_format(page, review, folder, form):
    page.do("accept", 1, 1)
    page.do("edit", 2, 2, boxes=[MOVED])
    page.do("accept", 2, 3)
    page.do("reject", 3, 4)
    target = folder / "out" if FORMATS[form].folder else folder / "reviewed.file"
    write_boxes(reviewed_boxes(review), target, form, image_root=folder / "images")
    back = read_boxes(target, form, image_root=folder / "images")
    found = {box.image.removesuffix(".png"): box for box in back.boxes}
    assert found.keys() == {"a", "b"}
    assert found["b"].xyxy == pytest.approx((60, 50, 130, 100), abs=1e-3)
    if "source" in FORMATS[form].holds:
        assert (found["a"].source, found["a"].score) == ("mbd, accepted by anna", 1)
        assert (found["b"].source, found["b"].score) == ("manual, anna", 1)


def test_an_export_keeps_what_nobody_decided_unless_told_otherwise(page, review):
    page.do("accept", 1, 1, boxes=[])
    assert [box.image for box in reviewed_boxes(review).boxes] == ["b.png", "c.png"]
    assert list(reviewed_boxes(review).images) == list(SCORES)
    assert dict(reviewed_boxes(review, only_decided=True).images) == {"a.png": (200, 150)}
    assert {box.score for box in reviewed_boxes(review).boxes} == {0.2, 0.5}
    with pytest.raises(ReviewError, match="Reviewers: anna"):
        reviewed_boxes(review, reviewer="nobody")


def test_agreement_by_hand(page, review):
    """Boxes of 70 x 50; moved by 10 right and 10 down they share 60 x 40: IoU 2400 / 4600."""
    page.do("accept", 1, 1, reviewer="anna")
    page.do("accept", 1, 2, reviewer="ben", boxes=[MOVED])
    page.do("accept", 2, 3, reviewer="anna")
    page.do("reject", 2, 4, reviewer="ben")
    page.do("reject", 3, 5, reviewer="anna")
    page.do("reject", 3, 6, reviewer="ben")
    (found,) = agreements(review)
    assert (found.first, found.second, found.images, found.same, found.both_accepted) == (
        "anna",
        "ben",
        3,
        2,
        1,
    )
    assert found.iou == pytest.approx(2400 / 4600)
    assert found.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))
    assert found.kappa == pytest.approx(cohen_kappa_score(["a", "a", "r"], ["a", "r", "r"]))


def test_agreement_is_that_before_a_conflict_was_resolved(page, review):
    page.do("accept", 1, 1, reviewer="anna")
    page.do("reject", 1, 2, reviewer="ben")
    page.do("resolve", 1, 3, reviewer="ben", decision="accepted", seen=page.see(1, "ben")["heads"])
    (found,) = agreements(review)
    assert (found.images, found.same, found.both_accepted) == (1, 0, 0)
    assert math.isnan(found.iou)


def test_iou_of_several_boxes_pairs_them_best():
    ones = (Box("a", 0, 0, 10, 10), Box("a", 20, 0, 30, 10))
    assert mean_iou(ones, ones[::-1]) == 1
    assert mean_iou(ones, ones[:1]) == 0.5
    assert mean_iou((), ()) == 1
    assert mean_iou(ones, ()) == 0
