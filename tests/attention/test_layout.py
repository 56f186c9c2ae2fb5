import pytest
import torch

from lesioncare.attention.layout import Layout, fits, grid_of, layouts_of, prefix_of


@pytest.mark.parametrize(
    ("grid", "image", "fit"),
    [
        ((7, 7), (224, 224), True),
        ((8, 8), (299, 299), True),  # convolutions without padding
        ((14, 10), (512, 384), True),
        ((2, 1), (128, 96), True),
        ((1, 1), (32, 32), False),  # no map
        ((8, 64), (224, 224), False),
        ((197, 64), (224, 224), False),  # tokens by channels
        ((14, 10), (384, 512), False),
        ((300, 300), (224, 224), False),
    ],
)
def test_which_maps_fit_an_image(grid, image, fit):
    assert fits(grid, image) == fit


@pytest.mark.parametrize(
    ("cells", "image", "grid"),
    [
        (196, (224, 224), (14, 14)),
        (140, (224, 160), (14, 10)),
        (140, (160, 224), (10, 14)),
        (24, (100, 75), (6, 4)),  # 16 pixel patches, the rest cut off
        (35, (100, 75), (7, 5)),  # the rest padded
        (197, (224, 224), None),
        (1, (224, 224), (1, 1)),
    ],
)
def test_the_grid_of_a_number_of_tokens(cells, image, grid):
    assert grid_of(cells, image) == grid


@pytest.mark.parametrize(
    ("tokens", "stated", "seen", "prefix"),
    [
        (197, 1, (), 1),
        (201, 5, (), 5),
        (201, None, (), 5),
        (196, 1, (), 0),  # before the class token is added
        (212, None, (196,), 16),  # sixteen registers, told by the patch embedding
        (212, None, (), None),
        (50, None, (), 1),
        (9, 5, (), 5),
        (9, None, (4,), 5),
        (9, None, (), 0),
    ],
)
def test_the_tokens_before_the_patches(tokens, stated, seen, prefix):
    assert prefix_of(tokens, (224, 224), stated, seen) == prefix


def test_one_cell_is_no_grid():
    assert prefix_of(3, (32, 32), None, ()) is None
    assert prefix_of(5, (32, 32), None, ()) == 1


def test_shapes_tell_the_layout():
    def kinds(*shape):
        return [str(layout) for layout in layouts_of(torch.zeros(shape), (64, 64), None, ())]

    assert kinds(2, 32, 4, 4) == ["channels first"]
    assert kinds(2, 4, 4, 32) == ["channels last"]
    assert kinds(2, 4, 4, 4) == ["channels first", "channels last"]
    assert kinds(2, 17, 32) == ["tokens after 1"]
    assert kinds(2, 32) == kinds(2, 3, 4, 4, 4) == kinds(2, 1, 32) == []


def test_what_a_layout_describes():
    assert not Layout("tokens", 2).describes(torch.zeros(2, 3, 8))
    assert not Layout("tokens").describes(torch.zeros(2, 8))
    assert not Layout("channels last").describes([torch.zeros(2, 3, 3, 8)])
