import pickle

import pytest

from lesioncare.boxes import Box, BoxSet
from lesioncare.errors import DataError

BOX = Box("a", 1, 2, 3, 4, label="nv")


def test_of_adds_the_images_and_classes_that_only_boxes_name():
    boxset = BoxSet.of([BOX, Box("c", 1, 2, 3, 4, label="df")], {"b": (5, 6)}, ["mel"])
    assert dict(boxset.images) == {"b": (5, 6), "a": None, "c": None}
    assert boxset.classes == ("mel", "df", "nv")


def test_boxes_by_image_in_the_order_of_the_images():
    other = Box("a", 0, 0, 1, 1)
    boxset = BoxSet.of([BOX, other], {"b": None, "a": None})
    assert list(boxset.by_image().items()) == [("b", []), ("a", [BOX, other])]


def test_known_sizes_stay():
    boxset = BoxSet((), {"a": (1, 2), "b": None, "c": None}).with_sizes({"a": (9, 9), "b": (3, 4)})
    assert dict(boxset.images) == {"a": (1, 2), "b": (3, 4), "c": None}


def test_boxes_without_a_class_get_that_of_their_image():
    boxset = BoxSet.of([BOX, Box("a", 0, 0, 1, 1), Box("b", 0, 0, 1, 1)], {"c": None})
    labelled = boxset.with_labels({"a": "mel", "c": "bcc"}, ["df", "nv"])
    assert [box.label for box in labelled.boxes] == ["nv", "mel", None]
    assert labelled.classes == ("nv", "df", "mel")
    assert list(labelled.images) == list(boxset.images)


def test_boxes_of_at_least_a_score_and_all_images():
    boxes = [Box(name, 0, 0, 1, 1, score=score) for name, score in (("a", 0.4), ("b", 0.5), ("c", 0.6))]
    kept = BoxSet.of(boxes).at_least(0.5)
    assert [box.image for box in kept.boxes] == ["b", "c"]
    assert list(kept.images) == ["a", "b", "c"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("corner", range(4))
def test_a_box_has_finite_corners(corner, value):
    corners = [1.0, 2.0, 3.0, 4.0]
    corners[corner] = value
    with pytest.raises(DataError, match="corners must be finite"):
        Box("a", *corners)


def test_a_set_cannot_be_changed_and_can_be_sent_to_a_worker():
    images = {"a": (10, 10)}
    boxset = BoxSet((BOX,), images, ("nv",))
    images["b"] = None
    assert list(boxset.images) == ["a"]
    with pytest.raises(TypeError):
        boxset.images["b"] = None
    with pytest.raises(AttributeError):
        boxset.boxes = ()
    assert pickle.loads(pickle.dumps(boxset)) == boxset


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BoxSet((BOX,), {}, ("nv",)), "on the image 'a', which is not among the images"),
        (lambda: BoxSet((BOX,), {"a": None}), "has the class 'nv', which is not here"),
        (lambda: BoxSet((), {}, ("mel", "nv", "nv")), "the class 'nv' is there twice"),
        (lambda: BoxSet((), {"a": (0, 5)}), "the size must be positive, but got"),
        (lambda: BoxSet.of([Box("a", 0, 0, 1e9, 1)]), "beyond any image"),
        (lambda: BoxSet((), {"": None}), "an image id must be text of 1 to 1000 characters"),
        (lambda: BoxSet((), {" a": None}), "without outer blanks"),
        (lambda: BoxSet((), {"a\n": None}), "without outer blanks"),
        (lambda: BoxSet((), {"a\0b": None}), "control characters"),
        (lambda: BoxSet((), {"x" * 1001: None}), "1 to 1000 characters"),
        (lambda: BoxSet((), {}, ("\ud800",)), "a class must be text"),
        (lambda: BoxSet((), {}, ("a\u2028b",)), "line breaks"),
        (lambda: BoxSet((), {}, ("a\ufffeb",)), "control characters"),
    ],
)
def test_what_cannot_be_a_set(make, message):
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize("name", ["ä b", "病変/01.png", "a\u00a0b", "🙂", "<&>'\"", "x" * 1000])
def test_names_of_any_script_are_fine(name):
    assert list(BoxSet((), {name: None}, (name,)).images) == [name]
