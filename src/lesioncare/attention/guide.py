"""The few-line interface: watch a forward pass, then combine its attention loss with any other loss."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lesioncare.attention.cam import Gradient, closed_form_cam, head_gradient_cam
from lesioncare.attention.inputs import check_target, guided_by_boxes
from lesioncare.attention.losses import AttentionLoss, CARELoss, InputGradientLoss
from lesioncare.attention.regions import Regions, Resolution
from lesioncare.attention.tap import Pass, tap
from lesioncare.attention.target import Target, find_target, resolve_layer
from lesioncare.errors import ConfigError, ModelError

Reduction = Literal["batch", "boxed", "sum"]
Evidence = Literal["class", "contrast"]

__all__ = ["AttentionGuide", "Evidence", "GuideOptions", "Reduction"]


@dataclass(frozen=True)
class GuideOptions:
    """How the maps are made and when attention begins.

    Attributes:
        gradient: "full" differentiates through the map's weights a_k; "half" takes them as constants, as
            the published code does.
        reduction: how the losses of a batch's boxed images become one number. "batch": their sum divided
            by the batch size, so that an image's attention weighs as much as its classification. "boxed":
            divided by the number of boxed images. "sum": not divided, as the published code does.
        resolution: compare at the map's size ("feature"), or as if the map had been upsampled to the image
            ("image"): exactly so for the losses that weigh the map linearly, CARE and energy.
        evidence: whose map is compared with the boxes. "class": that of the own class, s_y. "contrast":
            that of s_y - s_r, with r the other class of the largest logit: what speaks for the own class *and
            against the one that it is mistaken for* must lie in the box, and evidence that both share, inside
            or outside, does not count.
        start_step: attention begins after this many calls of `combine` (the paper's second stage).
        start_epoch: attention begins in this epoch, counted from 0; tell the epoch with `set_epoch`.
    """

    gradient: Gradient = "full"
    reduction: Reduction = "batch"
    resolution: Resolution = "feature"
    evidence: Evidence = "class"
    start_step: int = 0
    start_epoch: int = 0

    def __post_init__(self) -> None:
        _check_choice("gradient", self.gradient, ("full", "half"))
        _check_choice("reduction", self.reduction, ("batch", "boxed", "sum"))
        _check_choice("resolution", self.resolution, ("feature", "image"))
        _check_choice("evidence", self.evidence, ("class", "contrast"))
        if self.start_step < 0 or self.start_epoch < 0:
            raise ConfigError("Expected `start_step` and `start_epoch` to be at least 0.")


class AttentionGuide:
    r"""Teaches a classifier, in training only, to look at the boxes of the images that have some.

        L = (1 - alpha) L_cls + alpha L_att

    L_att compares the class activation map of each boxed image's own class with its boxes. The model is
    not changed: its parameters, its outputs and its `state_dict` stay what they are, and hooks live only
    inside `watch`. The target layer and the kind of head are found on the first watched pass.

    Args:
        model: any module that gives logits [N, C] for images [N, 3, H, W].
        loss: what the maps are asked for; `CARELoss()` if none is given.
        target_layer: the layer whose output is the map's features, or its dotted name; found if not given.
        alpha: weight of the attention loss, in [0, 1].
        image_size: (H, W) that boxes refer to; the size of the model's input if not given.
        options: any field of `GuideOptions`, by name.

    Example:
        >>> import torch, timm
        >>> model = timm.create_model("test_resnet", num_classes=3)
        >>> guide = AttentionGuide(model, loss=CARELoss(tau=0.9), alpha=0.5)
        >>> images, labels = torch.rand(2, 3, 64, 64), torch.tensor([0, 2])
        >>> boxes = [torch.empty(0, 4), torch.tensor([[10.0, 12.0, 40.0, 44.0]])]  # image 0 has none
        >>> with guide.watch():
        ...     logits = model(images)
        >>> loss = guide.combine(torch.nn.functional.cross_entropy(logits, labels), labels, boxes)
        >>> loss.backward()
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: AttentionLoss | None = None,
        target_layer: nn.Module | str | None = None,
        alpha: float = 0.5,
        image_size: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ConfigError(f"Expected `alpha` to be in [0, 1], but got {alpha}.")
        self.model = model
        self.loss: AttentionLoss = CARELoss() if loss is None else loss
        self.alpha = alpha
        self.image_size = image_size
        self.options = GuideOptions(**options)
        self.step = 0
        self.epoch = 0
        self._target: Target | None = None
        self._layer = None if target_layer is None else resolve_layer(model, target_layer)[1]
        self._passes: list[Pass] = []

    @property
    def active(self) -> bool:
        """Whether attention counts at this step and epoch."""
        begun = self.step >= self.options.start_step and self.epoch >= self.options.start_epoch
        return begun and self.alpha > 0

    @property
    def found(self) -> bool:
        """Whether the target layer is known."""
        return self._target is not None

    @property
    def target(self) -> Target:
        """Where the map comes from; known once a pass was watched.

        Raises:
            ModelError: none was.
        """
        if self._target is None:
            raise ModelError("The target layer is found on the first watched pass; none was watched yet.")
        return self._target

    def set_epoch(self, epoch: int) -> None:
        """Tell which epoch begins, counted from 0; needed for `start_epoch` only."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """Give the step and epoch, to go on later."""
        return {"step": self.step, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on at the step and epoch that `state_dict` gave."""
        self.step, self.epoch = state["step"], state["epoch"]

    @contextmanager
    def watch(self, *, always: bool = False) -> Iterator[None]:
        """Capture what one forward pass of the model shows; no hook is left after the block.

        Before attention begins (`start_step`, `start_epoch`) nothing is hooked and the pass is the plain
        one, unless `always` asks for the map all the same.

        Raises:
            ModelError: at the model's call, if no target layer can be found.
        """
        self._passes = []
        if not (self.active or always):
            yield
            return
        by_input = isinstance(self.loss, InputGradientLoss)
        with tap(self.model, lambda: self.target.layer, before=self._find, input_gradient=by_input) as passes:
            yield
        self._passes = passes

    def combine(
        self,
        classification_loss: Tensor,
        target: Tensor,
        boxes: Sequence[Tensor],
        weights: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Give (1 - alpha) L_cls + alpha L_att for the pass just watched, and count one step.

        Before attention begins the classification loss is given back as it is.

        Args:
            classification_loss: any scalar loss.
            target: class of each image, [N], integer.
            boxes: N tensors [n_i, 4], xyxy in pixels of the model's input; n_i = 0 where the image has no
                box or is not to be guided. Boxes are clipped to the image; what keeps no area drops out.
            weights: N tensors [n_i] in [0, 1]: how far each box is trusted. An image's attention loss is
                multiplied by the mean over its boxes; a box of weight 0 counts as none. All ones if not
                given.

        Raises:
            ModelError: no forward pass was watched, or it recorded no graph.
            DataError: the numbers of targets, boxes, weights and images differ, a target is no class, a
                box is not finite or a weight not in [0, 1].
        """
        active = self.active
        self.step += 1
        if not active:
            return classification_loss
        attention = self.attention_loss(target, boxes, weights)
        return (1 - self.alpha) * classification_loss + self.alpha * attention

    def attention_loss(
        self, target: Tensor, boxes: Sequence[Tensor], weights: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Give L_att, a scalar, for the pass just watched; arguments and errors as for `combine`."""
        watched = self._take()
        images, device = len(watched.logits), watched.logits.device
        size = self.image_size or (int(watched.image.shape[-2]), int(watched.image.shape[-1]))
        check_target(target, images)
        guided = guided_by_boxes(images, boxes, weights, size)
        if not len(guided):
            return watched.logits.new_zeros((), dtype=torch.float32)
        with torch.autocast(device.type, enabled=False):
            maps = self._maps(watched, _onto(device, guided.rows), _onto(device, target))
            regions = Regions(
                guided.boxes,
                size,
                (maps.shape[-2], maps.shape[-1]),
                resolution=self.options.resolution,
                device=device,
                dtype=maps.dtype,
            )
            losses = self.loss(maps, regions) * _onto(device, guided.trust.to(maps.dtype))
        return losses.sum() / {"batch": images, "boxed": len(guided), "sum": 1}[self.options.reduction]

    def class_activation_map(self, target: Tensor) -> Tensor:
        """Give the maps [N, h, w] of the pass just watched (`watch(always=True)`).

        Args:
            target: the class to look for in each image, [N], integer.
        """
        watched = self._take()
        device = watched.logits.device
        with torch.autocast(device.type, enabled=False):
            return self._cam(watched, torch.arange(len(target), device=device), _onto(device, target))

    def _take(self) -> Pass:
        """The last pass, once: holding on to it would hold its graph in memory."""
        passes, self._passes = self._passes, []
        if not passes:
            raise ModelError("No forward pass was watched: run the model inside `with guide.watch():` first.")
        if len(passes) > 1:
            raise ModelError(
                f"The model ran {len(passes)} times inside one watch(); watch one pass at a time."
            )
        return passes[0]

    def _find(self, model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if self._target is None:
            self._target = find_target(model, arguments, named, self._layer)

    def _maps(self, watched: Pass, rows: Tensor, target: Tensor) -> Tensor:
        if isinstance(self.loss, InputGradientLoss):
            return _input_gradient(watched)[rows]
        own = target[rows]
        rival = _rival(watched.logits[rows], own) if self.options.evidence == "contrast" else None
        return self._cam(watched, rows, own, rival)

    def _cam(self, watched: Pass, rows: Tensor, target: Tensor, rival: Tensor | None = None) -> Tensor:
        run, linear, gradient = self.target.run, self.target.linear, self.options.gradient
        if len(watched.features) <= run:
            raise ModelError(f"The target layer {self.target.name!r} did not run in the watched pass.")
        features = watched.features[run]
        if linear is not None:
            return closed_form_cam(features[rows], linear.weight, target, gradient, rival=rival)
        return head_gradient_cam(features, watched.logits, rows, target, gradient, rival=rival)


def _onto(device: torch.device, tensor: Tensor) -> Tensor:
    """The tensor on a device, without waiting for the device where it comes from the CPU."""
    return tensor.to(device, non_blocking=tensor.device.type == "cpu")


def _rival(logits: Tensor, target: Tensor) -> Tensor:
    """The class of the largest logit besides the target, [B]."""
    if logits.shape[1] < 2:
        raise ModelError('evidence "contrast" needs two classes or more, but the model has one logit.')
    others = logits.detach().scatter(1, target[:, None], -torch.inf)
    return others.argmax(dim=1)


def _input_gradient(watched: Pass) -> Tensor:
    """d/dx sum_nk log p_nk at the watched images, [N, C, H, W], differentiable."""
    if not watched.logits.requires_grad:
        raise ModelError("The input gradient needs a graph: run the forward pass without torch.no_grad().")
    score = watched.logits.float().log_softmax(dim=1).sum()
    (gradient,) = torch.autograd.grad(score, watched.image, create_graph=True)
    return gradient.float()


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"Expected `{name}` to be one of {', '.join(choices)}, but got {value!r}.")
