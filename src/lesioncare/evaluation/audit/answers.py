"""One run's answers to all versions of the audited images."""

from collections.abc import Mapping
from dataclasses import dataclass

from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.resampling import Floats

__all__ = ["RunAudit"]


@dataclass(frozen=True, eq=False)
class RunAudit:
    """One run's answers to all versions of the same N images.

    Args:
        name: what tables call the run.
        prior: class -> what its logits carry of the training counts (`RunResult.prior`).
        answers: version -> its predictions, the original first; all labelled.
        deletion: [N, S + 1], probability of the true class when the first s of S equal parts of the pixels,
            in the order of the map, are blurred; a row of NaN where the map is constant. None without maps.
        insertion: the same when all but those are blurred.
    """

    name: str
    prior: Mapping[str, float]
    answers: Mapping[str, Predictions]
    deletion: Floats | None = None
    insertion: Floats | None = None
