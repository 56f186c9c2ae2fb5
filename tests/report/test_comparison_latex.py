from dataclasses import replace

import pytest

from lesioncare.report import save_latex_tables

from .comparisons import make_comparison


@pytest.fixture
def tables(tmp_path):
    """The two files of a comparison one of whose arms bears a name that LaTeX would misread."""
    found = make_comparison(tmp_path, seeds=1).statistics
    names = {"plain": "plain", "better": "50%_off & more", "worse": "worse"}
    found = replace(
        found,
        singles={names[arm]: numbers for arm, numbers in found.singles.items()},
        pairs={(names[a], names[b]): differences for (a, b), differences in found.pairs.items()},
    )
    save_latex_tables(found, tmp_path)
    return found, *((tmp_path / name).read_text("utf-8") for name in ("arms.tex", "pairs.tex"))


def test_names_are_escaped(tables):
    for written in tables[1:]:
        assert r"50\%\_off \& more" in written
        assert "50%" not in written


def test_numbers_have_their_intervals_in_brackets(tables):
    found, arms, _ = tables
    one = found.singles["plain"]["rare_recall"]
    row = next(line for line in arms.splitlines() if line.startswith("plain"))
    assert f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]" in row
    assert row.count("&") == len(found.singles["plain"]) - 8  # those of single classes are not in it


def test_pairs_have_a_row_for_each_pair_and_metric(tables):
    found, _, pairs = tables
    rows = [line for line in pairs.splitlines() if line.endswith(r"\\")][1:]
    metrics = [name for name in found.pairs["plain", "worse"] if ":" not in name or name.startswith("energy")]
    assert len(rows) == 3 * len(metrics)
    one = found.pairs["plain", "worse"]["rare_recall"]
    row = next(line for line in rows if line.startswith("worse & plain & Rare recall &"))
    assert f"$-${abs(100 * one.difference):.1f} [$-${abs(100 * one.low):.1f}" in row
    assert "lower" in row


def test_the_tables_are_plain_ascii_with_booktabs(tables):
    for written in tables[1:]:
        assert written.isascii()
        assert r"\toprule" in written
        assert written.count(r"\begin{tabular}") == written.count(r"\end{tabular}") == 1
        assert "<" not in written.replace("$<$", "")


def test_a_number_of_too_few_groups_has_no_interval(tmp_path):
    found = make_comparison(tmp_path, seeds=1).statistics
    one = replace(found.singles["plain"]["rare_recall"], n_groups=3)
    singles = {**found.singles, "plain": {**found.singles["plain"], "rare_recall": one}}
    save_latex_tables(replace(found, singles=singles), tmp_path)
    row = next(
        line for line in (tmp_path / "arms.tex").read_text("utf-8").splitlines() if line.startswith("plain")
    )
    assert row.split(" & ")[1] == f"{100 * one.value:.1f}"
