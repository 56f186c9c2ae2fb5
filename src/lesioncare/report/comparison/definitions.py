"""One sentence for every word that the report of a comparison uses."""

from lesioncare.report.definitions import DEFINITIONS
from lesioncare.report.views import Definition

__all__ = ["definitions"]

_KEPT = (
    *("Rare class", "Recall", "Rare recall", "Balanced accuracy", "AUROC", "Average precision"),
    *("Adjusted (logit adjustment)", "Map", "Energy in the box"),
)
_SPACE = "\u202f"


def definitions(n_resamples: int) -> tuple[Definition, ...]:
    """The words of the page, with the number of bootstrap draws behind the intervals."""
    own = (
        ("Arm", "One way to train: a remedy for imbalance, a loss of attention, or both."),
        ("Fold", "A part of the images that is tested by a network that has not seen it in training."),
        (
            f"95{_SPACE}% interval",
            f"The range of the middle 95{_SPACE}% of {n_resamples} bootstrap draws of whole groups (lesions "
            "or patients) in each class; all arms are drawn together.",
        ),
        (
            "p, corrected",
            "How likely so large a difference is by chance alone, by Holm's method for all pairs of arms "
            "that were tested in the same metric.",
        ),
        (
            "Shown",
            "The interval of the difference leaves out 0 and its corrected p is below 0.05; otherwise no "
            "difference is shown, which does not prove that there is none.",
        ),
        (
            "SD over folds, over seeds",
            "How much the difference itself varies from fold to fold and from seed to seed (standard "
            "deviation): what the interval does not cover.",
        ),
        ("NLL", "Negative log likelihood: the mean of minus the logarithm of the true class's probability."),
        (
            "ECE",
            "Expected calibration error: the mean distance between how sure the network is and how often it "
            "is right, over 15 bins.",
        ),
        (
            "Temperature",
            "The number that the scores are divided by before they become probabilities, fitted on the "
            "validation part; above 1 the network was too sure of itself.",
        ),
    )
    kept = [one for one in DEFINITIONS if one.term in _KEPT]
    return (*kept, *(Definition(term, meaning) for term, meaning in own))
