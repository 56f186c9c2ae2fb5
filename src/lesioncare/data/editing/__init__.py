"""Changed copies of an image: the lesion hidden, alone or before another background; artefacts pasted."""

from lesioncare.data.editing.dataset import EditedImages, EditSettings, EditSource
from lesioncare.data.editing.edits import (
    covered,
    hide_lesion,
    lesion_weight,
    only_lesion,
    paste_artefact,
    swap_background,
)
from lesioncare.data.editing.partners import choose_partners
from lesioncare.data.editing.versions import ARTEFACTS, HIDDEN, LESION, ORIGINAL, SWAPPED, version_names

__all__ = [
    "ARTEFACTS",
    "HIDDEN",
    "LESION",
    "ORIGINAL",
    "SWAPPED",
    "EditSettings",
    "EditSource",
    "EditedImages",
    "choose_partners",
    "covered",
    "hide_lesion",
    "lesion_weight",
    "only_lesion",
    "paste_artefact",
    "swap_background",
    "version_names",
]
