"""One HTML file that says which arm of a comparison finds the rare classes, and its tables for a paper."""

from lesioncare.report.comparison.build import build_comparison_report
from lesioncare.report.comparison.latex import save_latex_tables

__all__ = ["build_comparison_report", "save_latex_tables"]
