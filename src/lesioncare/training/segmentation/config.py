"""Everything that decides what training a segmenter does."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lesioncare.boxes.segmentation import SegmenterSpec
from lesioncare.training.config import Config

__all__ = ["SegmenterConfig"]


Side = Annotated[int, Field(ge=32)]


class SegmenterConfig(Config):
    """Images with masks, a network and its schedule."""

    images: Path
    masks: Path
    model: str = "tiny"  # or the encoder of a U-Net: a timm model, tf_efficientnet_lite0
    weights: str = "none"  # of the encoder: "none", "pretrained" (timm's) or a local file
    image_size: tuple[Side, Side] = (128, 128)  # (height, width)
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(16, ge=2)
    learning_rate: float = Field(1e-3, gt=0)  # AdamW, cosine after a linear warm-up of one epoch
    weight_decay: float = Field(0.01, ge=0)
    validation: float = Field(0.1, ge=0, lt=0.5)  # share of the images, for the scores only
    zoom: float = Field(0.25, gt=0, le=1)  # smallest share of an image's area that a crop may have
    seed: int = Field(0, ge=0)
    workers: int = Field(0, ge=0)
    accelerator: str = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    half: bool = False  # store the weights as float16
    mirrored: bool = False  # average the masks of mirror images when it is used: better, four times the work
    note: str = ""  # what the file's reader should know: data, purpose, licence

    def spec(self) -> SegmenterSpec:
        """What rebuilds the network."""
        if self.model == "tiny":
            return SegmenterSpec("tiny", None, self.image_size, mirrored=self.mirrored)
        return SegmenterSpec("unet", self.model, self.image_size, mirrored=self.mirrored)
