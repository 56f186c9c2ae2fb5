"""The files that an export consists of: how each is written, and how it is opened again to be verified."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from lesioncare.deploy.manifest import Preprocessing
from lesioncare.deploy.onnx_runtime import Floats32, Runner, open_onnx
from lesioncare.errors import ConfigError, ModelError
from lesioncare.training.models import first_line

__all__ = ["FORMATS", "Exportable", "Format", "chosen_formats", "write_format"]


@dataclass(frozen=True)
class Exportable:
    """A network that is ready to be exported.

    Attributes:
        network: on the CPU, in evaluation mode.
        classes: in the order of its logits.
        preprocessing: of its inputs.
    """

    network: nn.Module
    classes: tuple[str, ...]
    preprocessing: Preprocessing

    @property
    def example(self) -> Tensor:
        """Two inputs, [2, 3, H, W]: of a batch of one, some exporters take the size for a constant."""
        size = (self.preprocessing.height, self.preprocessing.width)
        return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class Format:
    """One format of exported files.

    Attributes:
        file: its name in the export's directory.
        write: writes the file, and what belongs to it, at a path.
        open: gives back what runs it; must not need anything but the written files.
    """

    file: str
    write: Callable[[Exportable, Path], None]
    open: Callable[[Path], Runner]


def write_format(name: str, network: Exportable, directory: Path) -> Runner:
    """Write one format into a directory and open it again.

    Raises:
        ModelError: the network cannot be exported in this format; the message says why.
        ConfigError: a package is not installed.
    """
    form = FORMATS[name]
    path = directory / form.file
    try:
        with _quiet(), torch.no_grad():
            form.write(network, path)
            return form.open(path)
    except (ConfigError, ModelError):
        raise
    except Exception as error:
        raise ModelError(f"{name}: {first_line(error)}") from error


def chosen_formats(text: str | None) -> tuple[str, ...] | None:
    """The formats that "onnx,timm" names; None for None.

    Raises:
        ConfigError: there is no such format.
    """
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    wrong = [name for name in names if name not in FORMATS]
    if wrong:
        raise ConfigError(f"--formats: no such format {wrong[0]!r}. Choose from {', '.join(FORMATS)}.")
    return names


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of their own future and of every constant in a trace; the verification decides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _write_onnx(network: Exportable, path: Path) -> None:
    """By tracing: torch's newer exporter needs one more package, takes longer, and gives no more here."""
    batch = {0: "batch"}
    torch.onnx.export(
        network.network,
        (network.example,),
        str(path),
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes={"images": batch, "logits": batch},
        opset_version=17,
        dynamo=False,
    )


def _write_program(network: Exportable, path: Path) -> None:
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(network.network, (network.example,), dynamic_shapes=shapes)
    torch.export.save(program, path)


def _open_program(path: Path) -> Runner:
    try:
        program = torch.export.load(path)
    except Exception as error:
        raise ModelError(f"{path}: not a readable torch.export program ({first_line(error)}).") from error
    return _runner(program.module())


def _write_torchscript(network: Exportable, path: Path) -> None:
    trace: Any = torch.jit.trace  # not typed
    trace(network.network, network.example).save(str(path))


def _open_torchscript(path: Path) -> Runner:
    load: Any = torch.jit.load  # not typed
    return _runner(load(str(path)))


def _write_timm(network: Exportable, path: Path) -> None:
    """A folder as on a model hub, config.json and model.safetensors: `create_model("local-dir:FOLDER")`."""
    if not hasattr(network.network, "pretrained_cfg"):
        raise ModelError("timm: the network is not one of timm's, so timm could not build it again.")
    preprocessing = network.preprocessing
    data = {
        "input_size": (3, preprocessing.height, preprocessing.width),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "crop_mode": "squash",  # the whole image, its proportions not kept
        "mean": preprocessing.mean,
        "std": preprocessing.std,
    }
    config = {"label_names": list(network.classes), "pretrained_cfg": data}
    timm.models.save_for_hf(network.network, str(path.parent), config, safe_serialization=True)


def _open_timm(path: Path) -> Runner:
    return _runner(timm.create_model(f"local-dir:{path.parent}", pretrained=True).eval())


def _runner(network: Any) -> Runner:
    @torch.inference_mode()
    def run(images: Floats32) -> Floats32:
        return np.asarray(network(torch.from_numpy(images)).numpy(), np.float32)

    return run


FORMATS: dict[str, Format] = {
    "onnx": Format("model.onnx", _write_onnx, open_onnx),
    "torch-export": Format("model.pt2", _write_program, _open_program),
    "torchscript": Format("model.torchscript.pt", _write_torchscript, _open_torchscript),
    "timm": Format("model.safetensors", _write_timm, _open_timm),
}
