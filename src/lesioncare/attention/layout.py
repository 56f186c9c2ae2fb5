"""How a layer's output becomes a map [N, K, h, w]: channels first, channels last, or tokens with a prefix."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from lesioncare.errors import ModelError

__all__ = ["Layout", "Size", "fits", "grid_of", "layouts_of", "prefix_of"]

Kind = Literal["channels first", "channels last", "tokens"]
Size = tuple[int, int]

_MOST_PREFIX_TOKENS = 32
_MOST_GUESSED_TOKENS = 5
"""A class token and four registers; a guess from the number of tokens alone must not go far for a grid."""


@dataclass(frozen=True)
class Layout:
    """Where channels and cells lie in a layer's output.

    Attributes:
        kind: "channels first" [N, K, h, w], "channels last" [N, h, w, K], or "tokens" [N, p + hw, K] with
            the cells row by row.
        prefix: p, the tokens before the cells: class, distillation and register tokens.
    """

    kind: Kind = "channels first"
    prefix: int = 0

    def __str__(self) -> str:
        return f"{self.kind} after {self.prefix}" if self.prefix else self.kind

    def to_map(self, output: Tensor, image_size: Size) -> Tensor:
        """View a layer's output as a map [N, K, h, w]; a gradient flows through the view.

        Args:
            output: shaped as `kind` says.
            image_size: (H, W) of the image, whose aspect tells the tokens' h and w.

        Raises:
            ModelError: this number of tokens makes no grid of the image's aspect.
        """
        if self.kind == "channels first":
            return output
        if self.kind == "channels last":
            return output.permute(0, 3, 1, 2)
        cells = output.shape[1] - self.prefix
        grid = grid_of(cells, image_size)
        if grid is None:
            raise ModelError(
                f"The target layer gave {cells} patch tokens, which make no grid over an image of "
                f"{image_size[0]} x {image_size[1]} pixels. Switch patch dropout or token merging off, or "
                "choose another target_layer."
            )
        return output[:, self.prefix :].transpose(1, 2).reshape(len(output), -1, *grid)

    def from_map(self, features: Tensor, output: Tensor) -> Tensor:
        """Undo `to_map`, as a copy: the map back in its place, the prefix tokens from the layer's output."""
        if self.kind == "channels first":
            return features.clone()
        if self.kind == "channels last":
            return features.permute(0, 2, 3, 1).clone()
        tokens = output.clone()  # with its strides, on which the rounding of a sum over tokens depends
        tokens[:, self.prefix :] = features.flatten(2).transpose(1, 2)
        return tokens

    def describes(self, output: object) -> bool:
        """Whether an output has the number of dimensions, and more tokens than the prefix."""
        if not isinstance(output, Tensor):
            return False
        if self.kind == "tokens":
            return output.ndim == 3 and output.shape[1] > self.prefix + 1
        return output.ndim == 4


def fits(grid: Size, image_size: Size) -> bool:
    """Whether h x w cells can be an image seen at one stride, give or take less than a cell at the border.

    >>> fits((14, 14), (224, 224)), fits((8, 64), (224, 224)), fits((7, 5), (100, 75))
    (True, False, True)
    """
    return grid[0] * grid[1] > 1 and _one_stride(grid, image_size, 1, 1)


def grid_of(cells: int, image_size: Size) -> Size | None:
    """The h x w = cells that an image has in patches of one size, the rest cut off or padded; None if none.

    >>> grid_of(196, (224, 224)), grid_of(140, (224, 160)), grid_of(197, (224, 224))
    ((14, 14), (14, 10), None)
    """
    grids = [(height, cells // height) for height in range(1, cells + 1) if cells % height == 0]
    fitting = [
        grid for grid in grids if _one_stride(grid, image_size, 1, 0) or _one_stride(grid, image_size, 0, 1)
    ]
    aspect = math.log(image_size[0] / image_size[1])
    return min(fitting, key=lambda grid: abs(math.log(grid[0] / grid[1]) - aspect), default=None)


def _one_stride(grid: Size, image_size: Size, cut_off: int, padded: int) -> bool:
    """Whether one stride p fits both sides: H / (h + cut_off) < p < H / (h - padded), and so for w."""
    sides = list(zip(grid, image_size, strict=True))
    if any(cells > pixels for cells, pixels in sides):
        return False
    least = max(pixels / (cells + cut_off) for cells, pixels in sides)
    most = min(pixels / (cells - padded) if cells > padded else math.inf for cells, pixels in sides)
    return least < most


def prefix_of(tokens: int, image_size: Size, stated: int | None, seen: Iterable[int]) -> int | None:
    """How many of a number of tokens come before the cells; None if no number leaves a grid.

    What the model states is believed where it leaves a grid; then comes a number that leaves as many cells
    as another layer's map has (the patch embedding's, say), then the smallest up to 5 that leaves any grid.

    Args:
        tokens: p + hw.
        image_size: (H, W).
        stated: the model's `num_prefix_tokens`, if it has one.
        seen: how many cells the maps of the model's other layers have.
    """
    numbers, known = range(tokens - 1), set(seen)
    candidates = [
        *([] if stated is None else [stated]),
        *(prefix for prefix in numbers[: _MOST_PREFIX_TOKENS + 1] if tokens - prefix in known),
        *numbers[: _MOST_GUESSED_TOKENS + 1],
    ]
    return next((prefix for prefix in candidates if grid_of(tokens - prefix, image_size) is not None), None)


def layouts_of(output: Tensor, image_size: Size, stated: int | None, seen: Iterable[int]) -> list[Layout]:
    """The layouts in which an output can be a map of the image: none, one, or two where shapes cannot tell.

    Args:
        output: of any shape.
        image_size: (H, W).
        stated: see `prefix_of`.
        seen: see `prefix_of`.
    """
    if output.ndim == 4:
        first, last = output.shape[2:], output.shape[1:3]
        return [
            *([Layout("channels first")] if fits((first[0], first[1]), image_size) else []),
            *([Layout("channels last")] if fits((last[0], last[1]), image_size) else []),
        ]
    if output.ndim == 3 and output.shape[1] > 1 and output.shape[2] > 1:
        prefix = prefix_of(output.shape[1], image_size, stated, seen)
        return [] if prefix is None else [Layout("tokens", prefix)]
    return []
