"""What `lesioncare data check` prints."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from lesioncare.cli.say import say, show_line
from lesioncare.data.quality import KINDS, DataCheck
from lesioncare.report.data_check import leak_sentence, rare_sentence

MOST_LINES = 3
"""Findings of each kind that are shown; the page and the findings file have the others."""

__all__ = ["show_check"]


def show_check(check: DataCheck) -> None:
    """Print the classes, what was found of each kind, and what random splits leak."""
    _show_classes(check)
    for kind, count in check.counts.items():
        say(f"{count} x {kind}: {KINDS[kind].meaning} {KINDS[kind].remedy}")
        found = [finding for finding in check.findings if finding.kind == kind]
        for finding in found[:MOST_LINES]:
            rows = ", ".join(map(str, finding.rows[:4])) + (" ..." if finding.rows[4:] else "")
            show_line(f"    {f'row {rows}: ' if rows else ''}{finding.detail}")
        if count > MOST_LINES:
            show_line(f"    and {count - MOST_LINES} more")
    if not check.counts:
        say("Nothing was found that speaks against this table.")
    leaks = (leak_sentence(check.groups, "group"), leak_sentence(check.alike, "twins"))
    sentences = (rare_sentence(check), *leaks, *check.notes)
    for sentence in filter(None, sentences):
        say(sentence)


def _show_classes(check: DataCheck) -> None:
    parts = check.parts
    if not parts:
        return
    shown = parts if len(parts) > 1 else ()  # of one part the sum says it
    table = Table("Class", *map(escape, shown), "Images")
    for name, counts in check.classes.items():
        total = sum(counts.values())
        table.add_row(Text(name), *[str(counts.get(part, 0)) for part in shown], str(total))
    Console().print(table)
