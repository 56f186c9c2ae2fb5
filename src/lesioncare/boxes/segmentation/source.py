"""What kind of segmenter lies at a place; found out without loading it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lesioncare.boxes.segmentation.shipped import shipped_file
from lesioncare.errors import ModelError

SHIPPED = "shipped"
Kind = Literal["file", "smp", "onnx", "torchvision", "sam"]
ACCEPTED = (
    "Give a .safetensors file of `lesioncare segmenter train`, an .onnx file, the folder of a "
    "segmentation_models_pytorch or SAM model (config.json and model.safetensors), or NAME@FILE with a "
    "torchvision model's name and its state dict, as in lraspp_mobilenet_v3_large@weights.pth."
)
_BY_SUFFIX: dict[str, Kind] = {".safetensors": "file", ".onnx": "onnx"}

__all__ = ["ACCEPTED", "SHIPPED", "Kind", "Source", "find_source", "read_json"]


@dataclass(frozen=True)
class Source:
    """A segmenter that is not yet loaded.

    Args:
        kind: which adapter opens it.
        path: file or folder.
        architecture: of a torchvision model: its name.
    """

    kind: Kind
    path: Path
    architecture: str = ""

    @property
    def where(self) -> str:
        """What finds it again from any folder: for processes on other machines, say."""
        return (
            f"{self.architecture}@{self.path.absolute()}" if self.architecture else str(self.path.absolute())
        )

    def sha256(self) -> str:
        """Of the file; of a folder, over the names and contents of its .json and .safetensors files.

        Raises:
            ModelError: it cannot be read.
        """
        try:
            if self.path.is_file():
                return _sha256(self.path)
            parts = [path for path in self.path.iterdir() if path.suffix in (".json", ".safetensors")]
            lines = [f"{path.name} {_sha256(path)}\n" for path in sorted(parts)]
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be read ({error}).") from error
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_source(where: str) -> Source:
    """Tell what lies at a path, or at "shipped" or NAME@FILE.

    Raises:
        ModelError: nothing lies there, or nothing that can be opened; the message says what can.
    """
    if where == SHIPPED:
        return Source("file", shipped_file())
    path = Path(where).expanduser()
    name, at, file = where.partition("@")
    by_name = bool(at) and not path.exists()
    if not (file if by_name else where).strip():  # to Python, a path of no characters is the current folder
        raise ModelError(f"segmentation:{where} lacks the path of a segmenter behind it. {ACCEPTED}")
    if by_name:
        return Source("torchvision", _existing(Path(file).expanduser()), name)
    kind = _kind_of_folder(path) if path.is_dir() else _BY_SUFFIX.get(_existing(path).suffix.lower())
    if kind is None:
        raise ModelError(f"{path}: not a known kind of segmenter. {ACCEPTED}")
    return Source(kind, path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: it cannot be read, or is no JSON object.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path}: holds no JSON object.")
    return found


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ModelError(f"{path}: no such file or folder of a segmenter. {ACCEPTED}")
    return path


def _kind_of_folder(path: Path) -> Kind | None:
    if not (path / "config.json").is_file():
        return None
    config = read_json(path / "config.json")
    if "_model_class" in config:
        return "smp"
    return "sam" if "model_type" in config else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
