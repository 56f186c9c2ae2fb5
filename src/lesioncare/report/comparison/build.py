"""From a comparison to one self-contained HTML file."""

from pathlib import Path

from lesioncare.experiment import Comparison
from lesioncare.report.build import render_page, write_page
from lesioncare.report.comparison import answer, disagreement, pictures, tables
from lesioncare.report.comparison.calibration import calibration_table, measure, reliability_curves
from lesioncare.report.comparison.definitions import definitions
from lesioncare.report.comparison.made import made
from lesioncare.report.comparison.study import ComparisonStudy
from lesioncare.report.comparison.views import ComparisonPage

__all__ = ["build_comparison_report"]


def build_comparison_report(comparison: Comparison, path: Path, *, title: str | None = None) -> Path:
    """Write which arm is best, and whether that is shown, as one HTML file that needs no network.

    The others are compared with the first arm. A comparison with missing cells is told on what every arm has.
    The same comparison gives the same bytes. Group ids and image names are not in the page.

    Args:
        comparison: complete or not.
        path: the HTML file; its folder is made, an old file is replaced as a whole.
        title: the page's heading; by default the question that it answers.

    Returns:
        The path of the file.

    Raises:
        RunError: there is no fold and seed that every arm has, or the file cannot be written.

    Example:
        >>> build_comparison_report(Comparison.load(folder), folder / "report.html")  # doctest: +SKIP
    """
    page = _page(ComparisonStudy(comparison), title or "Which arm finds the rare classes?")
    return write_page(path, render_page("comparison.html.j2", page, scripts=("sort.js", "report.js")))


def _page(study: ComparisonStudy, title: str) -> ComparisonPage:
    calibrations, without_temperature = measure(study)
    return ComparisonPage(
        title=title,
        arms=study.arms,
        names=study.classes,
        answers=answer.answers(study),
        partial=answer.partial(study),
        remarks=study.comparison.remarks,
        facts=answer.facts(study),
        overview=pictures.overview(study),
        table=tables.arm_table(study),
        pairs=tables.pair_tables(study),
        forests=pictures.forests(study),
        confusions=tables.confusions(study),
        calibration=calibration_table(calibrations),
        reliability=reliability_curves(calibrations),
        without_temperature=without_temperature,
        disagreements=disagreement.disagreements(study),
        rule=disagreement.rule(study),
        made=made(study),
        definitions=definitions(study.found.n_resamples),
    )
