"""The few-line interface: watch a forward pass, then combine its attention loss with any other loss."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from lesioncare.attention.inputs import Guided, guided_by_boxes, guided_by_masks, positive_labels
from lesioncare.attention.losses import AttentionLoss, CARELoss, InputGradientLoss
from lesioncare.attention.maps import class_maps, input_gradient, onto
from lesioncare.attention.options import Evidence, GuideOptions, Reduction
from lesioncare.attention.tap import Pass, tap
from lesioncare.attention.target import Target, find_target, resolve_layer
from lesioncare.errors import ConfigError, DataError, ModelError

Layer = nn.Module | str

__all__ = ["AttentionGuide", "Evidence", "GuideOptions", "Reduction"]


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
            Of several, in a list, each has its map, and L_att is the weighted mean of their losses.
        layer_weights: what each of several layers weighs, >= 0; scaled to the sum 1. Equal if not given.
        alpha: weight of the attention loss, in [0, 1].
        image_size: (H, W) that boxes refer to; the size of the model's input if not given. A model that takes
            tokens in place of images needs it.
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
        target_layer: Layer | Sequence[Layer] | None = None,
        layer_weights: Sequence[float] | None = None,
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
        self._layers = _layers(model, target_layer)
        self._shares = _shares(layer_weights, len(self._layers))
        if len(self._layers) > 1 and isinstance(self.loss, InputGradientLoss):
            raise ConfigError("InputGradientLoss looks at the image, so there are no layers to choose among.")
        self._targets: tuple[Target, ...] = ()
        self._passes: list[list[Pass]] = []

    @property
    def active(self) -> bool:
        """Whether attention counts at this step and epoch."""
        begun = self.step >= self.options.start_step and self.epoch >= self.options.start_epoch
        return begun and self.alpha > 0

    @property
    def found(self) -> bool:
        """Whether the target layers are known."""
        return bool(self._targets)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where the maps come from, in the order of `target_layer`; known once a pass was watched.

        Raises:
            ModelError: none was.
        """
        if not self._targets:
            raise ModelError("The target layer is found on the first watched pass; none was watched yet.")
        return self._targets

    @property
    def target(self) -> Target:
        """The first of `targets`."""
        return self.targets[0]

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
        with ExitStack() as taps:
            passes = [
                taps.enter_context(self._tap(index, input_gradient=by_input))
                for index in range(len(self._layers))
            ]
            yield
        self._passes = passes

    def combine(
        self,
        classification_loss: Tensor,
        target: Tensor,
        boxes: Sequence[Tensor] | None = None,
        weights: Tensor | Sequence[Tensor] | None = None,
        *,
        box_labels: Sequence[Tensor] | None = None,
        masks: Tensor | Sequence[Tensor | None] | None = None,
    ) -> Tensor:
        """Give (1 - alpha) L_cls + alpha L_att for the pass just watched, and count one step.

        Before attention begins the classification loss is given back as it is.

        Args:
            classification_loss: any scalar loss.
            target: class of each image, [N], integer; or which labels it has, [N, C], zeros and ones of any
                type. Then each positive label with a box has a map and a loss, and an image's attention loss
                is their mean.
            boxes: N tensors [n_i, 4], xyxy in pixels of the model's input; n_i = 0 where the image has no
                box or is not to be guided. Boxes are clipped to the image; what keeps no area drops out.
                Give either boxes or masks.
            weights: N tensors [n_i] in [0, 1]: how far each box is trusted. A map's loss is multiplied by
                the mean over its boxes; a box of weight 0 counts as none. All ones if not given. With
                masks, one tensor [N].
            box_labels: for several labels, N tensors [n_i], integer: the label that each box belongs to. A
                box of label -1 counts for every positive label of its image, as all do if not given; a box
                whose label is not positive counts for none.
            masks: what to look at in place of boxes, in [0, 1], of any type and the input's size: [N, H, W],
                or N tensors [H, W] or None. An image whose mask is None or 0 everywhere is not guided. For
                several labels, a mask counts for every positive one.

        Raises:
            ModelError: no forward pass was watched, or it recorded no graph.
            DataError: the numbers of targets, boxes, masks, weights, labels and images differ, a target is no
                class, a box is not finite, a mask or a weight not in [0, 1] or a box's label is none.
            ConfigError: evidence "contrast", and several labels.
        """
        active = self.active
        self.step += 1
        if not active:
            return classification_loss
        attention = self.attention_loss(target, boxes, weights, box_labels=box_labels, masks=masks)
        return (1 - self.alpha) * classification_loss + self.alpha * attention

    def attention_loss(
        self,
        target: Tensor,
        boxes: Sequence[Tensor] | None = None,
        weights: Tensor | Sequence[Tensor] | None = None,
        *,
        box_labels: Sequence[Tensor] | None = None,
        masks: Tensor | Sequence[Tensor | None] | None = None,
    ) -> Tensor:
        """Give L_att, a scalar, for the pass just watched; arguments and errors as for `combine`."""
        passes = self._take()
        logits = passes[0].logits
        guided = self._guided(passes[0], target, boxes, weights, box_labels=box_labels, masks=masks)
        if not guided:
            return logits.new_zeros((), dtype=torch.float32)
        with torch.autocast(logits.device.type, enabled=False):
            maps = self._maps(passes, guided, onto(logits.device, target))
            over = {"batch": len(logits), "boxed": len(guided[0].rows), "sum": 1}[self.options.reduction]
            losses = [self._loss(cams, part, over) for cams, part in zip(maps, guided, strict=True)]
            return reduce(add, losses)

    def class_activation_map(self, target: Tensor) -> Tensor:
        """Give the maps [N, h, w] of the pass just watched (`watch(always=True)`), of the first target layer.

        Args:
            target: the class to look for in each image, [N], integer.
        """
        passes = self._take()
        device = passes[0].logits.device
        rows, options = torch.arange(len(target), device=device), replace(self.options, evidence="class")
        with torch.autocast(device.type, enabled=False):
            return class_maps(passes[:1], self.targets[:1], rows, onto(device, target).long(), options)[0]

    def _tap(self, index: int, *, input_gradient: bool) -> AbstractContextManager[list[Pass]]:
        return tap(
            self.model,
            lambda: self.targets[index].layer,
            layout=lambda: self.targets[index].layout,
            before=self._find,
            input_gradient=input_gradient,
            image_size=self.image_size,
        )

    def _take(self) -> Sequence[Pass]:
        """The last pass as each layer's tap saw it, once: holding on to it would hold its graph in memory."""
        taken, self._passes = self._passes, []
        if not taken or not taken[0]:
            raise ModelError("No forward pass was watched: run the model inside `with guide.watch():` first.")
        if len(taken[0]) > 1:
            raise ModelError(
                f"The model ran {len(taken[0])} times inside one watch(); watch one pass at a time."
            )
        return [passes[0] for passes in taken]

    def _find(self, model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if not self._targets:
            self._targets = tuple(
                find_target(model, arguments, named, layer, image_size=self.image_size)
                for layer in self._layers
            )

    def _guided(
        self,
        watched: Pass,
        target: Tensor,
        boxes: Sequence[Tensor] | None,
        weights: Tensor | Sequence[Tensor] | None,
        *,
        box_labels: Sequence[Tensor] | None,
        masks: Tensor | Sequence[Tensor | None] | None,
    ) -> list[Guided]:
        """Check what was handed over, and find the maps that have something to look at."""
        images = len(watched.logits)
        size = self.image_size or (int(watched.image.shape[-2]), int(watched.image.shape[-1]))
        positive = positive_labels(target, watched.logits)
        if positive is not None and self.options.evidence == "contrast":
            raise ConfigError('evidence "contrast" has no meaning where an image may have several labels.')
        if boxes is not None and masks is None:
            return guided_by_boxes(images, boxes, weights, size, positive=positive, box_labels=box_labels)
        if masks is None or boxes is not None or box_labels is not None:
            raise DataError("Expected either `boxes`, perhaps with `box_labels`, or `masks`.")
        return guided_by_masks(images, masks, weights, size, positive=positive)

    def _maps(self, passes: Sequence[Pass], guided: Sequence[Guided], target: Tensor) -> list[list[Tensor]]:
        """The maps of every layer, for each part of what is guided."""
        device, maps = target.device, []
        if isinstance(self.loss, InputGradientLoss):
            gradient = input_gradient(passes[0], several_labels=target.ndim == 2)
            return [[gradient[onto(device, part.rows)]] for part in guided]
        for part in guided:
            rows = onto(device, part.rows)
            classes = target[rows].long() if part.classes is None else onto(device, part.classes)
            maps.append(class_maps(passes, self.targets, rows, classes, self.options))
        return maps

    def _loss(self, cams: Sequence[Tensor], guided: Guided, over: int) -> Tensor:
        """The weighted mean over layers of the loss of each map, summed over the maps and divided.

        All factors become one on the CPU: where steps are short, each operation on a GPU counts.
        """
        losses = []
        for cam, share in zip(cams, self._shares, strict=True):
            each = self.loss(cam, guided.regions(cam, self.options.resolution))  # [B]
            losses.append(each @ onto(each.device, guided.weights.to(each.dtype) * (share / over)))
        return reduce(add, losses)


def _layers(model: nn.Module, given: Layer | Sequence[Layer] | None) -> tuple[nn.Module | None, ...]:
    if given is None:
        return (None,)
    several = [given] if isinstance(given, (str, nn.Module)) else list(given)
    layers = tuple(resolve_layer(model, layer)[1] for layer in several)
    if not layers or len(set(layers)) < len(layers):
        raise ConfigError(f"Expected `target_layer` to name layers, each once, but got {several}.")
    return layers


def _shares(weights: Sequence[float] | None, layers: int) -> tuple[float, ...]:
    if weights is None:
        return (1 / layers,) * layers
    total = sum(weights)
    if len(weights) != layers or min(weights) < 0 or not 0 < total < math.inf:
        raise ConfigError(
            f"Expected `layer_weights` to be {layers} numbers of at least 0, not all 0, one for each target "
            f"layer, but got {list(weights)}."
        )
    return tuple(weight / total for weight in weights)
