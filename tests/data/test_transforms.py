import pytest
import torch
from torchvision import tv_tensors

from lesioncare.data import eval_transform, train_transform, transforms
from lesioncare.data.transforms import DropLostBoxes
from lesioncare.errors import ConfigError

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
AUGMENTS = ["none", "light", "dermoscopy", "chest"]


def sample_of(boxes, height=40, width=60, pixels=None):
    """Black image and mask, white inside the first box."""
    mask = torch.zeros(1, height, width, dtype=torch.uint8)
    x1, y1, x2, y2 = boxes[0]
    mask[:, y1:y2, x1:x2] = 1
    image = mask.repeat(3, 1, 1) * 255 if pixels is None else pixels
    corners = torch.tensor(boxes, dtype=torch.float32)
    return {
        "image": tv_tensors.Image(image),
        "boxes": tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(height, width)),
        "weights": torch.arange(1.0, len(boxes) + 1),
        "mask": tv_tensors.Mask(mask),
    }


def centre_and_area(values):
    """Centre (x, y) and area of a bright rectangle on black, in pixels."""
    weights = values.as_subclass(torch.Tensor).double()
    weights = (weights - weights.min()) / (weights.max() - weights.min())
    x, y = torch.arange(values.shape[1]) + 0.5, torch.arange(values.shape[0]) + 0.5
    area = weights.sum().item()
    return (weights.sum(0) @ x.double()).item() / area, (weights.sum(1) @ y.double()).item() / area, area


def test_eval_resizes_scales_and_normalises():
    pixels = torch.full((3, 40, 60), 51, dtype=torch.uint8)
    out = eval_transform((20, 15), MEAN, STD)(sample_of([(12, 8, 24, 16)], pixels=pixels))
    assert out["image"].shape == (3, 20, 15)
    assert out["image"].dtype == torch.float32
    # 51 / 255 = 0.2; (0.2 - 0.5) / 0.2 = -1.5; (0.2 - 0.4) / 0.25 = -0.8; (0.2 - 0.3) / 0.5 = -0.2
    torch.testing.assert_close(
        out["image"][:, 0, 0].as_subclass(torch.Tensor), torch.tensor([-1.5, -0.8, -0.2])
    )
    assert out["boxes"].tolist() == [[3, 4, 6, 8]]
    assert out["mask"].shape == (1, 20, 15)
    assert out["weights"].tolist() == [1]


def test_eval_of_an_image_without_boxes():
    sample = sample_of([(0, 0, 1, 1)])
    sample["boxes"] = tv_tensors.wrap(sample["boxes"][:0], like=sample["boxes"])
    sample["weights"] = sample["weights"][:0]
    for transform in (eval_transform((8, 8), MEAN, STD), train_transform((8, 8), MEAN, STD, "chest")):
        assert transform(sample)["boxes"].shape == (0, 4)


@pytest.mark.parametrize("augment", AUGMENTS)
@pytest.mark.parametrize("size", [(48, 48), (40, 60)])
def test_box_and_mask_follow_the_image(augment, size):
    transform = train_transform(size, (0, 0, 0), (1, 1, 1), augment)
    torch.manual_seed(0)
    for _ in range(12):
        out = transform(sample_of([(10, 12, 30, 24)]))
        assert out["image"].shape == (3, *size)
        ((x1, y1, x2, y2),) = out["boxes"].tolist()
        x, y, area = centre_and_area(out["image"].mean(0))
        assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((x, y), abs=0.3)
        # the box around a turned rectangle is larger than it
        assert (x2 - x1) * (y2 - y1) == pytest.approx(area, rel=0.35 if augment == "chest" else 0.05)
        # masks are resampled by the nearest pixel
        assert centre_and_area(out["mask"][0])[:2] == pytest.approx((x, y), abs=1)


@pytest.mark.parametrize(
    ("augment", "orientations"),
    [("none", {0}), ("light", {0, 1}), ("dermoscopy", set(range(8))), ("chest", {0})],
)
def test_each_augmentation_has_its_own_symmetries(augment, orientations):
    """A bright quadrant and a half-bright one tell the eight orientations of a square apart."""
    pixels = torch.zeros(3, 32, 32, dtype=torch.uint8)
    pixels[:, :16, :16], pixels[:, :16, 16:] = 250, 120
    views = [torch.rot90(base, turns, (1, 2)) for base in (pixels, pixels.flip(2)) for turns in range(4)]
    names = [0, 2, 3, 4, 1, 5, 6, 7]
    transform = train_transform((32, 32), (0, 0, 0), (1, 1, 1), augment)
    torch.manual_seed(0)
    seen = set()
    for _ in range(64):
        image = transform(sample_of([(1, 1, 30, 30)], 32, 32, pixels))["image"]
        errors = [(image - view / 255).abs().mean().item() for view in views]
        seen.add(names[errors.index(min(errors))])
    assert seen == orientations


def test_light_crops_keep_at_least_seventy_percent():
    transform = train_transform((50, 50), (0, 0, 0), (1, 1, 1), "light")
    torch.manual_seed(0)
    areas = []
    for _ in range(40):
        (box,) = transform(sample_of([(20, 20, 30, 30)], 50, 50))["boxes"].as_subclass(torch.Tensor)
        areas.append(((box[2] - box[0]) * (box[3] - box[1])).item())
    assert min(areas) >= 99
    assert 120 < max(areas) <= 100 / 0.7 * 1.05


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((2, 2, 8, 8), (2, 2, 8, 8)),
        ((-50, 2, 6, 8), (0, 2, 6, 8)),  # 6 of 56 columns: 10.7 %
        ((-60, 2, 6, 8), None),  # 6 of 66 columns: 9.1 %
        ((9.5, 2, 12, 8), None),  # half a pixel wide
        ((12, 2, 15, 8), None),
    ],
)
def test_a_box_that_is_mostly_lost_goes_with_its_weight(box, kept):
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor([box, (0.0, 0.0, 5.0, 5.0)]), format="XYXY", canvas_size=(10, 10), clamping_mode=None
    )
    out = DropLostBoxes()(
        {"image": torch.zeros(3, 10, 10), "boxes": boxes, "weights": torch.tensor([0.3, 0.7])}
    )
    assert out["boxes"].tolist() == [*([list(map(float, kept))] if kept else []), [0, 0, 5, 5]]
    torch.testing.assert_close(out["weights"], torch.tensor([0.3, 0.7] if kept else [0.7]))


def test_the_whole_pipeline_compares_with_the_unclipped_box(monkeypatch):
    """A crop that leaves a sliver of a box drops it: torchvision's own clipping would hide the loss."""
    monkeypatch.setattr(transforms, "MIN_SCALE", 0.05)
    transform = train_transform((60, 60), (0, 0, 0), (1, 1, 1), "light")
    torch.manual_seed(0)
    areas = []
    for _ in range(200):
        out = transform(sample_of([(0, 0, 30, 60)], 60, 60))
        areas += [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in out["boxes"].tolist()]
        assert len(out["boxes"]) == len(out["weights"])
    # crops only enlarge here, so a tenth of the box is at least a tenth of its 1800 pixels
    assert min(areas) >= 180
    assert 100 < len(areas) < 200


@pytest.mark.parametrize(("size", "augment"), [((0, 8), "none"), ((8, 8), "heavy")])
def test_unusable_options_are_refused(size, augment):
    with pytest.raises(ConfigError):
        train_transform(size, MEAN, STD, augment)
