"""Dermoscopy-like images made from numbers: classes told by the lesion, and a shortcut planted beside it."""

from lesioncare.data.synthetic.dataset import Shortcut, SyntheticConfig, write_dataset
from lesioncare.data.synthetic.lesions import COMMON_KINDS, KINDS, RARE_KINDS
from lesioncare.data.synthetic.photograph import MARKER_OF, SyntheticImage, make_image

__all__ = [
    "COMMON_KINDS",
    "KINDS",
    "MARKER_OF",
    "RARE_KINDS",
    "Shortcut",
    "SyntheticConfig",
    "SyntheticImage",
    "make_image",
    "write_dataset",
]
