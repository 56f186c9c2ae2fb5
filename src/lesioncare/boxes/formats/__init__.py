"""Reading and writing boxes in the formats that people use."""

from lesioncare.boxes.formats.catalogue import FORMATS, check_target, detect_format, read_boxes, write_boxes
from lesioncare.boxes.formats.losses import Losses

__all__ = ["FORMATS", "Losses", "check_target", "detect_format", "read_boxes", "write_boxes"]
