"""Cutting a network in two: a frozen part, whose features can be kept, and the part that learns."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from lesioncare.attention.trace import evaluation_mode
from lesioncare.errors import ModelError

__all__ = ["CutModel", "cut_model", "split_behind"]


@dataclass(frozen=True)
class CutModel:
    """A network's two parts; they share its parameters, so that what `trained` learns the network has.

    Attributes:
        layer: dotted name of the last frozen layer.
        frozen: images [N, 3, H, W] -> features; in evaluation mode, without gradients.
        trained: features -> logits [N, C].
    """

    layer: str
    frozen: nn.Module
    trained: nn.Module


def cut_model(network: nn.Module, layer: str, example: Tensor) -> CutModel:
    """Cut a network behind a layer and freeze what comes before.

    Only the modules that contain the layer are traced (torch.fx); all others stay whole, so that what
    happens inside them does not matter. That both parts together equal the network is verified on the
    example.

    Args:
        network: any module that gives logits [N, C] for one batch of images.
        layer: dotted name, or "auto": the last layer but one of those that timm lists as stages.
        example: images to verify the cut with, [N, 3, H, W].

    Raises:
        ModelError: there is no such layer, the network cannot be traced, or later layers use more than
            this layer's output.
    """
    layer = _last_stage_but_one(network) if layer == "auto" else layer
    frozen, trained = split_behind(network, layer)
    frozen.eval().requires_grad_(False)
    if not any(parameter.requires_grad for parameter in trained.parameters()):
        raise ModelError(f"Behind the layer {layer!r} nothing is left that could learn; freeze less.")
    _verify(network, frozen, trained, example)
    return CutModel(layer, frozen, trained)


def split_behind(network: nn.Module, layer: str) -> tuple[nn.Module, nn.Module]:
    """Give the parts of a network up to a layer and behind it; they share its parameters and their modes.

    Raises:
        ModelError: see `cut_model`.
    """
    if layer not in dict(network.named_modules()):
        children = ", ".join(name for name, _ in network.named_children())
        raise ModelError(f"The model has no layer {layer!r} to freeze up to. Its top layers are: {children}.")
    graph = _trace(network, layer)
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if len(calls) != 1:
        raise ModelError(
            f"The layer {layer!r} runs {len(calls)} times in one pass; the cut needs one that runs once."
        )
    parts = (
        fx.GraphModule(network, _graph_until(graph, calls[0])),
        fx.GraphModule(network, _graph_after(graph, calls[0], layer)),
    )
    if hasattr(network, "num_prefix_tokens"):  # timm's word for how many tokens are no patches
        parts[1].num_prefix_tokens = network.num_prefix_tokens
    return parts


class _Tracer(fx.Tracer):
    def __init__(self, open_modules: set[str]) -> None:
        super().__init__()
        self._open = open_modules

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return module_qualified_name not in self._open


def _trace(network: nn.Module, layer: str) -> fx.Graph:
    parts = layer.split(".")
    ancestors = {".".join(parts[:length]) for length in range(1, len(parts))}
    # What else `forward` takes keeps its default: a traced one would be an input of both parts.
    others = list(inspect.signature(network.forward).parameters.values())[1:]
    defaults = {other.name: other.default for other in others if other.default is not other.empty}
    try:
        return _Tracer(ancestors).trace(network, concrete_args=defaults)
    except Exception as error:
        raise ModelError(
            f"The model cannot be cut behind {layer!r}: {error}. Choose another layer, or --freeze none."
        ) from error


def _graph_until(graph: fx.Graph, cut: fx.Node) -> fx.Graph:
    first = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        copied[node] = first.node_copy(node, copied.__getitem__)
        if node is cut:
            break
    first.output(copied[cut])
    return first


def _graph_after(graph: fx.Graph, cut: fx.Node, layer: str) -> fx.Graph:
    second = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {cut: second.placeholder("features")}
    behind = False
    for node in graph.nodes:
        if behind or node.op == "get_attr":
            try:
                copied[node] = second.node_copy(node, copied.__getitem__)
            except KeyError as error:
                raise ModelError(
                    f"The model cannot be cut behind {layer!r}: a later layer also uses {error.args[0]}. "
                    "Choose another layer, or train with --freeze none."
                ) from error
        behind = behind or node is cut
    # Parameters of the network itself that only the frozen part uses, as a ViT's position embedding.
    for node in [node for node in second.nodes if node.op == "get_attr" and not node.users]:
        second.erase_node(node)
    return second


@torch.no_grad()
def _verify(network: nn.Module, frozen: nn.Module, trained: nn.Module, example: Tensor) -> None:
    with evaluation_mode(network):
        trained.eval()
        expected: Any = network(example)
        value: Any = trained(frozen(example))
    trained.training = network.training
    frozen.eval()
    if not torch.allclose(value, expected, rtol=1e-4, atol=1e-5):
        raise ModelError("The cut model gives other logits than the whole one; train with --freeze none.")


def _last_stage_but_one(network: nn.Module) -> str:
    info = getattr(network, "feature_info", None)
    stages = (
        [stage["module"] for stage in info]
        if isinstance(info, list)
        else list(getattr(info, "module_name", list)())
    )
    if len(stages) < 2:
        raise ModelError(
            "The model lists no stages, so --freeze auto cannot choose: name the last layer to freeze."
        )
    return str(stages[-2])
