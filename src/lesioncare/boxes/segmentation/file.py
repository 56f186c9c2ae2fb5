"""The file of a trained segmenter: safetensors, with what rebuilds the network as metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lesioncare.boxes.segmentation.base import IMAGENET_MEAN, IMAGENET_STD, NetworkSegmenter
from lesioncare.boxes.segmentation.tiny import TinyUNet
from lesioncare.errors import ModelError

_KEY = "lesioncare.segmenter"

__all__ = ["SegmenterSpec", "build_network", "load_segmenter_file", "save_segmenter"]


@dataclass(frozen=True)
class SegmenterSpec:
    """What rebuilds a segmenter, beside its weights.

    Args:
        kind: "tiny", or "unet": a U-Net of segmentation_models_pytorch.
        encoder: of the U-Net: a timm model's name.
        size: (h, w) that the network sees.
        mean: of each channel, for values in [0, 1].
        std: of each channel, for values in [0, 1].
        mirrored: whether masks of mirror images are averaged.
        card: what a reader should know: data, licence, scores, seed.
    """

    kind: Literal["tiny", "unet"] = "tiny"
    encoder: str | None = None
    size: tuple[int, int] = (128, 128)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    mirrored: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)


def build_network(spec: SegmenterSpec) -> nn.Module:
    """The network of a spec, with random weights.

    Raises:
        ModelError: timm has no such encoder, or segmentation_models_pytorch cannot use it.
    """
    if spec.kind == "tiny":
        return TinyUNet()
    import segmentation_models_pytorch as smp  # noqa: PLC0415  slow to load, and the tiny one needs it not

    try:
        network: nn.Module = smp.Unet(f"tu-{spec.encoder}", encoder_weights=None, classes=1)
    except Exception as error:
        raise ModelError(f"no U-Net can be made with the encoder {spec.encoder!r}: {error}") from error
    return network


def save_segmenter(
    path: Path, spec: SegmenterSpec, weights: Mapping[str, Tensor], *, half: bool = False
) -> None:
    """Write the file, whole or not at all.

    Args:
        path: `.safetensors`.
        spec: of the network.
        weights: its state dict.
        half: store float16, at half the size.
    """
    kind = torch.float16 if half else torch.float32
    state = {
        name: tensor.detach().cpu().to(kind if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in weights.items()
    }
    partial = path.with_name(f"{path.name}.part")
    save_file(state, partial, metadata={_KEY: json.dumps(asdict(spec))})
    partial.replace(path)


def read_spec(path: Path) -> SegmenterSpec:
    """What the file says about its network.

    Raises:
        ModelError: the file is not there, is damaged, or is not of lesioncare.
    """
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not a readable safetensors file ({error}).") from error
    if text is None:
        raise ModelError(
            f"{path}: these weights are of no segmenter that `lesioncare segmenter train` made. Give its "
            "file, the folder of a segmentation_models_pytorch or SAM model, or an .onnx file."
        )
    try:
        fields = json.loads(text)
        return SegmenterSpec(
            kind=fields["kind"],
            encoder=fields["encoder"],
            size=(int(fields["size"][0]), int(fields["size"][1])),
            mean=tuple(map(float, fields["mean"])),
            std=tuple(map(float, fields["std"])),
            mirrored=bool(fields.get("mirrored", False)),
            card=dict(fields["card"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path}: its description of the network is damaged ({error}).") from error


def load_segmenter_file(path: Path) -> NetworkSegmenter:
    """The segmenter of a file that `save_segmenter` wrote.

    Raises:
        ModelError: as for `read_spec`, or the weights do not fit the network.
    """
    spec = read_spec(path)
    network = build_network(spec)
    try:
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dictionary
        network.load_state_dict(state)
    except (RuntimeError, OSError, SafetensorError) as error:
        raise ModelError(f"{path}: the weights do not fit the network: {error}") from error
    return NetworkSegmenter(network.float().eval(), spec.size, spec.mean, spec.std, mirrored=spec.mirrored)
