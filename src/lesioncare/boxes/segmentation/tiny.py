"""A U-Net small enough to be shipped and to run on one core."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 24, 48, 96, 128)

__all__ = ["WIDTHS", "TinyUNet"]


class TinyUNet(nn.Module):
    """U-Net of inverted residual blocks: 0.33 million weights.

    The encoder halves the image once per width; each decoder step enlarges (bilinear), joins the encoder's
    features of that size and mixes them by a separable convolution. Scores are made at half the image's size.

    Source: Ronneberger et al., MICCAI 2015 (U-Net); Sandler et al., CVPR 2018 (blocks).

    Args:
        widths: channels at 1/2, 1/4, ... of the image's size.
        expansion: of the blocks.
        depth: blocks per size, from the second size on.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, expansion: int = 3, depth: int = 2) -> None:
        super().__init__()
        first, *others = widths
        self.stem = _conv(3, first, 3, stride=2)
        self.encoder = nn.ModuleList()
        width = first
        for wider in others:
            blocks = [_Block(width, wider, expansion, stride=2)]
            blocks += [_Block(wider, wider, expansion) for _ in range(depth - 1)]
            self.encoder.append(nn.Sequential(*blocks))
            width = wider
        self.decoder = nn.ModuleList()
        for narrower in reversed((first, *others[:-1])):
            self.decoder.append(_separable(width + narrower, narrower))
            width = narrower
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] -> scores [N, 1, H / 2, W / 2]; H and W of at least 2 ** len(widths) pixels."""
        features = [self.stem(images)]
        for stage in self.encoder:
            features.append(stage(features[-1]))
        deep = features.pop()
        for step in self.decoder:
            skip = features.pop()
            deep = functional.interpolate(deep, skip.shape[-2:], mode="bilinear", align_corners=False)
            deep = step(torch.cat([deep, skip], 1))
        scores: Tensor = self.head(deep)
        return scores


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; added to its input where the shapes agree."""

    def __init__(self, width: int, wider: int, expansion: int, *, stride: int = 1) -> None:
        super().__init__()
        inner = width * expansion
        self.body = nn.Sequential(
            _conv(width, inner, 1),
            _conv(inner, inner, 5 if stride == 1 else 3, stride=stride, groups=inner),
            nn.Conv2d(inner, wider, 1, bias=False),
            nn.BatchNorm2d(wider),
        )
        self.residual = stride == 1 and width == wider

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.body(features)
        return features + changed if self.residual else changed


def _conv(width: int, wider: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, wider, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(wider),
        nn.Hardswish(),
    )


def _separable(width: int, narrower: int) -> nn.Sequential:
    return nn.Sequential(_conv(width, width, 3, groups=width), _conv(width, narrower, 1))
