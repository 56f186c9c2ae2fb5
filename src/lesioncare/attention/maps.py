"""From one watched forward pass to the maps of the guided images."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lesioncare.attention.cam import closed_form_cam, head_gradient_cams
from lesioncare.attention.options import GuideOptions
from lesioncare.attention.tap import Pass
from lesioncare.attention.target import Target
from lesioncare.errors import DataError, ModelError

__all__ = ["class_maps", "input_gradient", "onto"]


def class_maps(
    passes: Sequence[Pass],
    targets: Sequence[Target],
    rows: Tensor,
    classes: Tensor,
    options: GuideOptions,
) -> list[Tensor]:
    """Give the maps M [B, h, w] of each layer; h and w are the layer's own.

    Args:
        passes: what each layer's tap saw of one forward pass.
        targets: the layers.
        rows: which images, [B], each once.
        classes: the class whose map is asked for, [B].
        options: how maps are made.

    Raises:
        ModelError: a layer did not run, or no graph was recorded where one is needed.
        DataError: there is no such class; looked at on the CPU alone, for a GPU would have to be waited for.
    """
    logits = passes[0].logits
    if classes.device.type == "cpu" and len(classes):
        low, high = classes.aminmax()
        if int(low) < 0 or int(high) >= logits.shape[1]:
            raise DataError(f"Expected classes in [0, {logits.shape[1]}), but got {classes.tolist()}.")
    rival = _rival(logits[rows], classes) if options.evidence == "contrast" else None
    features = [_features(watched, target) for watched, target in zip(passes, targets, strict=True)]
    cams: list[Tensor | None] = [
        None
        if target.linear is None
        else closed_form_cam(
            layer.index_select(0, rows),
            target.linear.weight,
            classes,
            options.gradient,
            rival=rival,
            method=options.cam,
        )
        for layer, target in zip(features, targets, strict=True)
    ]
    without = [layer for layer, cam in zip(features, cams, strict=True) if cam is None]
    if not without:  # the usual case: one layer before a linear head
        return [cam for cam in cams if cam is not None]
    differentiated = iter(
        head_gradient_cams(without, logits, rows, classes, options.gradient, rival=rival, method=options.cam)
    )
    return [next(differentiated) if cam is None else cam for cam in cams]


def input_gradient(watched: Pass, *, several_labels: bool = False) -> Tensor:
    """d/dx sum_nk log p_nk at the watched images, differentiable, [N, C, H, W].

    p is the softmax of the logits; for several labels, the two outcomes p and 1 - p of each label's sigmoid.
    """
    if not watched.logits.requires_grad:
        raise ModelError("The input gradient needs a graph: run the forward pass without torch.no_grad().")
    logits = watched.logits.float()
    if several_labels:
        score = functional.logsigmoid(logits).sum() + functional.logsigmoid(-logits).sum()
    else:
        score = logits.log_softmax(dim=1).sum()
    (gradient,) = torch.autograd.grad(score, watched.image, create_graph=True)
    return gradient.float()


def onto(device: torch.device, tensor: Tensor) -> Tensor:
    """The tensor on a device, without waiting for the device where it comes from the CPU."""
    return tensor.to(device, non_blocking=tensor.device.type == "cpu")


def _features(watched: Pass, target: Target) -> Tensor:
    if len(watched.features) <= target.run:
        raise ModelError(f"The target layer {target.name!r} did not run in the watched pass.")
    return watched.features[target.run]


def _rival(logits: Tensor, target: Tensor) -> Tensor:
    """The class of the largest logit besides the target, [B]."""
    if logits.shape[1] < 2:
        raise ModelError('evidence "contrast" needs two classes or more, but the model has one logit.')
    others = logits.detach().scatter(1, target[:, None], -torch.inf)
    return others.argmax(dim=1)
