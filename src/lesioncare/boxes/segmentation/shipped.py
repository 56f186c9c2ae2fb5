"""Where the segmenter that the package ships lies."""

from importlib.resources import files
from pathlib import Path

__all__ = ["shipped_file"]


def shipped_file() -> Path:
    """The file of the small lesion segmenter for dermoscopy; its card lies beside it."""
    return Path(str(files("lesioncare.boxes.segmentation") / "weights" / "lesion.safetensors"))
