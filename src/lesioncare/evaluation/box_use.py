"""Which boxes a network learnt from and is judged by, and what a reader must know of them."""

from collections import Counter
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from lesioncare.boxes.control import is_control
from lesioncare.words import several

__all__ = ["BoxUse", "BoxesOfRun", "box_remarks"]

JUDGE = "For that, judge it by the lesions' boxes: --test-boxes FILE."
"""What to do about control boxes that a run is judged by."""


class BoxUse(BaseModel):
    """The boxes of a table's images.

    Attributes:
        file: the box file, or the table whose columns they stand in.
        table: images of the table.
        images: those of them that have a box.
        boxes: boxes.
        sources: source -> its boxes; empty where a file does not tell.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    table: NonNegativeInt
    images: NonNegativeInt
    boxes: NonNegativeInt
    sources: dict[str, NonNegativeInt]

    @property
    def control(self) -> bool:
        """Whether they are of `lesioncare boxes control`, wherever the lesions are."""
        return any(map(is_control, self.sources))

    def __str__(self) -> str:
        """In words: "250 boxes on 240 of 300 images (manual 210, mbd 40), of boxes.csv"."""
        ordered = Counter(self.sources).most_common()
        sources = f" ({', '.join(f'{name} {count}' for name, count in ordered)})" if ordered else ""
        counts = f"{several(self.boxes, 'box', 'boxes')} on {self.images} of {several(self.table, 'image')}"
        return f"{counts}{sources}, of {self.file}"


class BoxesOfRun(BaseModel):
    """What a run learnt from and is judged by.

    Attributes:
        learnt: of the table that it was trained on; None where there was no attention.
        judged: of the table with its test images.
    """

    model_config = ConfigDict(frozen=True)

    learnt: BoxUse | None
    judged: BoxUse

    def sentences(self) -> tuple[str, ...]:
        """Say what attention learns from, and where a network should look when it is tested."""
        if self.learnt is None:
            if not self.judged.images:
                return ("No image has a box: no attention, and nothing to judge by where the network looks.",)
            return ("Trained without attention.", f"Judged by {self.judged}.")
        told = [f"Attention learns from {self.learnt}."]
        without = self.learnt.table - self.learnt.images
        if without:
            told.append(f"{several(without, 'image')} without a box: no attention there.")
        return (*told, *([] if self.judged == self.learnt else [f"Judged by {self.judged}."]))


def box_remarks(runs: Mapping[str, BoxesOfRun | None], remedy: str = JUDGE) -> tuple[str, ...]:
    """Say which runs learnt from control boxes, and which are judged by them.

    Args:
        runs: name -> its boxes; None where an older run has kept nothing of them.
        remedy: what to do where control boxes are judged by.
    """
    learnt: dict[str, list[str]] = {}
    judged: dict[str, list[str]] = {}
    for name, boxes in runs.items():
        if boxes is not None and boxes.learnt is not None and boxes.learnt.control:
            learnt.setdefault(boxes.learnt.file, []).append(name)
        if boxes is not None and boxes.judged.control:
            judged.setdefault(boxes.judged.file, []).append(name)
    alone = len(runs) == 1
    told = [
        f"{_who(names, alone)} learnt from control boxes ({file}), which are not where the lesions are: what "
        "is gained by them is not gained by looking at the lesion."
        for file, names in learnt.items()
    ]
    told += [
        f"{_who(names, alone)} {'is' if len(names) == 1 else 'are'} judged by control boxes ({file}): "
        '"energy in the box" is of control boxes, and does not say how much a network looks at the lesion. '
        f"{remedy}"
        for file, names in judged.items()
    ]
    return tuple(told)


def _who(names: list[str], alone: bool) -> str:
    if alone:
        return "The network"
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
