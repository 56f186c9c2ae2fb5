"""The tables of a comparison for a paper: arms.tex and pairs.tex, with booktabs."""

from pathlib import Path

import pandas as pd

from lesioncare.evaluation import ArmComparison, ArmInterval, PairDifference
from lesioncare.evaluation.files import write_file
from lesioncare.evaluation.intervals import MIN_GROUPS
from lesioncare.report.comparison.answer import chance
from lesioncare.report.comparison.study import METRICS
from lesioncare.report.text import MISSING, signed, verdict_words

__all__ = ["save_latex_tables"]

_HEADER = "% In per cent, with 95 % intervals. Needs \\usepackage{booktabs}.\n"


def save_latex_tables(found: ArmComparison, directory: Path) -> None:
    r"""Write arms.tex and pairs.tex: numbers in per cent as "47.1 [43.0, 51.2]", one tabular each.

    pairs.tex has the metrics of all classes together; pairs.csv has those of single classes too.

    Raises:
        RunError: a file cannot be written.
    """
    metrics = [name for name in METRICS if any(name in one for one in found.singles.values())]
    arms = [
        {"Arm": arm} | {METRICS[name]: _single(numbers.get(name)) for name in metrics}
        for arm, numbers in found.singles.items()
    ]
    pairs = [
        {"Arm": b, "Compared with": a, "Metric": METRICS[name]} | _pair(differences[name])
        for name in metrics
        for (a, b), differences in found.pairs.items()
        if name in differences
    ]
    for name, rows in (("arms.tex", arms), ("pairs.tex", pairs)):
        write_file(directory / name, _tabular(rows).encode())


def _tabular(rows: list[dict[str, str]]) -> str:
    frame = pd.DataFrame(rows)
    texts = sum(name in ("Arm", "Compared with", "Metric") for name in frame)
    columns = "l" * texts + "r" * (len(frame.columns) - texts)
    body = frame.to_latex(index=False, escape=True, column_format=columns)
    for sign, written in (("\u2212", "$-$"), ("\u2013", "--"), ("<", "$<$")):
        body = body.replace(sign, written)
    return _HEADER + body


def _single(one: ArmInterval | None) -> str:
    if one is None:
        return MISSING
    value = f"{100 * one.value:.1f}"
    return f"{value} [{100 * one.low:.1f}, {100 * one.high:.1f}]" if one.n_groups >= MIN_GROUPS else value


def _pair(one: PairDifference) -> dict[str, str]:
    value = signed(one.difference)
    if one.n_groups >= MIN_GROUPS:
        value += f" [{signed(one.low)}, {signed(one.high)}]"
    spreads = {"SD folds": one.spread.fold_sd, "SD seeds": one.spread.seed_sd}
    return {
        "Difference": value,
        "p, corrected": chance(one.p_corrected).removeprefix("p "),
        **{name: MISSING if sd is None else f"{100 * sd:.1f}" for name, sd in spreads.items()},
        "Verdict": verdict_words(one),
    }
