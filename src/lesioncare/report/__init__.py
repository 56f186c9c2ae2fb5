"""One HTML file that says whether attention helped, or which arm of a comparison is best."""

from lesioncare.report.build import build_report
from lesioncare.report.comparison import build_comparison_report, save_latex_tables

__all__ = ["build_comparison_report", "build_report", "save_latex_tables"]
