"""Several labels an image: a map and boxes for each."""

import copy

import pytest
import torch
from torch.nn import functional

from lesioncare.attention import AttentionGuide, CARELoss, EnergyLoss, InputGradientLoss, Regions
from lesioncare.attention.inputs import guided_by_boxes
from lesioncare.errors import ConfigError, DataError

from .models import Pooled, gradients, mlp

IMAGES = torch.rand(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]])
NONE = torch.empty(0, 4)
FIRST, SECOND, THIRD = [2.0, 3, 9, 12], [0.0, 0, 5, 5], [8.0, 8, 14, 16]
BOXES = [
    torch.tensor([FIRST, SECOND]),
    torch.tensor([THIRD]),
    torch.tensor([FIRST]),
    torch.tensor([THIRD] * 2),
]
BOX_LABELS = [torch.tensor([0, 2]), torch.tensor([-1]), torch.tensor([-1]), torch.tensor([1, -1])]
PAIRS = [(0, 0, [FIRST]), (0, 2, [SECOND]), (1, 1, [THIRD]), *((3, label, [THIRD]) for label in range(3))]
"""Image, label and boxes of each map, by hand; image 2 has no label that its box could count for."""


def guide_of(head=None, **options) -> AttentionGuide:
    torch.manual_seed(1)
    return AttentionGuide(Pooled(copy.deepcopy(head)).double().eval(), alpha=1.0, **options)


def attention(guide, target=TARGET, boxes=BOXES, weights=None, box_labels=BOX_LABELS) -> torch.Tensor:
    with guide.watch():
        guide.model(IMAGES)
    return guide.attention_loss(target, boxes, weights, box_labels=box_labels)


def losses_by_hand(guide) -> list[torch.Tensor]:
    """The loss of each map in PAIRS, one at a time, by differentiating one logit of one image."""
    losses = []
    for image, label, boxes in PAIRS:
        features = guide.model.features(IMAGES[image : image + 1])
        logit = guide.model.head(features.mean((2, 3)))[0, label]
        (grad,) = torch.autograd.grad(logit, features, create_graph=True)
        cam = (grad.mean((2, 3), keepdim=True) * features).sum(1)
        losses.append(guide.loss(cam, Regions([torch.tensor(boxes)], (16, 16), (4, 4), dtype=cam.dtype))[0])
    return losses


@pytest.mark.parametrize("head", [None, mlp()], ids=["linear", "mlp"])
@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.float32])
@pytest.mark.parametrize("reduction", ["batch", "boxed", "sum"])
def test_an_image_counts_the_mean_over_its_labels(head, kind, reduction):
    guide = guide_of(head, reduction=reduction)
    a, b, c, d, e, f = losses_by_hand(guide)
    expected = ((a + b) / 2 + c + (d + e + f) / 3) / {"batch": 4, "boxed": 3, "sum": 1}[reduction]
    found = attention(guide, TARGET.to(kind))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(
        gradients(guide.model, found), gradients(guide.model, expected), rtol=1e-5, atol=1e-8
    )


def test_each_labels_trust_is_that_of_its_own_boxes():
    weights = [torch.tensor([0.5, 0.0]), torch.tensor([0.25]), torch.ones(1), torch.tensor([0.2, 0.6])]
    guide = guide_of(reduction="sum")
    a, _, c, d, e, f = losses_by_hand(guide)
    expected = 0.5 * a + 0.25 * c + (0.6 * d + 0.4 * e + 0.6 * f) / 3  # label 2 of image 0 has no box left
    torch.testing.assert_close(attention(guide, weights=weights), expected, rtol=1e-6, atol=1e-9)


def test_one_positive_label_equals_one_class():
    classes = torch.tensor([0, 2, 1, 2])
    for head in (None, mlp()):  # a head that is made once: both guides have its weights
        several = attention(guide_of(head), functional.one_hot(classes, 3), box_labels=None)
        torch.testing.assert_close(several, attention(guide_of(head), classes, box_labels=None))


def test_boxes_without_labels_count_for_every_positive_label():
    unknown = [torch.full((len(box),), -1) for box in BOXES]
    found = attention(guide_of(), box_labels=unknown)
    torch.testing.assert_close(found, attention(guide_of(), box_labels=None))


def test_no_positive_label_guides_nothing():
    assert attention(guide_of(), torch.zeros(4, 3)).item() == 0
    assert attention(guide_of(), TARGET, box_labels=[torch.full((len(b),), 1) for b in BOXES]).item() != 0
    only_others = [torch.tensor([1, 1]), torch.tensor([0]), torch.tensor([0]), torch.tensor([0, 0])]
    assert attention(guide_of(), torch.eye(4)[[2, 2, 2, 2], :3], box_labels=only_others).item() == 0


def test_maps_are_dealt_out_so_that_no_part_has_an_image_twice():
    parts = guided_by_boxes(4, BOXES, None, (16, 16), positive=TARGET == 1, box_labels=BOX_LABELS)
    assert [part.rows.tolist() for part in parts] == [[0, 1, 3], [0, 3], [3]]
    assert [part.classes.tolist() for part in parts] == [[0, 1, 0], [2, 1], [2]]
    assert parts[1].boxes[1].tolist() == [THIRD, THIRD]


def test_the_input_gradient_of_sigmoids_by_hand():
    """d/dx of log p + log (1 - p) with p = sigmoid(w x) is (1 - 2 p) w."""
    weight = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.1, 2.0]], dtype=torch.float64)
    linear = torch.nn.Conv2d(3, 2, 1, bias=False).double()
    linear.weight.data = weight[:, :, None, None]
    model = torch.nn.Sequential(linear, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    x = torch.rand(1, 3, 1, 2, dtype=torch.float64)
    guide = AttentionGuide(model, loss=InputGradientLoss(), alpha=1.0)
    with guide.watch():
        model(x)
    found = guide.attention_loss(torch.tensor([[1, 1]]), [torch.tensor([[0.0, 0, 1, 1]])])
    p = (weight @ x.mean((2, 3))[0]).sigmoid()
    expected = (((1 - 2 * p) @ weight / 2) ** 2).sum()  # the right one of two pixels lies outside
    torch.testing.assert_close(found, expected.float())


@pytest.mark.parametrize("loss", [CARELoss(), EnergyLoss()])
def test_several_layers_and_labels_together(loss):
    layers, head = ["features", "features.0"], mlp()
    together = attention(guide_of(head, target_layer=layers, loss=loss, layer_weights=[1, 3]))
    alone = [attention(guide_of(head, target_layer=layer, loss=loss)) for layer in layers]
    torch.testing.assert_close(together, (alone[0] + 3 * alone[1]) / 4)


@pytest.mark.parametrize(
    ("target", "box_labels", "message"),
    [
        (torch.rand(4, 3), None, "0 or 1"),
        (torch.full((4, 3), torch.nan), None, "0 or 1"),
        (torch.ones(4, 2), None, r"zeros and ones \[4, 3\]"),
        (torch.ones(3, 3), None, r"zeros and ones \[4, 3\]"),
        (TARGET, BOX_LABELS[:2], "`box_labels`.*4 images.*2"),
        (TARGET, [BOX_LABELS[1], *BOX_LABELS[1:]], "Image 0 has 2 boxes but `box_labels`"),
        (TARGET, [torch.tensor([0, 3]), *BOX_LABELS[1:]], r"\[-1, 2\], but image 0 has \[0, 3\]"),
        (TARGET, [*BOX_LABELS[:3], torch.tensor([-2, 0])], "image 3 has"),
        (TARGET, [*BOX_LABELS[:3], torch.tensor([0.5, 0])], "image 3 has"),
        (torch.tensor([0, 1, 2, 0]), BOX_LABELS, "multi-hot"),
    ],
)
def test_wrong_labels_are_refused(target, box_labels, message):
    with pytest.raises(DataError, match=message):
        attention(guide_of(), target, box_labels=box_labels)


def test_contrast_is_for_one_class():
    with pytest.raises(ConfigError, match="contrast"):
        attention(guide_of(evidence="contrast"))
