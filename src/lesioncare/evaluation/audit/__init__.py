"""What changed copies of the test images do to a network's answers: does it need the lesion?"""

from lesioncare.evaluation.audit.answers import RunAudit
from lesioncare.evaluation.audit.result import AuditResult
from lesioncare.evaluation.audit.statistics import AuditStatistics, Move, compare_runs, curve_areas, measure
from lesioncare.evaluation.audit.words import Verdict, comparison_sentences, judge, sentences

__all__ = [
    "AuditResult",
    "AuditStatistics",
    "Move",
    "RunAudit",
    "Verdict",
    "compare_runs",
    "comparison_sentences",
    "curve_areas",
    "judge",
    "measure",
    "sentences",
]
