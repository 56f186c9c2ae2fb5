"""One HTML file: whether attention helped, which arm of a comparison is best, or what an audit found."""

from lesioncare.report.audit import build_audit_report
from lesioncare.report.build import build_report
from lesioncare.report.comparison import build_comparison_report, save_latex_tables

__all__ = ["build_audit_report", "build_comparison_report", "build_report", "save_latex_tables"]
