"""One HTML file that says whether a network needs the lesion."""

from lesioncare.report.audit.build import build_audit_report

__all__ = ["build_audit_report"]
