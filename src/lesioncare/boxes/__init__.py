"""Boxes around lesions: the type, and the formats that they are read from and written to."""

from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet

__all__ = ["Box", "BoxSet"]
