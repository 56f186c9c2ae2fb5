"""The boxes after a review, and how far two reviewers agree."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import cohen_kappa_score

from lesioncare.boxes import Box, BoxSet
from lesioncare.boxes.generation.maker import box_iou
from lesioncare.errors import ReviewError
from lesioncare.review.events import Opinion
from lesioncare.review.reviewing import Review
from lesioncare.words import noun, several

ACCEPTED = "accepted by"
"""Stands between the source of a box that was left as it was, and the reviewer's name."""

__all__ = ["ACCEPTED", "Agreement", "agreements", "mean_iou", "reviewed_boxes"]


def reviewed_boxes(review: Review, *, reviewer: str | None = None, only_decided: bool = False) -> BoxSet:
    """The boxes as the reviewers left them.

    A box that a reviewer drew or changed has the source "manual, NAME", one that was accepted as it was keeps
    its own and adds ", accepted by NAME"; both have the score 1. Rejected images are left out, as their boxes
    are wrong and the right ones unknown; an image that was accepted without a box is known to have none.
    Images that nobody decided keep the file's boxes, with their source and score.

    Args:
        review: the review.
        reviewer: whose decisions to take; None for all reviewers', none of which may be in conflict.
        only_decided: leave out the images that nobody accepted.

    Raises:
        ReviewError: images are in conflict, there is no such reviewer, or nothing is left.
    """
    if reviewer is not None and reviewer not in review.state.reviewers():
        known = ", ".join(review.state.reviewers()) or "nobody yet"
        raise ReviewError(f"no reviewer is called {reviewer!r}. Reviewers: {known}.")
    images, boxes, conflicts = {}, [], []
    for record, original, standing, status, whose in review.outcomes():
        if reviewer is not None:
            seen = review.state.images[record.number].seen_by(reviewer) if whose else None
            standing, who = (seen.after if seen else None), reviewer  # noqa: PLW2901
        elif status == "conflict":
            conflicts.append(record.id)
            continue
        else:
            who = whose[0] if whose else ""
        decision = standing.decision if standing else None
        if decision == "rejected" or (only_decided and decision != "accepted"):
            continue
        size = None if record.width is None or record.height is None else (record.width, record.height)
        images[record.id] = size
        boxes += _signed(standing or original, original, who)
    if conflicts:
        raise ReviewError(
            f"{several(len(conflicts), 'image')} {noun(len(conflicts), 'is', 'are')} in conflict, first "
            f"{conflicts[0]!r}. Resolve them on the page "
            "(filter: conflict), or name whose decisions to take with --reviewer."
        )
    if not images:
        raise ReviewError("no image is left to export: all were rejected, or none was decided.")
    return BoxSet.of(boxes, images, review.store.classes)


def _signed(opinion: Opinion, original: Opinion, who: str) -> list[Box]:
    """The boxes of an opinion with who vouches for them."""
    found = []
    for box in opinion.boxes:
        if box not in original.boxes:
            found.append(replace(box, source=f"manual, {who}", score=1.0))
        elif opinion.decision == "accepted":
            found.append(replace(box, source=f"{box.source}, {ACCEPTED} {who}", score=1.0))
        else:
            found.append(box)
    return found


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two reviewers agree on the images that both accepted or rejected.

    Args:
        first: a reviewer.
        second: the other.
        images: how many images both decided.
        same: on how many of them the decision is the same.
        kappa: Cohen's kappa of accept against reject; NaN where both always decided the same one thing.
        both_accepted: how many images both accepted.
        iou: mean over these of `mean_iou`; NaN where there is none.
    """

    first: str
    second: str
    images: int
    same: int
    kappa: float
    both_accepted: int
    iou: float


def agreements(review: Review) -> list[Agreement]:
    """The agreement of every two reviewers who decided an image in common.

    What counts is what each held before a conflict was resolved, when they could not see each other's boxes.
    """
    state = review.state
    found = []
    for first, second in combinations(state.reviewers(), 2):
        ones, others = state.decided(first), state.decided(second)
        common = sorted(ones.keys() & others.keys())
        if not common:
            continue
        left, right = [ones[n] for n in common], [others[n] for n in common]
        accepted = [n for n in common if ones[n] == others[n] == "accepted"]
        ious = [mean_iou(*(_boxes_of(review, n, who) for who in (first, second))) for n in accepted]
        same = sum(a == b for a, b in zip(left, right, strict=True))
        kappa = float("nan")
        if len({*left, *right}) > 1:
            kappa = float(cohen_kappa_score(left, right))
        iou = float(np.mean(ious)) if ious else float("nan")
        found.append(Agreement(first, second, len(common), same, kappa, len(accepted), iou))
    return found


def mean_iou(ones: tuple[Box, ...], others: tuple[Box, ...]) -> float:
    """Mean intersection over union of two reviewers' boxes of one image.

    The boxes are paired so that the sum is largest (Kuhn 1955); a box without a partner counts as 0. Where
    neither has a box, they agree: 1.
    """
    if not ones and not others:
        return 1.0
    if not ones or not others:
        return 0.0
    table = np.stack([box_iou(box.xyxy, [other.xyxy for other in others]) for box in ones])
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / max(len(ones), len(others)))


def _boxes_of(review: Review, number: int, reviewer: str) -> tuple[Box, ...]:
    opinion = review.state.images[number].own(reviewer)
    return opinion.boxes if opinion else ()
