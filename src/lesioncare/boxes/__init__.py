"""Boxes around lesions: the type, and the formats that they are read from and written to."""

from lesioncare.boxes.box import Box

__all__ = ["Box"]
