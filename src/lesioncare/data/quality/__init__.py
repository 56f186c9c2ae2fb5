"""Looking for what is wrong with a table of images before anything is trained on it."""

from lesioncare.data.quality.check import FINDING_COLUMNS, DataCheck, check_table
from lesioncare.data.quality.findings import KINDS, Finding, Kind
from lesioncare.data.quality.groups import grouped_table
from lesioncare.data.quality.leaks import Leak, expected_leaks
from lesioncare.data.quality.twins import Twin, find_twins

__all__ = [
    "FINDING_COLUMNS",
    "KINDS",
    "DataCheck",
    "Finding",
    "Kind",
    "Leak",
    "Twin",
    "check_table",
    "expected_leaks",
    "find_twins",
    "grouped_table",
]
