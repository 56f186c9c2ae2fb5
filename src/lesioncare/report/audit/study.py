"""The runs of an audit in the page's order and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lesioncare.data.editing import HIDDEN, LESION, ORIGINAL, SWAPPED
from lesioncare.evaluation import Difference
from lesioncare.evaluation.audit import AuditResult, AuditStatistics
from lesioncare.report.views import Arm

__all__ = ["AuditStudy", "meaning_of", "title_of"]

_COLOURS = 6
_VERSIONS = {
    ORIGINAL: ("Original", "the image as it is"),
    HIDDEN: ("Lesion hidden", "filled in with what surrounds it"),
    LESION: ("Only the lesion", "all around it in one colour"),
    SWAPPED: ("Other background", "of an image of another class"),
}


def title_of(version: str) -> str:
    """A version's name as a heading."""
    return _VERSIONS[version][0] if version in _VERSIONS else version.replace("-", " ").capitalize()


def meaning_of(version: str) -> str:
    """What was done to the images."""
    if version in _VERSIONS:
        return _VERSIONS[version][1]
    return "dark corners around the lesion" if version == "vignette" else "pasted beside the lesion"


@dataclass(frozen=True)
class AuditStudy:
    """An audit, and what the page asks of it."""

    result: AuditResult

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Names and colours; the grey of colour 0 says "the run to compare with"."""
        first = 0 if self.several else 1
        return tuple(
            Arm(run.name, (first + number) % _COLOURS) for number, run in enumerate(self.result.runs)
        )

    @property
    def several(self) -> bool:
        """Whether there is a run to compare with."""
        return len(self.result.runs) > 1

    @cached_property
    def counts(self) -> dict[str, int]:
        """Class -> audited images."""
        images = self.result.images
        counted = np.bincount(images.target, minlength=len(images.classes))
        return dict(zip(images.classes, counted.tolist(), strict=True))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes that occur, rare before common."""
        occur = [name for name in self.result.images.classes if self.counts[name]]
        return tuple(sorted(occur, key=lambda name: name not in self.result.rare))

    @property
    def changed(self) -> tuple[str, ...]:
        """The versions other than the original."""
        return tuple(name for name in self.result.versions if name != ORIGINAL)

    @property
    def artefacts(self) -> tuple[str, ...]:
        """The versions with something pasted."""
        return tuple(name for name in self.changed if name not in _VERSIONS)

    def found(self, arm: Arm) -> AuditStatistics:
        """A run's numbers."""
        return self.result.statistics[arm.name]

    def against_first(self, arm: Arm, version: str) -> Mapping[str, Difference]:
        """How a run differs from the first on one version."""
        return self.result.differences[arm.name].get(version, {})
