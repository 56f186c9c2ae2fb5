"""From an audit to one self-contained HTML file."""

from pathlib import Path

from lesioncare.data.editing import ORIGINAL
from lesioncare.evaluation.audit import AuditResult
from lesioncare.report import text
from lesioncare.report.audit import tables
from lesioncare.report.audit.definitions import definitions
from lesioncare.report.audit.gallery import build_gallery
from lesioncare.report.audit.study import AuditStudy, title_of
from lesioncare.report.audit.views import AuditPage, Verdict
from lesioncare.report.build import render_page, write_page
from lesioncare.report.views import TableRow

__all__ = ["build_audit_report"]


def build_audit_report(result: AuditResult, path: Path, *, title: str | None = None) -> Path:
    """Write whether the networks need the lesion as one HTML file that needs no network.

    The same audit gives the same bytes. Group ids and image names are not in the page; an image is called by
    its row in audit.csv. An image file that is gone is shown as a placeholder.

    Args:
        result: of one run, or of several; the first is compared with.
        path: the HTML file; its folder is made, an old file is replaced as a whole.
        title: the page's heading; by default the question that it answers.

    Returns:
        The path of the file.

    Raises:
        RunError: the file cannot be written.

    Example:
        >>> build_audit_report(AuditResult.load(folder), folder / "audit.html")  # doctest: +SKIP
    """
    page = _page(AuditStudy(result), title or "Does the network need the lesion?")
    return write_page(path, render_page("audit.html.j2", page))


def _page(study: AuditStudy, title: str) -> AuditPage:
    return AuditPage(
        title=title,
        arms=study.arms,
        remarks=study.result.remarks,
        verdicts=_verdicts(study),
        facts=_facts(study),
        panels=tables.panels(study),
        heads=tuple(title_of(version) for version in study.result.versions),
        classes=tables.class_lines(study),
        backgrounds=tables.background_rows(study),
        artefacts=tables.artefact_lines(study),
        moves=tables.move_rows(study),
        curves=tables.curve_rows(study),
        gallery=build_gallery(study),
        settings=_settings(study),
        definitions=definitions(study),
    )


def _verdicts(study: AuditStudy) -> tuple[Verdict, ...]:
    verdicts = study.result.verdicts
    return tuple(
        Verdict(
            arm,
            verdicts[arm.name].kind,
            verdicts[arm.name].sentence,
            study.result.comparison_sentences(arm.name),
            study.result.part_sentences(arm.name),
        )
        for arm in study.arms
    )


def _facts(study: AuditStudy) -> tuple[str, ...]:
    images = study.result.images
    groups = text.of_groups(len(images), len(set(images.group.tolist())))
    facts = [", ".join(filter(None, (f"{text.several(len(images), 'image')} with a box", groups)))]
    facts += [f"{text.count(n)} left out, {why}" for why, n in study.result.left_out.items()]
    return (*facts, f"{len(study.classes)} classes: chance {text.percent(1 / len(study.classes))}")


def _settings(study: AuditStudy) -> tuple[TableRow, ...]:
    settings = study.result.settings
    rows = {
        "margin around a box": f"{100 * settings.margin:g} % of its side at each edge",
        "seed": str(settings.seed),
        "longest side while editing": f"{settings.max_side} pixels",
        "versions": ", ".join(version for version in study.result.versions if version != ORIGINAL),
        "rare classes": ", ".join(study.result.rare) or "none",
    }
    return tuple(TableRow(name, (value,)) for name, value in rows.items())
