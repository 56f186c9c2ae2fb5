"""Print the tables of `docs/boxes.md` from `benchmarks/boxes_quality.csv`.

python docs/table_of_boxes.py
"""

from pathlib import Path

import pandas as pd

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
TITLES = {"ham10000": "HAM10000", "isic17": "ISIC 2017", "busi": "BUSI", "tbx11k": "TBX11K"}


def of_ham(table: pd.DataFrame) -> str:
    """The rows of HAM10000, best first."""
    head = [
        "| method | mean IoU (95 %) | median | over 0.5 | under 0.25 | lesion covered | images / s | "
        "Spearman | bad ones in the least trusted fifth |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = table[table.dataset == "ham10000"].sort_values("mean_iou", ascending=False)
    for row in rows.itertuples():
        trust = "-" if pd.isna(row.spearman) else f"{row.spearman:.2f}"
        bad = "-" if pd.isna(row.bad_in_fifth) else f"{100 * row.bad_in_fifth:.0f} %"
        speed = "-" if row.images_per_s > 1e5 else f"{row.images_per_s:.0f}"
        head.append(
            f"| {row.method} | {row.mean_iou:.3f} ({row.mean_low:.3f} to {row.mean_high:.3f}) | "
            f"{row.median_iou:.2f} | {100 * row.over_50:.0f} % | {100 * row.under_25:.0f} % | "
            f"{100 * row.cover:.0f} % | {speed} | {trust} | {bad} |"
        )
    return "\n".join(head)


def of_all(table: pd.DataFrame) -> str:
    """Mean IoU by method and data set."""
    wide = table.pivot_table(index="method", columns="dataset", values="mean_iou")[list(TITLES)]
    rows = [f"| method | {' | '.join(TITLES.values())} |", "|---|---|---|---|---|"]
    rows += [
        f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |"
        for name, row in wide.sort_values("ham10000", ascending=False).iterrows()
    ]
    return "\n".join(rows)


def main() -> None:
    """Print both."""
    table = pd.read_csv(BENCHMARKS / "boxes_quality.csv")
    print(of_ham(table), of_all(table), sep="\n\n")


if __name__ == "__main__":
    main()
