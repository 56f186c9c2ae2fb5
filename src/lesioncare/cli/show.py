"""What the commands print; loading it loads torch, so they import it when they run."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lesioncare.cli.say import say, show_path
from lesioncare.evaluation import Metrics, RunResult, compare, interval, remarks
from lesioncare.evaluation.intervals import MIN_GROUPS, Interval, few_groups
from lesioncare.evaluation.metrics import Localisation
from lesioncare.words import distinct_names

__all__ = ["interval_caption", "interval_cell", "show_folds", "show_path", "show_results"]

_ROWS: dict[str, Callable[[Metrics], float | None]] = {
    "balanced accuracy": lambda metrics: metrics.balanced_accuracy,
    "rare recall": lambda metrics: metrics.rare_recall,
    "rare recall, logits adjusted": lambda metrics: metrics.rare_recall_adjusted,
    "rare average precision": lambda metrics: metrics.rare_average_precision,
}
_LOOKS = {"energy in box, rare": "rare", "energy in box, common": "common"}
_BRACKETS = (
    "In brackets: how many of the images with a box have a map with a positive part; the energy in the box "
    "rests on these alone."
)
_COMPARED = ("rare_recall", "rare_recall_adjusted", "balanced_accuracy", "energy:rare")


def show_results(runs: Sequence[RunResult]) -> None:
    """Print each run's main numbers, and how the others differ from the first."""
    names = distinct_names([run.name for run in runs])
    table = Table("Test part", *names)
    for name in runs[0].classes:
        shown = f"recall of {name}" + (" (rare)" if name in runs[0].rare else "")
        table.add_row(escape(shown), *[_percent(run.metrics.per_class[name].recall) for run in runs])
    for title, read in _ROWS.items():
        table.add_row(title, *[_percent(read(run.metrics)) for run in runs])
    looks = {title: [run.metrics.localisation[part] for run in runs] for title, part in _LOOKS.items()}
    for title, found in looks.items():
        table.add_row(title, *map(_energy, found))
    Console().print(table)
    if any(look.n_undefined for found in looks.values() for look in found):
        say(_BRACKETS)
    if len(runs) == 1:
        _show_intervals(runs[0])
    for run in runs[1:]:
        differences = compare(
            runs[0].predictions, run.predictions, run.rare, runs[0].prior, prior_b=run.prior
        )
        for key in _COMPARED:
            if key in differences:
                say(differences[key].sentence())
    for remark in remarks(dict(zip(names, runs, strict=True))):
        say(remark)


def show_folds(counts: dict[str, list[int]], groups: list[int]) -> None:
    """Print how many images of each class, and how many groups, each fold has."""
    table = Table("Class", *[f"fold {fold}" for fold in range(len(groups))])
    for name, row in counts.items():
        table.add_row(escape(name), *[str(count) for count in row])
    table.add_section()
    table.add_row("groups", *[str(count) for count in groups])
    Console().print(table)


def interval_cell(one: Interval | None) -> str:
    """A number in per cent for a table, with its interval where it rests on enough groups."""
    if one is None:
        return "-"
    if one.n_groups < MIN_GROUPS:
        return f"{100 * one.value:.1f}"
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def interval_caption(ones: Sequence[Interval]) -> str:
    """What is below a table of such cells: with too few groups they have no intervals."""
    judged = sum(one.n_groups >= MIN_GROUPS for one in ones)
    if ones and not judged:
        return f"in %; {few_groups(min(one.n_groups for one in ones))}"
    return "in %, 95 % intervals" + (" where there are enough groups" if judged < len(ones) else "")


def _show_intervals(run: RunResult) -> None:
    found = interval(run.predictions, run.rare, run.prior)
    for key in _COMPARED:
        if key in found:
            say(found[key].sentence())


def _energy(look: Localisation) -> str:
    """The energy, and how many images it rests on, where some of those with a box have no positive map."""
    seen = f" ({look.n - look.n_undefined} of {look.n})" if look.n_undefined else ""
    return f"{_percent(look.energy)}{seen}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
