"""What `audit` prints; loading it loads torch, so it is imported when the command runs."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lesioncare.cli.say import say
from lesioncare.cli.show import interval_caption, interval_cell
from lesioncare.evaluation.audit import AuditResult, AuditStatistics
from lesioncare.evaluation.intervals import Interval
from lesioncare.words import several

__all__ = ["show_audit"]

_METRICS = {"balanced_accuracy": "balanced accuracy", "rare_recall": "rare recall"}


def show_audit(result: AuditResult) -> None:
    """Print remarks, and each run's verdict, a table of the versions, and a sentence for each part."""
    left_out = "".join(f"; {n} left out, {why}" for why, n in result.left_out.items())
    say(f"{several(len(result.images), 'image')} with a lesion's box{left_out}")
    for remark in result.remarks:
        say(remark, style="bold")
    for run in result.runs:
        found = result.statistics[run.name]
        table = Table(
            "Shown", *_METRICS.values(), title=escape(run.name), caption=interval_caption(_numbers(found))
        )
        for version in result.versions:
            table.add_row(version, *[interval_cell(found.levels[version].get(metric)) for metric in _METRICS])
        table.add_section()
        table.add_row("chance", f"{100 * found.chance:.1f}", "")
        Console().print(table)
        say(result.verdicts[run.name].sentence, style="bold")
        for sentence in result.sentences(run.name):
            say(sentence)


def _numbers(found: AuditStatistics) -> list[Interval]:
    """The numbers of the table."""
    return [levels[metric] for levels in found.levels.values() for metric in _METRICS if metric in levels]
