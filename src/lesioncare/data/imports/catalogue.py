"""The layouts by the name that the command line uses."""

from collections.abc import Mapping

from lesioncare.data.imports.layout import Layout
from lesioncare.data.imports.layouts.annotated import COCO, YOLO
from lesioncare.data.imports.layouts.busi import BUSI
from lesioncare.data.imports.layouts.folder import FOLDER
from lesioncare.data.imports.layouts.ham10000 import HAM10000
from lesioncare.data.imports.layouts.isic import ISIC2018_TASK1, ISIC2018_TASK3, ISIC2019, ISIC2020
from lesioncare.data.imports.layouts.kermany import KERMANY
from lesioncare.data.imports.layouts.medmnist import MEDMNIST
from lesioncare.data.imports.layouts.nih import NIH
from lesioncare.data.imports.layouts.rsna import RSNA
from lesioncare.data.imports.layouts.tbx11k import TBX11K
from lesioncare.data.imports.layouts.vindr import VINDR
from lesioncare.errors import ConfigError

LAYOUTS: Mapping[str, Layout] = {
    "folder": FOLDER,
    "coco": COCO,
    "yolo": YOLO,
    "ham10000": HAM10000,
    "isic2018-task1": ISIC2018_TASK1,
    "isic2018-task3": ISIC2018_TASK3,
    "isic2019": ISIC2019,
    "isic2020": ISIC2020,
    "rsna-pneumonia": RSNA,
    "chestxray14": NIH,
    "vindr-cxr": VINDR,
    "kermany": KERMANY,
    "tbx11k": TBX11K,
    "busi": BUSI,
    "medmnist": MEDMNIST,
}

__all__ = ["LAYOUTS", "layout_of"]


def layout_of(name: str) -> Layout:
    """The layout of this name.

    Raises:
        ConfigError: there is none; the message lists them.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"there is no layout {name!r}. Choose from {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]
