"""Tables and boxes from data sets as people have them on disk."""

from lesioncare.data.imports.catalogue import LAYOUTS, layout_of
from lesioncare.data.imports.labels import LabelRule
from lesioncare.data.imports.layout import Count, Found, Layout, Record, Settings
from lesioncare.data.imports.write import Imported, import_dataset

__all__ = [
    "LAYOUTS",
    "Count",
    "Found",
    "Imported",
    "LabelRule",
    "Layout",
    "Record",
    "Settings",
    "import_dataset",
    "layout_of",
]
