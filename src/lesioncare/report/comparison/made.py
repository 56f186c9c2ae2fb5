"""How a comparison was made: splits, versions, and its plan as YAML, so that it can be made again."""

import hashlib
from typing import Any

import yaml

from lesioncare.experiment import ComparisonConfig
from lesioncare.report import text
from lesioncare.report.comparison.study import ComparisonStudy
from lesioncare.report.comparison.views import Made
from lesioncare.report.views import TableRow
from lesioncare.words import noun

__all__ = ["made", "plan_yaml"]

_PARTS = ("model", "schedule", "attention", "remedy")
_NOT_SHARED = {"data": ("table", "image_root", "box_file", "fold"), "schedule": ("seed",)}
"""Part -> fields that the plan writes elsewhere, or that belong to a cell."""


def made(study: ComparisonStudy) -> Made:
    """Everything that is needed to repeat the comparison."""
    comparison = study.comparison
    return Made(
        facts=_facts(study),
        folds=_folds(study),
        missing=tuple(map(str, comparison.missing)),
        seconds=tuple(TableRow(name, (f"{value:,.1f} s",)) for name, value in comparison.seconds.items()),
        versions=tuple(TableRow(name, (value,)) for name, value in comparison.protocol.versions.items()),
        command=comparison.protocol.command,
        plan=plan_yaml(comparison.plan),
    )


def _facts(study: ComparisonStudy) -> tuple[TableRow, ...]:
    comparison, found = study.comparison, study.found
    facts = {
        "Arms": ", ".join(comparison.plan.arms),
        "Folds": ", ".join(map(str, comparison.plan.folds)),
        "Seeds": ", ".join(map(str, comparison.plan.seeds)),
        "In the statistics": f"{noun(len(found.folds), 'fold')} {', '.join(map(str, found.folds))}; "
        f"{noun(len(found.seeds), 'seed')} {', '.join(map(str, found.seeds))}",
        "Bootstrap draws": text.count(found.n_resamples),
        "Commit": comparison.protocol.commit or "installed from a package",
        "Trained by": comparison.protocol.runner,
    }
    splits = comparison.directory / "splits.csv"
    if splits.is_file():
        facts["splits.csv, SHA-256"] = hashlib.sha256(splits.read_bytes()).hexdigest()
    return tuple(TableRow(name, (value,)) for name, value in facts.items())


def _folds(study: ComparisonStudy) -> tuple[TableRow, ...]:
    """Images for training, validation and test of each fold."""
    rows = []
    for fold in study.found.folds:
        result = study.results[study.arms[0].name][fold, study.found.seeds[0]]
        validation = text.MISSING if result.validation is None else text.count(len(result.validation))
        counts = (text.count(sum(result.train_counts.values())), validation)
        rows.append(TableRow(str(fold), (*counts, text.count(len(result.predictions)))))
    return tuple(rows)


def plan_yaml(plan: ComparisonConfig) -> str:
    """The plan as a file for `lesioncare compare --config`; its relative paths are as they were given.

    The first arm's options are those that all share; an arm has what it changes.
    """
    arms = {name: arm.to_json() for name, arm in plan.arms.items()}
    first = next(iter(arms.values()))
    data = first["data"]
    settings: dict[str, Any] = {"table": data["table"]}
    settings |= {
        name: data[field]
        for name, field in (("images", "image_root"), ("boxes", "box_file"))
        if data[field] is not None
    }
    if not plan.own_split:
        settings["folds"] = list(plan.folds)
    settings["seeds"] = list(plan.seeds)
    for part in ("data", *_PARTS):
        left_out = _NOT_SHARED.get(part, ())
        settings[part] = {
            name: value for name, value in first[part].items() if name not in left_out and value is not None
        }
    if settings["data"].get("test_boxes") == "same":  # left out: arms with boxes of their own have another
        del settings["data"]["test_boxes"]
    settings["arms"] = {name: _changes(first, arm) for name, arm in arms.items()}
    return str(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100))


def _changes(first: dict[str, Any], arm: dict[str, Any]) -> dict[str, Any]:
    """What an arm changes against the first."""
    changes = {
        part: {name: value for name, value in arm[part].items() if value != first[part].get(name)}
        for part in _PARTS
    }
    boxes = {
        name: arm["data"][field]
        for name, field in (("file", "box_file"), ("min_score", "min_score"))
        if arm["data"][field] != first["data"][field]
    }
    return {name: value for name, value in (changes | {"boxes": boxes}).items() if value}
