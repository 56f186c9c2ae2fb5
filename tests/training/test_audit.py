"""Networks whose shortcut is known, audited."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from lesioncare.cli.show_audit import show_audit
from lesioncare.errors import ConfigError, DataError, RunError
from lesioncare.evaluation import Predictions, RunResult
from lesioncare.evaluation.audit import AuditResult, RunAudit, curve_areas
from lesioncare.evaluation.audit.statistics import effective_groups
from lesioncare.training import TrainConfig
from lesioncare.training.apply import TrainedRun, load_run
from lesioncare.training.audit import AuditOptions, audit_runs, own_images, table_images
from lesioncare.training.config import DataConfig
from lesioncare.training.curves import deletion_and_insertion, pixel_ranks, replacement_curve
from lesioncare.training.models import BuiltModel

SIZE, PER_CLASS = 32, 8
SKINS = ((225, 160, 140), (150, 190, 200), (190, 190, 120))
LESIONS = ((120, 40, 40), (40, 110, 40), (40, 40, 120))
FEW = AuditOptions(artefacts=("ruler", "green-sticker"), steps=0)


class Nearest(nn.Module):
    """Logits: minus the distance of one place's mean colour to each class's; `place` weighs the pixels."""

    def __init__(self, place, colours):
        super().__init__()
        self.place = nn.Parameter(place / place.sum())
        self.colours = nn.Parameter(torch.tensor(colours) / 255)

    def forward(self, images):
        seen = (images * self.place).sum((2, 3))
        return -20 * (seen[:, None] - self.colours).square().sum(2)


def corner():
    place = torch.zeros(SIZE, SIZE)
    place[:4, :4] = 1
    return Nearest(place, SKINS)


def centre():
    place = torch.zeros(SIZE, SIZE)
    place[14:18, 14:18] = 1
    return Nearest(place, LESIONS)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """24 images of three classes: the skin has the class's colour and so has the lesion in the middle."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(3), PER_CLASS)
    paths = []
    for row, label in enumerate(target):
        image = np.array(SKINS[label]) + rng.normal(0, 2, (48, 48, 1))
        image[18:30, 18:30] = LESIONS[label]
        paths.append(str(folder / f"{row}.png"))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(paths[-1])
    n = len(target)
    nothing = dict.fromkeys(("energy", "pointing", "area_share", "centre_energy"), np.full(n, np.nan))
    return Predictions(
        image=np.array([f"i{row}" for row in range(n)]),
        path=np.array(paths),
        group=np.array([f"g{row}" for row in range(n)]),
        target=target,
        logits=np.zeros((n, 3)),
        classes=("a", "b", "c"),
        boxes=tuple(np.array([[17.0, 17.0, 31.0, 31.0]]) for _ in range(n)),
        **nothing,
    )


@pytest.fixture(scope="module")
def make(images):
    """A finished run around a network, without a directory."""

    def make(network, name="run", predictions=images, **fields):
        config = TrainConfig.build(data={"table": "none.csv"})
        result = RunResult(
            name=name,
            config={},
            classes=images.classes,
            rare=("c",),
            train_counts={"a": 10, "b": 10, "c": 2},
            seconds={},
            versions={},
            history=pd.DataFrame(),
            predictions=predictions,
        )
        model = BuiltModel(network.eval(), (SIZE, SIZE), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        return TrainedRun(config, replace(result, **fields), model)

    return make


@pytest.fixture(scope="module")
def two(make, images, one_thread):
    """One run that looks at the skin and one that looks at the lesion."""
    return audit_runs([make(corner(), "skin"), make(centre(), "lesion")], images, FEW)


def value(result, run, version, metric="balanced_accuracy"):
    return result.statistics[run].levels[version][metric].value


def test_a_network_that_looks_at_the_skin_knows_the_disease_without_the_lesion(two):
    assert value(two, "skin", "original") == value(two, "skin", "hidden") == 1
    assert two.verdicts["skin"].kind == "knows"
    assert two.verdicts["skin"].sentence == (
        "With the lesion hidden the network still names 100.0\u202f% of the images right, every class "
        "counting the same (100.0\u202f% with it; chance 33.3\u202f%; 95\u202f% interval 63.1 to 100.0): "
        "it knows the disease without the lesion, so it uses something beside it."
    )
    # It follows the background wherever that goes, and never the lesion.
    swapped = two.statistics["skin"]
    assert value(two, "skin", "swapped") == 0
    assert (swapped.background.a, swapped.background.b) == (0, 1)
    assert "the answer follows the background" in " ".join(two.sentences("skin"))


def test_a_network_that_looks_at_the_lesion_does_not(two):
    assert value(two, "lesion", "original") == 1
    assert two.statistics["lesion"].levels["hidden"]["balanced_accuracy"].low <= 1 / 3 + 1e-9
    assert two.verdicts["lesion"].kind == "unshown"
    assert two.verdicts["lesion"].sentence.endswith(": no shortcut shown.")
    for version in ("lesion", "swapped", "ruler", "green-sticker"):
        assert value(two, "lesion", version) == 1
        assert two.statistics["lesion"].changed[version].value == 0
    assert two.statistics["lesion"].background.b == 0


def test_the_runs_are_compared_on_the_same_images(two):
    hidden = two.differences["lesion"]["hidden"]["balanced_accuracy"]
    assert hidden.a == 1
    assert hidden.b < 0.5
    assert hidden.shown
    first = two.sentences("lesion")[0]
    assert first.startswith("lesion: the balanced accuracy with the lesion hidden is lower: ")
    assert "against 100.0\u202f% (skin)" in first
    assert "skin" not in two.differences


def test_a_network_that_relies_on_a_sticker_is_found_out(make, images, one_thread):
    class Green(nn.Module):
        """Calls an image c if a sticker's green is in it, else by its lesion."""

        def __init__(self):
            super().__init__()
            self.lesion = centre()

        def forward(self, images):
            green = (images[:, 1] - images[:, 0] - 0.35).clamp(min=0).sum((1, 2))
            pull = torch.zeros(len(images), 3)
            pull[:, 2] = (green > 0.5) * 100.0
            return self.lesion(images) + pull

    found = audit_runs([make(Green())], images, FEW).statistics["run"]
    best = found.moves[0]
    assert (best.artefact, best.answer, best.n_comparisons) == ("green-sticker", "c", 6)
    assert best.shown
    assert found.changed["green-sticker"].value > 0.2
    assert found.changed["ruler"].value == 0


def test_a_network_that_knows_nothing_is_said_to_know_nothing(make, images, one_thread):
    blind = centre()
    blind.colours.data[:] = 0.5
    result = audit_runs([make(blind)], images, FEW)
    assert result.verdicts["run"].kind == "unable"


def test_a_network_with_one_answer_for_every_image_is_said_to_have_it_before_anything_else(
    make, images, one_thread, capsys
):
    class Same(nn.Module):
        """Calls every image c."""

        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.tensor([0.0, 0.0, 1.0]))

        def forward(self, images):
            return self.logits.expand(len(images), 3)

    result = audit_runs([make(Same())], images, FEW)
    remark = (
        "The network calls every image c: its recall of that class says nothing, and no other class is ever "
        "predicted."
    )
    assert result.remarks == (remark,)
    assert result.to_dict()["remarks"] == [remark]
    assert "No pasted artefact changes an answer." in result.sentences("run")
    assert "changes most answers" not in " ".join(result.sentences("run"))
    show_audit(result)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"24 images with a lesion's box {remark}")


def test_of_networks_that_name_every_class_there_is_nothing_to_remark(two):
    assert two.remarks == ()
    assert "No pasted artefact changes an answer." in two.sentences("lesion")


def test_with_few_lesions_nothing_is_judged(make, images, one_thread):
    few = images.select(np.arange(len(images)) % PER_CLASS < 3)
    result = audit_runs([make(corner())], few, FEW)
    assert result.verdicts["run"].kind == "few"
    assert "6 are needed" in result.verdicts["run"].sentence


def test_the_same_audit_gives_the_same_answers(two, make, images):
    again = audit_runs([make(corner(), "skin"), make(centre(), "lesion")], images, FEW)
    pd.testing.assert_frame_equal(again.to_frame(), two.to_frame())


def test_an_audit_is_saved_and_read_back(two, tmp_path):
    two.save(tmp_path / "audit")
    back = AuditResult.load(tmp_path / "audit")
    pd.testing.assert_frame_equal(back.to_frame(), two.to_frame())
    assert back.to_dict() == two.to_dict()
    record = json.loads((tmp_path / "audit" / "audit.json").read_text("utf-8"))
    assert [run["verdict"] for run in record["runs"]] == ["knows", "unshown"]
    frame = pd.read_csv(tmp_path / "audit" / "audit.csv")
    assert len(frame) == 2 * 3 * PER_CLASS
    assert (frame["answer:hidden"][frame["run"] == "skin"] == frame["label"][frame["run"] == "skin"]).all()


def test_a_damaged_or_missing_audit_is_named(two, tmp_path):
    with pytest.raises(RunError, match=r"audit.json: no such file, so this is no audit"):
        AuditResult.load(tmp_path)
    two.save(tmp_path)
    lines = (tmp_path / "audit.csv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "audit.csv").write_text("".join(lines[:-1]), "utf-8")
    with pytest.raises(RunError, match="the audit there is damaged"):
        AuditResult.load(tmp_path)


def test_images_that_cannot_be_audited_are_counted(make, images, one_thread):
    boxes = list(images.boxes)
    boxes[0] = np.empty((0, 4))
    boxes[1] = np.array([[1.0, 1.0, 47.0, 47.0]])
    target = images.target.copy()
    target[2] = -1
    mixed = replace(images, boxes=tuple(boxes), target=target)
    result = audit_runs([make(corner())], mixed, replace(FEW, artefacts=(), limit=9))
    assert result.left_out == {
        "of unknown class": 1,
        "without a box": 1,
        "whose box takes more than 70 % of the image": 1,
        "beyond the limit": 12,
    }
    assert np.bincount(result.images.target).tolist() == [3, 3, 3]


def test_without_boxes_there_is_nothing_to_audit(make, images):
    bare = replace(images, boxes=tuple(np.empty((0, 4)) for _ in range(len(images))))
    with pytest.raises(DataError, match=r"24 images 0 can be used \(24 without a box\).*--boxes"):
        audit_runs([make(corner())], bare, FEW)


def test_images_that_have_moved_are_named(make, images):
    paths = images.path.astype(object)
    paths[3] = "gone.png"
    with pytest.raises(DataError, match=r"gone.png: no such image file.*--table"):
        audit_runs([make(corner())], replace(images, path=paths.astype(str)), FEW)


def test_runs_must_fit_each_other(make, images):
    runs = [make(corner(), "one"), make(centre(), "two", rare=("a",))]
    with pytest.raises(RunError, match="their rare classes are"):
        audit_runs(runs, images, FEW)
    runs[1] = make(centre(), "two", predictions=images.select(images.target < 2))
    with pytest.raises(RunError, match="were not tested on the same images: 24 and 16 images"):
        own_images(runs)


def test_runs_of_one_name_are_told_apart(make, images, one_thread):
    result = audit_runs([make(corner()), make(corner())], images, replace(FEW, artefacts=()))
    assert [run.name for run in result.runs] == ["run (run 1)", "run (run 2)"]


@pytest.mark.parametrize("bad", [{"margin": -0.1}, {"steps": -1}, {"limit": 0}, {"artefacts": ("tape",)}])
def test_options_that_cannot_work_are_refused(bad):
    with pytest.raises(ConfigError, match=f"--{next(iter(bad))}"):
        AuditOptions(**bad)


def test_a_trained_run_is_audited_on_its_own_test_part(finished):
    run = load_run(finished)
    result = audit_runs([run], own_images([run]), AuditOptions(artefacts=("hair",), steps=2))
    assert result.images.image.tolist() == run.result.predictions.image.tolist()
    original = result.runs[0].answers["original"].logits
    np.testing.assert_allclose(original, run.result.predictions.logits, rtol=1e-4, atol=1e-5)
    assert result.runs[0].deletion.shape == (12, 3)


def test_another_table_or_other_boxes_can_be_audited(finished, tiny, tmp_path):
    run = load_run(finished)
    everything = table_images([run], DataConfig(table=tiny))
    assert len(everything) == 37
    frame = pd.read_csv(tiny)
    rows = pd.DataFrame({"image": frame["image"], "x1": 4, "y1": 5, "x2": 20, "y2": 21})
    rows.to_csv(tmp_path / "boxes.csv", index=False)
    other = own_images([run], tmp_path / "boxes.csv")
    assert other.image.tolist() == run.result.predictions.image.tolist()
    assert all(box.tolist() == [[4, 5, 20, 21]] for box in other.boxes)


def test_groups_count_by_what_each_class_adds_to_the_variance(images):
    """Satterthwaite by hand: two classes of 8 groups that vary alike count as 2 * 7 + 1, one alone as 8."""

    def moved(rows):
        logits = np.zeros((len(images), 3))
        logits[:, 1] = 1
        logits[rows, 0] = 2
        before = np.tile([0.0, 1.0, 0.0], (len(images), 1))
        answers = {"original": replace(images, logits=before), "ruler": replace(images, logits=logits)}
        return effective_groups(RunAudit("run", {}, answers), "ruler", 0)

    assert moved([0, 1, 8, 9]) == 15
    assert moved([0, 1]) == 8
    assert moved([]) == 8


# deletion and insertion


def test_pixels_are_ranked_from_the_highest(one_thread):
    maps = torch.tensor([[[1.0, 4.0], [3.0, 2.0]]])
    assert pixel_ranks(maps, (2, 2)).tolist() == [[[3, 0], [1, 2]]]


def test_a_curve_by_hand():
    """Four pixels, each worth one unit of the first class's logit; they are taken away one by one."""
    network = SumOfPixels()
    before, after = torch.ones(1, 3, 2, 2) / 3, torch.zeros(1, 3, 2, 2)
    ranks = torch.tensor([[[3, 0], [1, 2]]])
    curve = replacement_curve(network, (before, after), ranks, torch.tensor([0]), 4)
    expected = [1 / (1 + np.exp(-left)) for left in (4, 3, 2, 1, 0)]
    np.testing.assert_allclose(curve, [expected], rtol=1e-6)
    area = sum((a + b) / 2 for a, b in pairwise(expected)) / 4
    np.testing.assert_allclose(curve_areas(curve), [area])


class SumOfPixels(nn.Module):
    """Logits: the sum of all pixels, and 0."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        total = self.scale * images.sum((1, 2, 3))
        return torch.stack([total, torch.zeros_like(total)], dim=1)


def test_a_curve_is_that_of_a_plain_loop(one_thread):
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 2, 3, 6, 5, generator=generator)
    maps = torch.rand(2, 3, 3, generator=generator)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    labels = torch.tensor([2, 0])
    ranks = pixel_ranks(maps, (6, 5))
    curve = replacement_curve(network, (first, second), ranks, labels, 7)
    large = nn.functional.interpolate(maps[:, None], (6, 5), mode="bilinear")[:, 0]
    for row in range(2):
        order = sorted(range(30), key=lambda pixel: -float(large[row].flatten()[pixel]))
        for step in range(8):
            image = first[row].clone()
            for place, pixel in enumerate(order):
                if place < step * 30 / 7:
                    image[:, pixel // 5, pixel % 5] = second[row][:, pixel // 5, pixel % 5]
            with torch.no_grad():
                expected = network(image[None]).double().softmax(1)[0, labels[row]]
            assert curve[row, step] == pytest.approx(float(expected), rel=1e-5)


def test_both_curves_end_where_they_should(one_thread):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    batch = {"images": torch.rand(3, 3, 16, 16), "labels": torch.tensor([0, 1, 2])}
    deletion, insertion = deletion_and_insertion(network, [batch], 4)
    assert deletion.shape == insertion.shape == (3, 5)
    np.testing.assert_allclose(deletion[:, 0], insertion[:, -1], rtol=1e-6)
    np.testing.assert_allclose(deletion[:, -1], insertion[:, 0], rtol=1e-6)
    probabilities = network(batch["images"]).double().softmax(1)[range(3), range(3)].detach()
    np.testing.assert_allclose(deletion[:, 0], probabilities, rtol=1e-6)


def test_without_a_map_there_are_no_curves(one_thread):
    batch = {"images": torch.rand(2, 3, 4, 4), "labels": torch.tensor([0, 1])}
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    assert deletion_and_insertion(network, [batch], 2) is None
    flat = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    for parameter in flat[0].parameters():
        nn.init.zeros_(parameter)
    deletion, insertion = deletion_and_insertion(flat, [batch], 2)
    assert np.isnan(deletion).all()
    assert np.isnan(insertion).all()
