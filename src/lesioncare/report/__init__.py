"""One HTML file that says whether attention helped, and shows where the network looks."""

from lesioncare.report.build import build_report

__all__ = ["build_report"]
