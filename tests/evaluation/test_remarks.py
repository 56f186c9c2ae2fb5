import numpy as np

from lesioncare.evaluation import evaluate
from lesioncare.evaluation.remarks import answer_remarks, never_predicted, takes_all

CLASSES = ("nv", "df", "vasc")


def metrics(make, target, answers):
    """Of a network that gives these answers."""
    return evaluate(make(target, np.eye(3)[answers], CLASSES), ("df",), dict.fromkeys(CLASSES, 1))


def test_one_class_that_takes_all_is_said_although_its_recall_is_perfect(make):
    found = metrics(make, [0, 0, 1, 2], [1, 1, 1, 1])
    assert found.rare_recall == 1
    assert takes_all(found) == "df"
    assert answer_remarks({"a": [found]}) == (
        "The network calls every image df: its recall of that class says nothing, and no other class is ever "
        "predicted.",
    )
    assert answer_remarks({"a": [found], "b": [metrics(make, [0, 1, 2], [0, 1, 2])]})[0].startswith("a calls")


def test_classes_that_are_never_an_answer_are_named(make):
    found = metrics(make, [0, 0, 1, 2], [0, 1, 1, 1])
    assert takes_all(found) is None
    assert never_predicted(found) == ("vasc",)
    assert answer_remarks({"a": [found]}) == ("The network never predicts vasc.",)


def test_a_class_without_images_needs_no_answer(make):
    assert never_predicted(metrics(make, [0, 0, 1], [0, 0, 1])) == ()
    assert answer_remarks({"a": [metrics(make, [1, 1, 1], [1, 1, 1])]}) == ()  # all right, and one class


def test_of_several_networks_it_is_counted(make):
    good, all_df = metrics(make, [0, 1, 2], [0, 1, 2]), metrics(make, [0, 1, 2], [1, 1, 1])
    no_vasc = metrics(make, [0, 1, 2], [0, 1, 0])
    assert answer_remarks({"ce": [good, all_df, no_vasc, no_vasc], "care": [good, good]}) == (
        "ce: of its 4 networks 1 calls every image df, 2 never predict vasc.",
    )


def test_no_image_and_ties_are_no_answer(make):
    assert takes_all(metrics(make, [-1, -1], [0, 1])) is None
    tied = evaluate(make([0, 1], np.zeros((2, 3)), CLASSES), (), {})
    assert takes_all(tied) is None
    assert never_predicted(tied) == ("nv", "df")
