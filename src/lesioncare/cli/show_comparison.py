"""What `compare` prints; loading it loads torch, so it is imported when the command runs."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lesioncare.cli.say import say, show_path
from lesioncare.cli.show import interval_caption, interval_cell
from lesioncare.evaluation import ArmComparison
from lesioncare.evaluation.intervals import title
from lesioncare.experiment import Comparison
from lesioncare.report import build_comparison_report, save_latex_tables
from lesioncare.words import noun, several

__all__ = ["pair_sentences", "save_report", "show_comparison"]

_COLUMNS = {
    "balanced_accuracy": "balanced accuracy",
    "balanced_accuracy_adjusted": "the same, logits adjusted",
    "rare_recall": "rare recall",
    "rare_recall_adjusted": "the same, logits adjusted",
    "energy:rare": "energy in box, rare",
}


def show_comparison(comparison: Comparison) -> None:
    """Print each arm's main numbers with their intervals, and how the others differ from the first arm."""
    found, missing = comparison.statistics, len(comparison.missing)
    if not comparison.complete:
        say(f"{several(missing, 'cell')} {noun(missing, 'is', 'are')} missing: the same command goes on.")
    if found is None:
        return
    folds, seeds = several(len(found.folds), "fold"), several(len(found.seeds), "seed")
    ones = [numbers[metric] for numbers in found.singles.values() for metric in _COLUMNS if metric in numbers]
    table = Table("Arm", *_COLUMNS.values(), caption=f"{folds}, {seeds}; {interval_caption(ones)}")
    for arm, numbers in found.singles.items():
        table.add_row(escape(arm), *[interval_cell(numbers.get(metric)) for metric in _COLUMNS])
    Console().print(table)
    _show_differences(found)
    for sentence in pair_sentences(found):
        say(sentence)
    for remark in comparison.remarks:
        say(remark)
    show_path("Comparison", comparison.directory)


def pair_sentences(found: ArmComparison) -> tuple[str, ...]:
    """How many of all pairs of arms differ, and where those are that are not printed."""
    if not found.pairs:
        return ()
    counts = []
    for metric in _COLUMNS:
        ones = [differences[metric] for differences in found.pairs.values() if metric in differences]
        if ones:
            counts.append(f"{sum(one.shown for one in ones)} of {len(ones)} in {title(metric).lower()}")
    pairs = several(len(found.pairs), "pair")
    told = [f"Pairs of arms whose difference is shown, after correction: {'; '.join(counts)}."]
    if len(found.singles) > 2:
        told.append(
            f"Printed are the pairs with {next(iter(found.singles))}; all {pairs} are in pairs.csv and, "
            "under Pairs, in the report."
        )
    return tuple(told)


def save_report(comparison: Comparison, output: Path | None = None, *, title: str | None = None) -> None:
    """Write the report, by default into the comparison's directory, and there its tables in LaTeX."""
    path = comparison.directory / "report.html" if output is None else output
    written = build_comparison_report(comparison, path, title=title)
    if comparison.statistics is not None:  # the report has raised otherwise
        save_latex_tables(comparison.statistics, comparison.directory)
    show_path("Report", written)


def _show_differences(found: ArmComparison) -> None:
    first = next(iter(found.singles))
    for (a, b), differences in found.pairs.items():
        if a != first:
            continue
        say(f"{b}, compared with {a}:")
        for metric in _COLUMNS:
            if metric in differences:
                say(f"  {differences[metric].sentence()}")
