"""From runs to one self-contained HTML file."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from lesioncare.errors import RunError
from lesioncare.evaluation import RunResult
from lesioncare.evaluation.files import write_file
from lesioncare.report import charts, summary, tables
from lesioncare.report.definitions import DEFINITIONS
from lesioncare.report.gallery import build_gallery
from lesioncare.report.study import Study
from lesioncare.report.views import Page

__all__ = ["build_report", "render_page", "write_page"]


def build_report(
    runs: Sequence[RunResult], output: Path, *, title: str | None = None, notes: Sequence[str] = ()
) -> Path:
    """Write what one run reached, or how several compare, as one HTML file that needs no network.

    The first run is the one that the others are compared with: give the run without attention first.
    The same runs give the same bytes. Group ids and image names are not in the page; an image is
    called by its row in the predictions' table. An image file that is gone is shown as a placeholder.

    Args:
        runs: one or more, made on the same data and tested on the same images.
        output: the HTML file; its folder is made, an old file is replaced as a whole.
        title: the page's heading; by default the question that it answers.
        notes: sentences below the answer, on what the reader must know of the data.

    Returns:
        The path of the file.

    Raises:
        RunError: there is no run, the runs do not belong together, or the file cannot be written.

    Example:
        >>> build_report([plain, care], Path("report.html"))  # doctest: +SKIP
    """
    return write_page(output, render_page("report.html.j2", _page(Study(tuple(runs)), title, notes)))


def write_page(output: Path, html: str) -> Path:
    """Write a page, in a folder that is made where there is none, and give its path.

    Raises:
        RunError: the file cannot be written.
    """
    output = Path(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{output.parent}: cannot be made ({error}). Choose another folder.") from error
    write_file(output, html.encode())
    return output


def _page(study: Study, title: str | None, notes: Sequence[str]) -> Page:
    alone = "How well are the rare classes found?"
    return Page(
        title=title or (alone if len(study.runs) == 1 else "Does attention help the rare classes?"),
        arms=study.arms,
        answers=summary.answers(study),
        remarks=(*notes, *summary.remarks(study)),
        facts=summary.facts(study),
        cards=summary.cards(study),
        counts=tables.count_rows(study),
        classes=tables.class_rows(study),
        forest=charts.forest(study),
        curves=charts.curves(study),
        confusions=tables.confusions(study),
        looks=tables.look_sets(study),
        gallery=build_gallery(study.runs, study.arms),
        config=tables.config_rows(study),
        seconds=tables.second_rows(study),
        versions=tables.version_rows(study),
        commands=tables.commands(study),
        definitions=DEFINITIONS,
    )


def render_page(template: str, page: object, scripts: Sequence[str] = ("report.js",)) -> str:
    """The HTML of a page; everything in it is escaped, and no script runs but these."""
    environment = Environment(
        loader=PackageLoader("lesioncare.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = "".join(environment.get_template(name).render() for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template(template).render(page=page, scripts=scripts, script_hash=digest)
