from lesioncare.evaluation import BoxesOfRun, BoxUse
from lesioncare.evaluation.box_use import box_remarks


def boxes(file, sources):
    return BoxUse(file=file, table=300, images=240, boxes=sum(sources.values()), sources=sources)


TRUE = boxes("true.csv", {"mbd": 40, "manual": 210})
CONTROL = boxes("anywhere.csv", {"control, anywhere": 250})


def test_the_boxes_in_words():
    assert str(TRUE) == "250 boxes on 240 of 300 images (manual 210, mbd 40), of true.csv"
    assert (
        str(BoxUse(file="t.csv", table=1, images=1, boxes=1, sources={})) == "1 box on 1 of 1 image, of t.csv"
    )


def test_what_attention_learns_from_is_said_before_training():
    assert BoxesOfRun(learnt=TRUE, judged=TRUE).sentences() == (
        f"Attention learns from {TRUE}.",
        "60 images without a box: no attention there.",
    )
    assert BoxesOfRun(learnt=CONTROL, judged=TRUE).sentences()[-1] == f"Judged by {TRUE}."
    assert BoxesOfRun(learnt=None, judged=TRUE).sentences()[0] == "Trained without attention."
    none = BoxUse(file="t.csv", table=9, images=0, boxes=0, sources={})
    assert BoxesOfRun(learnt=None, judged=none).sentences() == (
        "No image has a box: no attention, and nothing to judge by where the network looks.",
    )


def test_true_boxes_and_older_runs_need_no_remark():
    assert box_remarks({"a": BoxesOfRun(learnt=TRUE, judged=TRUE), "b": None}) == ()


def test_who_learnt_from_a_control_and_who_is_judged_by_it_is_said_apart():
    learnt = BoxesOfRun(learnt=CONTROL, judged=TRUE)
    (said,) = box_remarks({"care": BoxesOfRun(learnt=TRUE, judged=TRUE), "control": learnt})
    assert said.startswith("control learnt from control boxes (anywhere.csv)")
    (said,) = box_remarks({"a": BoxesOfRun(learnt=None, judged=CONTROL)}, "Do this.")
    assert said.startswith("The network is judged by control boxes (anywhere.csv)")
    assert '"energy in the box" is of control boxes' in said
    assert said.endswith("Do this.")
    both = BoxesOfRun(learnt=CONTROL, judged=CONTROL)
    first, second = box_remarks({"a": both, "b": both, "c": both})
    assert first.startswith("a, b and c learnt from")
    assert second.startswith("a, b and c are judged by")
