"""Tables and pictures of the evidence from finished comparisons, complete or not.

    python benchmarks/evidence/summary.py runs/evidence/skin_first_pass [more comparisons]

writes, for each, `benchmarks/results/NAME_arms.csv`, `NAME_pairs.csv` (differences from the arm's own remedy
without attention, and from the first arm), `NAME.json` (folds, seeds, hours, machine) and
`docs/images/NAME.png` where the page shows it, and sets the table of that name in `docs/evidence.md`, between
its two marks. The tables `skin_rare_N` become one, `skin_rarity`.
"""

import argparse
import json
import re
from pathlib import Path

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")
from matplotlib import pyplot as plt

from lesioncare.experiment import Comparison

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results"
RARITY_NUMBERS, RARITY_ARMS = (10, 20, 40, 80), ("ce", "balanced-softmax")
RARITY_METRIC = "rare_recall_adjusted"
FEW_ARMS = 8
"""Of so many the CSV file has every pair; of more, those with the baseline and with the first arm."""
PAGE = REPOSITORY / "docs" / "evidence.md"
METRICS = {
    "rare_recall": "rare recall",
    "rare_recall_adjusted": "rare recall, adjusted",
    "balanced_accuracy_adjusted": "balanced accuracy, adjusted",
    "rare_average_precision": "rare average precision",
    "energy:rare": "energy in box, rare",
}
"""What the page shows; the CSV files have all."""


def baseline(arm: str, arms: list[str]) -> str:
    """The arm of the same remedy without attention."""
    remedy = next((name for name in arms if "+" not in name and arm.startswith(f"{name}+")), None)
    if remedy:
        return remedy
    return (
        "balanced-softmax"
        if arm.startswith(("automatic", "control")) and "balanced-softmax" in arms
        else arms[0]
    )


def pairs_of_interest(pairs: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    if len(arms) <= FEW_ARMS:
        return pairs
    wanted = {(baseline(arm, arms), arm) for arm in arms} | {(arms[0], arm) for arm in arms}
    keys = pd.Series(list(zip(pairs.arm_a, pairs.arm_b, strict=True)), index=pairs.index)
    return pairs[keys.isin(wanted)]


def cell(single: pd.Series | None, pair: pd.Series | None) -> str:
    """A value with its interval, and what it is above the same remedy without attention."""
    if single is None:
        return ""
    text = f"{100 * single.value:.1f} ({100 * single.low:.1f} to {100 * single.high:.1f})"
    if pair is None:
        return text
    change = f"{100 * pair.difference:+.1f}, {100 * pair.low:+.1f} to {100 * pair.high:+.1f}"
    return f"{text}<br>{'**' + change + '**' if pair.shown else change}"


def table(singles: pd.DataFrame, pairs: pd.DataFrame) -> str:
    arms = list(dict.fromkeys(singles.arm))
    one = singles.set_index(["arm", "metric"])
    two = pairs.set_index(["arm_a", "arm_b", "metric"])
    metrics = {name: title for name, title in METRICS.items() if name in set(singles.metric)}
    lines = [f"| arm | {' | '.join(metrics.values())} |", "|---" * (len(metrics) + 1) + "|"]
    for arm in arms:
        base = baseline(arm, arms)
        cells = [
            cell(
                one.loc[(arm, name)] if (arm, name) in one.index else None,
                two.loc[(base, arm, name)] if base != arm and (base, arm, name) in two.index else None,
            )
            for name in metrics
        ]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(singles: pd.DataFrame, target: Path) -> None:
    """Arms against three numbers, with 95 % intervals; a grey line is the first arm."""
    arms = list(dict.fromkeys(singles.arm))
    shown = [name for name in METRICS if name != "rare_recall" and name in set(singles.metric)]
    figure, axes = plt.subplots(
        1, len(shown), figsize=(3.1 * len(shown), 0.34 * len(arms) + 1.2), sharey=True
    )
    for axis, metric in zip(axes, shown, strict=True):
        own = singles[singles.metric == metric].set_index("arm").reindex(arms)
        places = range(len(arms), 0, -1)
        axis.hlines(places, 100 * own.low, 100 * own.high, color="#56B4E9", linewidth=3)
        axis.plot(100 * own.value, places, "o", color="#0072B2")
        axis.axvline(100 * own.value.iloc[0], color="#999999", linewidth=1)
        axis.set_title(METRICS[metric], fontsize=9)
        axis.set_yticks(list(places), arms, fontsize=8)
        axis.tick_params(axis="x", labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("%, lines: 95 % intervals over lesions or patients", fontsize=8)
    figure.tight_layout()
    figure.savefig(target, dpi=110)
    plt.close(figure)


def facts(found: Comparison) -> dict[str, object]:
    statistics = found.statistics
    spent = [result.seconds for cells in found.results.values() for result in cells.values()]
    machine = {
        result.versions.get("machine") for cells in found.results.values() for result in cells.values()
    }
    return {
        "folds": list(statistics.folds),
        "seeds": list(statistics.seeds),
        "cells_finished": sum(map(len, found.results.values())),
        "cells_planned": len(found.plan.cells),
        "resamples": statistics.n_resamples,
        "rare": list(found.rare),
        "core_hours_training": round(sum(one.get("train", 0) for one in spent) / 3600, 2),
        "machine": f"{', '.join(sorted(map(str, machine)))}, two CPU cores, no GPU",
        "versions": found.protocol.versions,
        "command": found.protocol.command,
    }


def set_table(name: str, text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if begin not in page:
        print(f"{PAGE.name}: has no place for {name}")
        return
    page = re.sub(
        f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", page, flags=re.S
    )
    PAGE.write_text(page, encoding="utf-8")


def rarity() -> None:
    """One table of the comparisons `skin_rare_N`: recall without attention, and what attention adds."""
    title = " | ".join(f"{arm} | energy-all | boxes anywhere" for arm in RARITY_ARMS)
    lines = [f"| images of each rare class | {title} |", "|---" * (1 + 3 * len(RARITY_ARMS)) + "|"]
    for number in RARITY_NUMBERS:
        names = [f"skin_rare_{number}_controls", f"skin_rare_{number}"]
        name = next((name for name in names if (RESULTS / f"{name}_arms.csv").exists()), None)
        if name is None:
            continue
        singles, pairs = (pd.read_csv(RESULTS / f"{name}_{kind}.csv") for kind in ("arms", "pairs"))
        one = singles[singles.metric == RARITY_METRIC].set_index("arm")
        two = pairs[pairs.metric == RARITY_METRIC].set_index(["arm_a", "arm_b"])
        cells = []
        for arm in RARITY_ARMS:
            guided = "energy-all" if arm == "ce" else f"{arm}+energy-all"
            others = [other for other in (guided, f"{guided}, random boxes") if other in one.index]
            cells += [cell(one.loc[arm], None), *(cell(one.loc[at], two.loc[(arm, at)]) for at in others)]
            cells += [""] * (2 - len(others))
        lines.append(f"| {number} | {' | '.join(cells)} |")
    if len(lines) > 2:
        set_table("skin_rarity", "\n".join(lines))


def summarise(directory: Path) -> None:
    found, name = Comparison.load(directory), directory.name
    if found.statistics is None:
        print(f"{name}: no fold and seed that every arm has yet")
        return
    singles, pairs = found.statistics.singles_frame(), found.statistics.pairs_frame()
    arms = list(dict.fromkeys(singles.arm))
    singles.round(5).to_csv(RESULTS / f"{name}_arms.csv", index=False)
    pairs_of_interest(pairs, arms).round(5).to_csv(RESULTS / f"{name}_pairs.csv", index=False)
    about = facts(found)
    (RESULTS / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    if f"images/{name}.png" in PAGE.read_text(encoding="utf-8"):
        picture(singles, REPOSITORY / "docs" / "images" / f"{name}.png")
    rests = (
        f"Folds {about['folds']}, seeds {about['seeds']}; {about['cells_finished']} of "
        f"{about['cells_planned']} cells; {about['core_hours_training']} core hours of training."
    )
    set_table(name, f"{rests}\n\n{table(singles, pairs)}")
    print(f"{name}: {rests}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("comparison", type=Path, nargs="+")
    for directory in parser.parse_args().comparison:
        summarise(directory)
    rarity()


if __name__ == "__main__":
    main()
