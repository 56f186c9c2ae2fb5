from lesioncare.evaluation import BoxesOfRun, BoxUse, box_remarks


def boxes(file, sources):
    return BoxUse(file=file, images=240, boxes=sum(sources.values()), sources=sources)


TRUE = boxes("true.csv", {"mbd": 40, "manual": 210})
CONTROL = boxes("anywhere.csv", {"control, anywhere": 250})


def test_the_boxes_in_words():
    assert str(TRUE) == "250 boxes on 240 images (manual 210, mbd 40), of true.csv"
    assert str(BoxUse(file="t.csv", images=1, boxes=1, sources={})) == "1 box on 1 image, of t.csv"


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
