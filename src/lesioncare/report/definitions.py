"""One sentence for every word that the report uses."""

from lesioncare.report.views import Definition

__all__ = ["DEFINITIONS"]

DEFINITIONS = tuple(
    Definition(term, meaning)
    for term, meaning in (
        ("Rare class", "A class that was named as rare for these runs, or that has few training images."),
        (
            "Recall",
            "Of the test images of a class, the share that the network names correctly (sensitivity).",
        ),
        ("Rare recall", "The mean of the recalls of the rare classes, each class counting the same."),
        ("Balanced accuracy", "The mean of the recalls of all classes that the test part holds."),
        (
            "Precision",
            "Of the images that the network gives this class, the share that has it (predictive value).",
        ),
        ("F1", "The harmonic mean of precision and recall."),
        (
            "AUROC",
            "The chance that an image of the class gets a higher probability for it than an image of another "
            "class; it does not depend on where the threshold lies.",
        ),
        (
            "Average precision",
            "The area under the curve of precision against recall: how well a rare class is ranked.",
        ),
        (
            "Adjusted (logit adjustment)",
            "The answer after the logarithm of each class's share of the training images is taken from its "
            "score, so that a class is not preferred merely because it was common in training. What a remedy "
            "such as balanced softmax has taken out already is not taken out twice.",
        ),
        (
            "Map",
            "The class activation map of the true class: which parts of the image speak for it; only its "
            "positive part is used.",
        ),
        (
            "Energy in the box",
            "The share of the map's positive part that lies inside the lesion's box. A map without a "
            "positive part has none; a difference rests on the images where both maps have one, and so may "
            "not equal the difference of the two means to the last digit.",
        ),
        ("Chance level", "The box's share of the image: the energy of a map that is the same everywhere."),
        (
            "Centre prior",
            "The energy of a map that always looks at the image's centre, without seeing the image.",
        ),
        ("Pointing", "The share of the images in which the map's highest point lies in the box."),
        (
            "95\u202f% interval",
            "The range of the middle 95\u202f% of 2000 bootstrap draws of whole groups (lesions or "
            "patients) in each class, a little wider where there are few; of a difference, both arms are "
            "drawn together.",
        ),
        (
            "Shown",
            "The interval of the difference leaves out 0 and rests on at least 6 groups; otherwise no "
            "difference is shown, which does not prove that there is none.",
        ),
    )
)
