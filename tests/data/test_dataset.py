import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from lesioncare.data import (
    EpochSampler,
    ImageDataset,
    boxes_by_image,
    check_images,
    collate,
    eval_transform,
    train_transform,
)
from lesioncare.errors import DataError

TEXT = "image,label,x1,y1,x2,y2\na,x,2,1,12,9\nb,y,,,,\nc,y,0,0,5,5\nc,y,5,5,20,10\nd,x,1,1,4,4\n"
PLAIN = eval_transform((10, 20), (0, 0, 0), (1, 1, 1))


def random_transform():
    return train_transform((16, 16), (0, 0, 0), (1, 1, 1), "dermoscopy")


@pytest.fixture
def table(load):
    return load(TEXT)


def test_an_item_is_the_image_with_its_boxes(table, folder):
    item = ImageDataset(table, [3, 2], PLAIN)[1]
    pixels = np.asarray(Image.open(folder / "c.png"), dtype=np.float32) / 255
    np.testing.assert_allclose(item["image"].permute(1, 2, 0), pixels, atol=1e-6)
    assert (item["label"], item["position"]) == (1, 2)
    assert item["boxes"].tolist() == [[0, 0, 5, 5], [5, 5, 20, 10]]
    assert item["weights"].tolist() == [1, 1]
    assert type(item["image"]) is type(item["boxes"]) is torch.Tensor


def test_collate_joins_images_and_lists_boxes(table):
    data = ImageDataset(table, [0, 1, 2], PLAIN)
    batch = collate([data[0], data[1], data[2]])
    assert batch["images"].shape == (3, 3, 10, 20)
    assert batch["labels"].tolist() == [0, 1, 1]
    assert batch["labels"].dtype == batch["positions"].dtype == torch.int64
    assert [tuple(boxes.shape) for boxes in boxes_by_image(batch)[0]] == [(1, 4), (0, 4), (2, 4)]
    assert [weights.tolist() for weights in boxes_by_image(batch)[1]] == [[1], [], [1, 1]]
    assert batch["positions"].tolist() == [0, 1, 2]


def test_augmentation_depends_on_seed_epoch_and_position_alone(table):
    data = ImageDataset(table, [0, 1, 2, 3], random_transform(), seed=5)
    first = data[(2, 1)]["image"]
    torch.rand(7)
    other_order = ImageDataset(table, [1, 0], random_transform(), seed=5)
    torch.testing.assert_close(other_order[(2, 0)]["image"], first, rtol=0, atol=0)
    for other in (data[(3, 1)], ImageDataset(table, [1], random_transform(), seed=6)[(2, 0)]):
        assert not torch.equal(other["image"], first)
    assert torch.equal(data[1]["image"], data[(0, 1)]["image"])


def test_the_callers_random_state_is_left_alone(table):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    _ = ImageDataset(table, [0], random_transform())[0]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
def test_workers_change_nothing(table):
    def epoch(workers):
        data = ImageDataset(table, range(4), random_transform(), seed=1)
        sampler = EpochSampler(4, seed=1, shuffle=True, epoch=3)
        loader = DataLoader(data, 2, sampler=sampler, num_workers=workers, collate_fn=collate)
        return [batch["images"] for batch in loader]

    for ours, theirs in zip(epoch(0), epoch(2), strict=True):
        assert torch.equal(ours, theirs)


def test_sampler_order_depends_on_seed_and_epoch():
    sampler = EpochSampler(20, seed=4, shuffle=True)
    first = list(sampler)
    assert sorted(first) == [(0, index) for index in range(20)]
    assert (first == list(sampler), len(sampler)) == (True, 20)
    sampler.set_epoch(1)
    second = list(sampler)
    assert {epoch for epoch, _ in second} == {1}
    assert [index for _, index in second] != [index for _, index in first]
    assert second == list(EpochSampler(20, seed=4, shuffle=True, epoch=1))
    assert second != list(EpochSampler(20, seed=5, shuffle=True, epoch=1))
    assert list(EpochSampler(3, seed=0, shuffle=False, epoch=2)) == [(2, 0), (2, 1), (2, 2)]


def test_a_damaged_image_is_named_with_its_row(table, folder):
    (folder / "c.png").write_bytes((folder / "c.png").read_bytes()[:200])
    with pytest.raises(DataError, match=r"table.csv, row 4: .*c.png"):
        _ = ImageDataset(table, [2], PLAIN)[0]


@pytest.mark.slow
def test_a_worker_process_names_a_damaged_image_in_one_line(table, folder):
    (folder / "c.png").write_bytes(b"")
    loader = DataLoader(ImageDataset(table, [2], PLAIN), num_workers=1, collate_fn=collate)
    with pytest.raises(DataError) as error:
        next(iter(loader))
    assert str(error.value).count("\n") == 0
    assert str(error.value).startswith(f"{folder / 'table.csv'}, row 4: ")


def test_check_images_decodes_all_and_reports_progress(table):
    done = []
    check_images(table, progress=done.append)
    assert done == [1, 2, 3, 4]


def test_check_images_lists_the_damaged(table, folder):
    (folder / "a.png").write_bytes(b"")
    (folder / "c.png").write_bytes((folder / "c.png").read_bytes()[:200])
    (folder / "d.png").unlink()
    with pytest.raises(
        DataError, match=r"3 of 4 images.*row 2: .*a.png.*row 4: .*c.png.*row 6: .*d.png.*Replace"
    ):
        check_images(table)
    check_images(table, [1])
