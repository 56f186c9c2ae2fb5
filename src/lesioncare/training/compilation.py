"""Compiling what learns (torch.compile) without taking the attention map's layer out of sight.

A compiled graph shows nothing of its inside, and cannot be differentiated twice, as the map of most heads
asks for. So the network is cut behind the map's layer: all up to it becomes one compiled graph; the head,
which is pooling and a layer or two, stays as it is. The map is taken at the cut, outside of any graph.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lesioncare.attention import AttentionGuide, InputGradientLoss
from lesioncare.attention.trace import evaluation_mode
from lesioncare.errors import ConfigError, ModelError
from lesioncare.training.attention import find_layer
from lesioncare.training.cut import split_behind

__all__ = ["CompiledTrunk", "compile_trunk", "refusing_to_compile"]

Backend = str | Callable[..., Any]


class CompiledTrunk(nn.Module):
    """A network whose part up to a layer is one compiled graph; the same parameters, logits and gradients.

    Args:
        network: inputs -> logits [N, C].
        layer: dotted name of the map's layer.
        backend: of torch.compile.

    Raises:
        ModelError: the network cannot be cut behind the layer.
    """

    def __init__(self, network: nn.Module, layer: str, backend: Backend = "inductor") -> None:
        super().__init__()
        trunk, self.head = split_behind(network, layer)
        self._trunk = torch.compile(trunk, backend=backend)
        self.map = nn.Identity()  # where a guide looks
        self.layer = layer

    def forward(self, inputs: Tensor) -> Tensor:
        """Give the logits."""
        logits: Tensor = self.head(self.map(self._trunk(inputs)))
        return logits


def compile_trunk(
    network: nn.Module,
    layer: str,
    example: Tensor,
    guide_of: Callable[[nn.Module, str], AttentionGuide],
    backend: Backend = "inductor",
) -> AttentionGuide:
    """Give a guide of the network with its trunk compiled: `guide.model` is what must be called.

    Nothing is compiled before the first step; that the parts give the network's logits is verified on the
    example, uncompiled.

    Args:
        network: inputs -> logits [N, C].
        layer: dotted name of the map's layer.
        example: inputs to verify it with.
        guide_of: makes the guide of a module and its target layer.
        backend: of torch.compile.

    Raises:
        ModelError: the network cannot be cut behind the layer, or gives other logits then.
        ConfigError: the guide differentiates the whole network twice.
    """
    try:
        compiled = CompiledTrunk(network, layer, backend)
    except ModelError as error:
        raise ModelError(f"{error} Or train without --compile.") from error
    guide = guide_of(compiled, "map")
    if isinstance(guide.loss, InputGradientLoss):
        raise ConfigError(
            "--attention input-gradient differentiates the whole network twice, which no compiled graph can. "
            "Choose another, or train without --compile."
        )
    with torch.compiler.set_stance("force_eager"):  # what hooks see would be compiled with them
        found = find_layer(guide, example)
        with evaluation_mode(network), torch.no_grad():
            expected = network(example)
    if not torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
        raise ModelError("The cut network gives other logits than the whole one. Train without --compile.")
    return guide


@contextmanager
def refusing_to_compile() -> Iterator[None]:
    """Turn a compiler's failure, such as that there is none, into one error.

    Raises:
        ConfigError: in place of torch's own.
    """
    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise ConfigError(f"The network could not be compiled: {reason} Train without --compile.") from error
