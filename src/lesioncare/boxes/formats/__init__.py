"""Reading and writing boxes in the formats that people use."""

from lesioncare.boxes.formats.catalogue import FORMATS, detect_format, read_boxes, write_boxes
from lesioncare.boxes.formats.losses import Losses

__all__ = ["FORMATS", "Losses", "detect_format", "read_boxes", "write_boxes"]
