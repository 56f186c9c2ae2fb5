"""Pairs of images that are the same, or almost.

Two images are twins where their thumbnails of 16 x 16 grey fields correlate by at least 0.995. Brightness,
contrast, size and JPEG quality hardly change the correlation, and all pairs are one matrix product. Hashes of
64 bits agree less with what people call the same: see docs/data.md. Mirrored, turned and cropped copies are
not found.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lesioncare.data.quality.scan import Scan
from lesioncare.progress import track

SIMILARITY = 0.995
MAX_TWINS = 200_000
"""More pairs are not listed: in a set of blank or 28-pixel images half of all may be alike."""
_BLOCK = 2048

__all__ = ["MAX_TWINS", "SIMILARITY", "Twin", "clusters", "find_twins"]


@dataclass(frozen=True, slots=True)
class Twin:
    """Positions of two images, first < second, the correlation of their thumbnails, and whether equal."""

    first: int
    second: int
    similarity: float
    identical: bool

    @property
    def pair(self) -> tuple[int, int]:
        """Both positions."""
        return self.first, self.second


def find_twins(scan: Scan, similarity: float = SIMILARITY) -> tuple[list[Twin], bool]:
    """All pairs of at least this similarity, and whether the list is whole (see `MAX_TWINS`)."""
    pairs = dict.fromkeys(_identical(scan.digests), 1.0)
    whole = True
    starts = range(0, len(scan.thumbnails), _BLOCK)
    for start in track(starts, "Twins", "blocks"):
        block = scan.thumbnails[start : start + _BLOCK]
        products = block @ scan.thumbnails[start:].T
        alike = np.triu(products >= similarity, 1)
        counted = alike.sum(axis=1).cumsum()
        # Where most are alike, all pairs would fill the memory.
        rows = int(np.searchsorted(counted, MAX_TWINS, side="right")) + 1
        first, second = np.nonzero(alike[:rows])
        for i, j in zip(first.tolist(), second.tolist(), strict=True):
            pairs.setdefault((start + i, start + j), float(products[i, j]))
        if len(pairs) > MAX_TWINS:
            whole = False
            break
    digests = scan.digests
    twins = [
        Twin(first, second, min(similar, 1.0), digests[first] == digests[second])
        for (first, second), similar in sorted(pairs.items())[:MAX_TWINS]
    ]
    return twins, whole


def clusters(pairs: Sequence[tuple[int, int]], n: int) -> npt.NDArray[np.int64]:
    """Number of the cluster of each of n images: twins, and twins of twins, share one.

    Args:
        pairs: positions of two twins, in [0, n).
        n: how many images there are.
    """
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    graph = coo_matrix((np.ones(len(pairs)), (first, second)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _identical(digests: Sequence[str]) -> list[tuple[int, int]]:
    """Each image with the first of the same pixels."""
    same: dict[str, list[int]] = defaultdict(list)
    for position, digest in enumerate(digests):
        if digest:
            same[digest].append(position)
    return [(alike[0], other) for alike in same.values() for other in alike[1:]]
