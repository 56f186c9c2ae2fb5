"""What an audit leaves behind: every answer to every version, from which all its numbers follow."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesioncare.data.editing import ORIGINAL, EditSettings
from lesioncare.errors import RunError
from lesioncare.evaluation.audit.answers import RunAudit
from lesioncare.evaluation.audit.statistics import AuditStatistics, compare_runs, measure
from lesioncare.evaluation.audit.words import Verdict, comparison_sentences, judge, sentences
from lesioncare.evaluation.bootstrap import what_differs
from lesioncare.evaluation.files import write_file
from lesioncare.evaluation.intervals import Difference
from lesioncare.evaluation.metrics import evaluate
from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.remarks import answer_remarks
from lesioncare.evaluation.resampling import Floats

__all__ = ["AuditResult"]

_REMEDY = "Run the audit again."
_CURVES = ("deletion", "insertion")


@dataclass(frozen=True, eq=False)
class AuditResult:
    """An audit of one run, or of several on the same images; the first is the reference.

    Args:
        runs: their names differ.
        rare: names of the rare classes.
        partners: [N], whose background the swapped version of an image has.
        settings: of the edits.
        left_out: why images were left out -> how many.

    Raises:
        RunError: the runs have no name of their own, or not the same images and versions.
    """

    runs: tuple[RunAudit, ...]
    rare: tuple[str, ...]
    partners: NDArray[np.int64]
    settings: EditSettings
    left_out: Mapping[str, int]

    def __post_init__(self) -> None:
        if not self.runs or len({run.name for run in self.runs}) < len(self.runs):
            raise RunError("an audit needs one or more runs with different names.")
        for run in self.runs:
            if tuple(run.answers) != self.versions:
                raise RunError(f"run {run.name!r}: answered to {tuple(run.answers)}, not {self.versions}.")
            for name, one in run.answers.items():
                differing = what_differs(self.images, one)
                if differing:
                    raise RunError(f"run {run.name!r}, {name}: {differing}. Audit the same images.")

    @property
    def images(self) -> Predictions:
        """The audited images; the answers are the first run's."""
        return self.runs[0].answers[ORIGINAL]

    @property
    def versions(self) -> tuple[str, ...]:
        """Names of the versions, the original first."""
        return tuple(self.runs[0].answers)

    def to_frame(self) -> pd.DataFrame:
        """One row per run and image.

        Columns: run, image, path, group, label, boxes (json, pixels), background (the image whose
        background the swapped version has), answer:VERSION ..., logit:VERSION:CLASS ..., and deletion:S and
        insertion:S, the probability of the true class after S steps.
        """
        return pd.concat([self._frame_of(run) for run in self.runs], ignore_index=True)

    def _frame_of(self, run: RunAudit) -> pd.DataFrame:
        images, names = self.images, np.asarray(self.images.classes)
        columns: dict[str, Any] = {"run": [run.name] * len(images)}
        columns |= {name: getattr(images, name) for name in ("image", "path", "group")}
        columns |= {
            "label": names[images.target],
            "boxes": [json.dumps(box.tolist()) for box in images.boxes],
        }
        columns["background"] = images.image[self.partners]
        columns |= {f"answer:{name}": names[one.prediction] for name, one in run.answers.items()}
        columns |= {
            f"logit:{version}:{name}": one.logits[:, index]
            for version, one in run.answers.items()
            for index, name in enumerate(names)
        }
        for kind in _CURVES:
            curves = getattr(run, kind)
            if curves is not None:
                columns |= {f"{kind}:{step}": curves[:, step] for step in range(curves.shape[1])}
        return pd.DataFrame(columns)

    @cached_property
    def statistics(self) -> dict[str, AuditStatistics]:
        """Run -> its numbers, computed once."""
        return {run.name: measure(run, self.rare, self.partners) for run in self.runs}

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """Run -> the one sentence that stands on top."""
        return {name: judge(found) for name, found in self.statistics.items()}

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What must be known of the runs' answers to the original images before a number is believed."""
        return answer_remarks(
            {run.name: [evaluate(run.answers[ORIGINAL], self.rare, run.prior)] for run in self.runs}
        )

    @cached_property
    def differences(self) -> dict[str, dict[str, dict[str, Difference]]]:
        """Run after the first -> version -> metric -> first run -> this one."""
        return {run.name: compare_runs(self.runs[0], run, self.rare) for run in self.runs[1:]}

    def sentences(self, name: str) -> tuple[str, ...]:
        """What the parts of the audit say of a run, and how it differs from the first."""
        return (*self.comparison_sentences(name), *self.part_sentences(name))

    def part_sentences(self, name: str) -> tuple[str, ...]:
        """What each part of the audit says of a run."""
        return sentences(self.statistics[name])

    def comparison_sentences(self, name: str) -> tuple[str, ...]:
        """How a run differs from the first; nothing of the first itself."""
        found = self.differences.get(name)
        return () if found is None else comparison_sentences(self.runs[0].name, name, found)

    def to_dict(self) -> dict[str, Any]:
        """What the CSV does not have, and what follows from it, as json values."""
        return {
            "classes": list(self.images.classes),
            "rare": list(self.rare),
            "versions": list(self.versions),
            "n_images": len(self.images),
            "left_out": dict(self.left_out),
            "settings": asdict(self.settings),
            "partners": self.partners.tolist(),
            "remarks": list(self.remarks),
            "runs": [self._run_to_dict(run) for run in self.runs],
        }

    def _run_to_dict(self, run: RunAudit) -> dict[str, Any]:
        verdict, found = self.verdicts[run.name], self.statistics[run.name]
        against = self.differences.get(run.name, {})
        return {
            "name": run.name,
            "prior": dict(run.prior),
            "steps": _steps(run),
            "verdict": verdict.kind,
            "sentences": [verdict.sentence, *self.sentences(run.name)],
            "found": found.to_dict(),
            "against_the_first": {
                version: {name: one.to_dict() for name, one in metrics.items()}
                for version, metrics in against.items()
            },
        }

    def save(self, directory: Path) -> None:
        """Write audit.csv, and audit.json last: where it is, the audit is complete.

        Raises:
            RunError: a file cannot be written.
        """
        directory = Path(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "audit.json").unlink(missing_ok=True)
        except OSError as error:
            raise RunError(
                f"{directory}: cannot be written to ({error}). Choose another --output."
            ) from error
        text = self.to_frame().to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        write_file(directory / "audit.csv", text.encode())
        record = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        write_file(directory / "audit.json", record.encode())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; all numbers are computed anew from the answers.

        Raises:
            RunError: a file is missing or damaged; the message names it.
        """
        directory = Path(directory)
        try:
            record = json.loads((directory / "audit.json").read_text(encoding="utf-8"))
            # Texts as they are: a class may be called "NA" or "007".
            frame = pd.read_csv(directory / "audit.csv", dtype=str, keep_default_na=False)
            runs = tuple(_run(one, frame[frame["run"] == one["name"]], record) for one in record["runs"])
            return cls(
                runs=runs,
                rare=tuple(record["rare"]),
                partners=np.asarray(record["partners"], dtype=np.int64),
                settings=EditSettings(**record["settings"]),
                left_out=record["left_out"],
            )
        except FileNotFoundError as error:
            raise RunError(f"{error.filename}: no such file, so this is no audit. {_REMEDY}") from error
        except Exception as error:  # a file may hold anything
            raise RunError(f"{directory}: the audit there is damaged ({error}). {_REMEDY}") from error


def _steps(run: RunAudit) -> int | None:
    """S of the curves; None without maps."""
    return None if run.deletion is None else run.deletion.shape[1] - 1


def _run(one: Mapping[str, Any], frame: pd.DataFrame, record: Mapping[str, Any]) -> RunAudit:
    if len(frame) != record["n_images"]:
        raise ValueError(f"{len(frame)} rows of run {one['name']!r}")
    classes = tuple(record["classes"])
    undefined = np.full(len(frame), np.nan)
    numbers: dict[str, Any] = dict.fromkeys(("energy", "pointing", "area_share", "centre_energy"), undefined)
    first, *others = record["versions"]
    original = Predictions(
        **{name: frame[name].to_numpy(dtype=str) for name in ("image", "path", "group")},
        target=np.array([classes.index(name) for name in frame["label"]], dtype=np.int64),
        logits=_floats(frame, [f"logit:{first}:{name}" for name in classes]),
        classes=classes,
        boxes=tuple(np.asarray(json.loads(text)) for text in frame["boxes"]),
        **numbers,
    )
    answers = {first: original} | {
        version: replace(original, logits=_floats(frame, [f"logit:{version}:{name}" for name in classes]))
        for version in others
    }
    steps = one["steps"]
    curves = {
        kind: None if steps is None else _floats(frame, [f"{kind}:{step}" for step in range(steps + 1)])
        for kind in _CURVES
    }
    return RunAudit(one["name"], one["prior"], answers, **curves)


def _floats(frame: pd.DataFrame, columns: list[str]) -> Floats:
    texts = frame[columns].to_numpy(dtype=str)
    return np.where(texts == "", "nan", texts).astype(np.float64)
