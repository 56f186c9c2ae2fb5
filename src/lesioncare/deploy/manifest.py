"""What a program must know beside an exported network: one json file, read without torch."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lesioncare.deploy.resize import Arithmetic, resize_image
from lesioncare.errors import ModelError

MANIFEST = "preprocessing.json"

__all__ = ["MANIFEST", "Check", "ExportedFile", "Manifest", "Preprocessing", "is_export"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Preprocessing(_Record):
    """From an image file to the network's input.

    The image is turned upright and read as 8-bit RGB, resized to (height, width) whatever its proportions,
    divided by 255, and normalised by channel: (value - mean) / std.
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    mean: tuple[float, float, float]  # of each channel R, G, B, for values in [0, 1]
    std: tuple[float, float, float]
    resize: Literal["bilinear, antialiased, proportions not kept"] = (
        "bilinear, antialiased, proportions not kept"
    )
    arithmetic: Arithmetic  # how the resizing rounds, see lesioncare.deploy.resize

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Give the network's input [3, height, width] of an upright RGB image."""
        pixels = resize_image(np.asarray(image), (self.height, self.width), self.arithmetic)
        scaled = np.asarray(pixels, np.float32) / np.float32(255)
        normalised = (scaled - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1))


class Check(_Record):
    """How far an exported file's answers are from the torch network's, on the same inputs.

    Attributes:
        inputs: images compared.
        logit: largest difference of a logit.
        probability: largest difference of a probability, in [0, 1].
    """

    inputs: int
    logit: float
    probability: float


class ExportedFile(_Record):
    """A file and what its verification has measured: on random inputs, and on real images if there were."""

    name: str
    random: Check
    real: Check | None = None


class Manifest(_Record):
    """The content of preprocessing.json.

    Attributes:
        model: timm's name of the network, or package.module:function.
        run: what the run was called.
        classes: in the order of the logits.
        rare: the classes that count as rare.
        preprocessing: from image file to input.
        temperature: probabilities are the softmax of logits / temperature, fitted on the validation part
            (Guo et al. 2017); None without one: then they are the softmax of the logits.
        files: format -> file.
        versions: library -> version.
    """

    model: str
    run: str
    classes: tuple[str, ...] = Field(min_length=2)
    rare: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float | None = Field(gt=0)
    files: dict[str, ExportedFile]
    versions: dict[str, str]

    def write(self, directory: Path) -> None:
        """Write preprocessing.json."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Read preprocessing.json.

        Raises:
            ModelError: the file is missing or damaged.
        """
        path = directory / MANIFEST
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ModelError(f"{path}: {place}: {first['msg']}. Export the run again.") from error
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(
                f"{path}: cannot be read ({error}). Give the folder that lesioncare export made."
            ) from error

    def path(self, directory: Path, form: str) -> Path:
        """Where the file of a format lies.

        Raises:
            ModelError: the export has none, or it is gone.
        """
        if form not in self.files:
            raise ModelError(
                f"{directory}: holds no {form} file, only {', '.join(self.files)}. "
                f"Export the run again with --formats {form}."
            )
        path = directory / self.files[form].name
        if not path.is_file():
            raise ModelError(f"{path}: is missing from the export. Export the run again.")
        return path


def is_export(directory: Path) -> bool:
    """Whether `lesioncare export` has made the directory."""
    return (directory / MANIFEST).is_file()
