"""Generation: boxes without annotators, each with a score that says how far to trust it.

Saliency and the shipped segmenter find skin lesions on dermoscopy only. On chest X-rays and ultrasound they
fail: use a segmenter of your own or people there.
"""

from lesioncare.boxes.generation.consensus import MedoidBoxes, SaliencyBoxes
from lesioncare.boxes.generation.maker import BoxMaker, Found
from lesioncare.boxes.generation.map_to_box import MapToBox
from lesioncare.boxes.generation.methods import METHODS, for_dermoscopy_only, method_named
from lesioncare.boxes.generation.on_ray import run_on_ray
from lesioncare.boxes.generation.pool import Made, make_boxes
from lesioncare.boxes.generation.workers import run_in_processes

__all__ = [
    "METHODS",
    "BoxMaker",
    "Found",
    "Made",
    "MapToBox",
    "MedoidBoxes",
    "SaliencyBoxes",
    "for_dermoscopy_only",
    "make_boxes",
    "method_named",
    "run_in_processes",
    "run_on_ray",
]
