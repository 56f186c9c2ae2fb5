"""AUROC and average precision under many weightings of the images at once.

Between two scores of the class's own images the order of the other images does not matter. So the others'
weights are summed once per such gap, a sparse matrix product, and all resamples follow from running sums.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lesioncare.evaluation.predictions import Predictions
from lesioncare.evaluation.ratios import mean_defined, rare_mask
from lesioncare.evaluation.resampling import Draws, Floats

__all__ = ["OneVersusRest", "RankingSums"]


class OneVersusRest:
    """One class's AUROC and average precision as a function of the groups' weights.

    With M different scores of the class's images, T and F the weights of its own and of the other images at
    or above a score, t the weight of its own at that score: average precision = sum(t * T / (T + F)) /
    sum(t), as in scikit-learn; AUROC = the weighted share of pairs of an own and another image that are in
    the right order, a tie counting one half.

    Args:
        truth: [N], whether the image is of the class.
        score: [N], its probability.
        draws: says which group each image is in.
    """

    def __init__(self, truth: NDArray[np.bool_], score: Floats, draws: Draws) -> None:
        levels, own = np.unique(score[truth], return_inverse=True)
        others = score[~truth]
        # Gap 2j + 1 holds the scores equal to level j, gap 2j those between the levels j - 1 and j.
        gap = np.searchsorted(levels, others, "left") + np.searchsorted(levels, others, "right")
        self._own = _summing(own, draws.membership[truth], (len(levels), draws.n_groups))
        self._others = _summing(gap, draws.membership[~truth], (2 * len(levels) + 1, draws.n_groups))

    def __call__(self, weights: Floats) -> tuple[Floats, Floats]:
        """AUROC and average precision, [B] each, under weights [G, B]; NaN where undefined."""
        own = self._own @ weights  # [M, B], from the lowest score up
        others = np.cumsum(self._others @ weights, axis=0)  # [2M + 1, B]
        below, up_to = others[:-1:2], others[1::2]  # others under a level, and under or equal to it
        n_own, n_others = own.sum(axis=0), others[-1]
        ordered = (own * (below + up_to)).sum(axis=0) / 2
        auroc = _divide(ordered, n_own * n_others)
        own_above = np.cumsum(own[::-1], axis=0)[::-1]
        precision = np.nan_to_num(_divide(own_above, own_above + n_others - below))
        return auroc, _divide((own * precision).sum(axis=0), n_own)


class RankingSums:
    """Macro AUROC and the rare classes' mean average precision as a function of the groups' weights.

    Args:
        known: labelled images.
        rare: names of the rare classes.
        draws: says which group each image is in.
    """

    def __init__(self, known: Predictions, rare: Sequence[str], draws: Draws) -> None:
        is_rare = rare_mask(known.classes, rare)
        probabilities = known.probabilities
        present = np.unique(known.target)
        self._classes = [
            (bool(is_rare[index]), OneVersusRest(known.target == index, probabilities[:, index], draws))
            for index in present
        ]
        fewest = [len(np.unique(draws.membership[known.target == index])) for index in present]
        of_rare = [n for n, index in zip(fewest, present, strict=True) if is_rare[index]]
        # metric -> images that it rests on, and groups of the class with the fewest
        self.support: dict[str, tuple[int, int]] = {}
        if len(present) > 1:
            self.support["macro_auroc"] = (len(known), min(fewest))
        if of_rare:
            self.support["rare_average_precision"] = (len(known), min(of_rare))

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """Metric -> its value [B] under weights [G, B]; NaN where it is undefined."""
        auroc, precision = [], []
        for is_rare, ranking in self._classes:
            of_class = ranking(weights)
            auroc.append(of_class[0])
            precision += [of_class[1]] if is_rare else []
        values = {"macro_auroc": auroc, "rare_average_precision": precision}
        return {name: mean_defined(np.stack(values[name])) for name in self.support}


def _summing(row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]) -> csr_array:
    """A sparse matrix with as many ones added up at (row, column) as there are such images."""
    return csr_array((np.ones(len(row)), (row, column)), shape=shape)


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    undefined = np.full_like(numerator, np.nan)
    ratio: Floats = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return ratio
