"""One sentence for every word that the page of an audit uses."""

from lesioncare.evaluation.intervals import MIN_GROUPS
from lesioncare.report.audit.study import AuditStudy
from lesioncare.report.definitions import DEFINITIONS
from lesioncare.report.text import percent
from lesioncare.report.views import Definition

__all__ = ["definitions"]

_KEPT = ("Rare class", "Recall", "Rare recall", "Balanced accuracy", "Map")
_SPACE = "\u202f"


def definitions(study: AuditStudy) -> tuple[Definition, ...]:
    """The words of the page."""
    number = len(study.classes)
    own = (
        (
            "Knows the disease without the lesion",
            f"With the lesion hidden the lower end of the 95{_SPACE}% interval of the balanced accuracy is "
            f"above chance, and the smallest class has {MIN_GROUPS} lesions or patients or more.",
        ),
        (
            "Chance",
            f"{percent(1 / number)}: the balanced accuracy of an answer that does not depend on the image, "
            f"one divided by the {number} classes that occur.",
        ),
        (
            "Lesion hidden",
            "The box, enlarged by the margin, is filled in from what surrounds it (Telea 2004), with grain "
            "as strong as there.",
        ),
        ("Only the lesion", "All outside the box takes the median colour of what was there."),
        (
            "Other background",
            "The box is pasted into the filled-in image of another class, its edge faded over the margin.",
        ),
        (
            f"95{_SPACE}% interval",
            f"The range of the middle 95{_SPACE}% of bootstrap draws of whole groups (lesions or patients) "
            "in each class; both sides of a difference are drawn together.",
        ),
        (
            "Shown",
            "The interval of the difference leaves out 0. For the class that an artefact draws answers to: "
            "the p value is below 0.05 after Holm's correction for all artefacts and classes.",
        ),
        (
            "Deletion, insertion",
            "Area under the curve of the true class's probability while the pixels are blurred, or shown in "
            "a blurred image, in the order of its map (Petsiuk et al. 2018).",
        ),
    )
    kept = [one for one in DEFINITIONS if one.term in _KEPT]
    return (*kept, *(Definition(term, meaning) for term, meaning in own))
