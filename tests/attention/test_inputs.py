import contextlib
import copy

import pytest
import torch
from torch.nn import functional

from lesioncare.attention import AttentionGuide, CARELoss, EnergyLoss, Regions
from lesioncare.attention.inputs import guided_by_boxes

from .models import Pooled, mlp

NONE = torch.empty(0, 4)
BOXES = [
    torch.tensor([[2.0, 3, 9, 12], [20, 20, 30, 30]]),  # the second lies outside the image
    NONE,
    torch.tensor([[0.0, 0, 5, 5], [8, 8, 14, 18], [1, 1, 2, 2]]),
    torch.tensor([[3.0, 3, 3, 4]]),
]


def test_boxes_are_gathered_by_image():
    weights = [torch.tensor([0.5, 1]), torch.empty(0), torch.tensor([0.2, 0.6, 0]), torch.ones(1)]
    (guided,) = guided_by_boxes(4, BOXES, weights, (16, 16))
    assert guided.rows.tolist() == [0, 2]
    assert guided.boxes.tolist() == [[[2, 3, 9, 12], [0] * 4], [[0, 0, 5, 5], [8, 8, 14, 16]]]
    torch.testing.assert_close(guided.weights, torch.tensor([0.5, 0.4]))


@pytest.mark.parametrize("boxes", [[], [NONE] * 3, [torch.empty(0)] * 3])
def test_no_box_guides_no_image(boxes):
    assert guided_by_boxes(len(boxes), boxes, None, (16, 16)) == []


def test_boxes_of_several_types_and_a_graph_of_their_own():
    boxes = [torch.tensor([[1, 2, 3, 4]]), torch.tensor([[1.0, 2, 3, 4]], requires_grad=True)]
    (guided,) = guided_by_boxes(2, boxes, None, (16, 16))
    assert guided.boxes.tolist() == [[[1, 2, 3, 4]]] * 2
    assert not guided.boxes.requires_grad


@pytest.mark.parametrize("target", [torch.tensor([0, 2, 1, 2]), torch.eye(4)[[0, 2, 1, 2], :3]])
@pytest.mark.parametrize("given", [{"boxes": BOXES}, {"masks": torch.ones(4, 16, 16).tril()}])
def test_another_default_type_changes_nothing(given, target):
    """Lightning makes bfloat16 the default while a step of that precision runs."""
    guide = AttentionGuide(Pooled(), loss=CARELoss(outer="distance"))
    images, losses = torch.rand(4, 3, 16, 16), []
    for dtype in (torch.float32, torch.bfloat16):
        with guide.watch():
            guide.model(images)
        torch.set_default_dtype(dtype)
        try:
            losses.append(guide.attention_loss(target, **given))
        finally:
            torch.set_default_dtype(torch.float32)
    assert losses[0].dtype == losses[1].dtype == torch.float32
    assert losses[0] == losses[1]


def test_padding_changes_no_region():
    box = torch.tensor([[2.0, 3, 9, 12]])
    padded = torch.cat([box, torch.zeros(2, 4)])[None]
    for name in ("inside", "outside", "distance", "mask"):
        expected = getattr(Regions([box], (16, 16), (4, 4)), name)
        torch.testing.assert_close(getattr(Regions(padded, (16, 16), (4, 4)), name), expected)


def test_matrices_made_in_inference_mode_serve_in_training():
    boxes, size = [torch.tensor([[2.0, 3, 9, 12]])], (17, 19)
    with torch.inference_mode():
        Regions(boxes, size, (5, 5))
    cam = torch.rand(1, 5, 5, requires_grad=True)
    CARELoss()(cam, Regions(boxes, size, (5, 5))).sum().backward()
    assert cam.grad.isfinite().all()


@pytest.mark.parametrize("loss", [CARELoss(), CARELoss(outer="distance"), EnergyLoss()])
@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
@pytest.mark.parametrize("evidence", ["class", "contrast"])
def test_a_step_reads_nothing_back_from_the_device(monkeypatch, loss, head, evidence):
    """Tensors of the meta device have no values: whatever would wait for a GPU's raises here."""
    guide = AttentionGuide(Pooled(copy.deepcopy(head)), loss=loss, evidence=evidence)
    with guide.watch():
        guide.model(torch.rand(4, 3, 16, 16))  # finding the layer looks at values, once
    guide.model.to("meta")
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # knows no meta device
    labels = torch.tensor([0, 2, 1, 2])
    with guide.watch():
        logits = guide.model(torch.rand(4, 3, 16, 16, device="meta"))
    total = guide.combine(functional.cross_entropy(logits, labels.to("meta")), labels.to("meta"), BOXES)
    total.backward()
    assert total.device.type == "meta"
    if evidence == "class":  # several labels and masks too, where these come from the CPU
        with guide.watch():
            guide.model(torch.rand(4, 3, 16, 16, device="meta"))
        guide.attention_loss(functional.one_hot(labels, 3), masks=torch.ones(4, 16, 16)).backward()
    with pytest.raises((RuntimeError, NotImplementedError)):
        total.item()
