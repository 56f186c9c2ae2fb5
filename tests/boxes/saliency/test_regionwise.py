"""Superpixels and the methods on them against loops over regions, and by hand."""

import heapq
import math

import numpy as np
import pytest

from lesioncare.boxes.saliency import ManifoldRanking, RegionContrast, RobustBackground
from lesioncare.boxes.saliency.base import lab, shrink
from lesioncare.boxes.saliency.rbd import _optimise
from lesioncare.boxes.saliency.rc import _colour_contrast, _weighted
from lesioncare.boxes.saliency.superpixels import describe, distances, number, segment

from .scenes import MOLE, SKIN, blocks, disc

IMAGE = disc(MOLE, SKIN)[0]


@pytest.fixture(scope="module")
def regions():
    return segment(shrink(IMAGE, 128), 60)


def test_describes_regions_by_hand():
    labels = np.array([[0, 0, 1], [0, 2, 1]])
    colours = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    found = describe(labels, colours)
    np.testing.assert_array_equal(found.sizes, [3, 2, 1])
    np.testing.assert_allclose(found.colours[1], (colours[0, 2] + colours[1, 2]) / 2)
    np.testing.assert_allclose(found.centres[0], [(0 + 1 + 0) / 3 / 3, (0 + 0 + 1) / 3 / 3])
    np.testing.assert_array_equal(found.adjacent, [[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(found.sides, [[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(found.paint(np.array([7.0, 8, 9])), [[7, 7, 8], [7, 9, 8]])


def test_numbers_without_gaps():
    np.testing.assert_array_equal(number(np.array([[5, 9], [9, 2]])), [[1, 2], [2, 0]])


def test_superpixels_follow_the_lesion(regions):
    inside = np.linalg.norm(regions.colours - lab(np.array([[MOLE]], np.uint8))[0, 0], axis=1) < 15
    outside = np.linalg.norm(regions.colours - lab(np.array([[SKIN]], np.uint8))[0, 0], axis=1) < 15
    assert (inside | outside).mean() > 0.9
    assert 30 < len(regions.sizes) < 120


def test_background_probability_against_loops(regions):
    method = RobustBackground()
    count = len(regions.sizes)
    apart = distances(regions.colours)
    border = regions.sides.any(axis=0)
    expected = []
    for start in range(count):
        geodesic = walk(start, count, regions.adjacent, border, apart)
        similar = [math.exp(-(d**2) / (2 * method.sigma_clr**2)) for d in geodesic]
        length = sum(s for s, on_border in zip(similar, border, strict=True) if on_border)
        connectivity = length / math.sqrt(sum(similar))
        expected.append(1 - math.exp(-(connectivity**2) / (2 * method.sigma_bnd**2)))
    np.testing.assert_allclose(method.background(regions, apart), expected, atol=1e-6)


def walk(start, count, adjacent, border, apart):
    """Shortest ways from one region, by Dijkstra's search."""
    best = [math.inf] * count
    queue = [(0.0, start)]
    while queue:
        cost, here = heapq.heappop(queue)
        if cost >= best[here]:
            continue
        best[here] = cost
        for there in range(count):
            if there != here and (adjacent[here, there] or (border[here] and border[there])):
                heapq.heappush(queue, (cost + apart[here, there], there))
    return best


def test_background_by_hand():
    # Five equal regions in a row: all on the border, all at distance 0. BndCon = 5 / sqrt(5).
    found = segment_of(np.arange(5)[None], np.zeros((1, 5, 3), np.float32))
    background = RobustBackground().background(found, distances(found.colours))
    np.testing.assert_allclose(background, 1 - math.exp(-5 / 2), atol=1e-6)


def segment_of(labels, colours):
    return describe(labels, colours)


def test_optimum_by_hand():
    # One pair: 1 s_0^2 + 1 (s_1 - 1)^2 + 1 (s_0 - s_1)^2 is least at s = (1/3, 2/3).
    weights = np.array([[0.0, 1.0], [1.0, 0.0]])
    found = _optimise(weights, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(found, [1 / 3, 2 / 3], atol=1e-6)


def test_optimum_cannot_be_improved():
    rng = np.random.default_rng(0)
    weights = rng.random((6, 6))
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    background, foreground = rng.random(6), rng.random(6)

    def cost(s):
        pairs = sum(weights[i, j] * (s[i] - s[j]) ** 2 for i in range(6) for j in range(i))
        return (background * s**2).sum() + (foreground * (s - 1) ** 2).sum() + pairs

    best = _optimise(weights, background, foreground)
    for _ in range(50):
        assert cost(best) <= cost(best + rng.normal(0, 0.01, 6))


def test_ranking_against_loops(regions):
    method = ManifoldRanking()
    count = len(regions.sizes)
    border = regions.sides.any(axis=0)
    linked = np.zeros((count, count), bool)
    for i in range(count):
        for j in range(count):
            shared = any(regions.adjacent[i, k] and regions.adjacent[k, j] for k in range(count))
            linked[i, j] = i != j and (regions.adjacent[i, j] or shared or (border[i] and border[j]))
    apart = distances(regions.colours)
    weights = np.where(linked, np.exp(-apart / apart[linked].max() / method.sigma2), 0)
    expected = np.linalg.solve(np.diag(weights.sum(axis=1)) - method.alpha * weights, np.eye(count))
    expected[np.arange(count), np.arange(count)] = 0
    np.testing.assert_allclose(method.ranking(regions), expected, rtol=1e-3, atol=1e-9 * expected.max())


def test_ranking_by_hand():
    # Two regions, one link of weight w: (D - alpha W)^-1 has alpha / (w (1 - alpha^2)) beside its diagonal.
    found = segment_of(np.array([[0, 1]]), np.array([[[0, 0, 0], [10, 0, 0]]], np.float32))
    method = ManifoldRanking(sigma2=1.0, alpha=0.5)
    weight = math.exp(-1)  # the only distance is the largest one
    expected = 0.5 / (weight * (1 - 0.25))
    np.testing.assert_allclose(method.ranking(found), [[0, expected], [expected, 0]], rtol=1e-6)


def test_ranks_in_two_stages():
    method = ManifoldRanking(size=64, count=60)
    image = blocks(np.random.default_rng(5).integers(0, 256, (8, 8)))
    regions = segment(image, 60)
    ranking = method.ranking(regions)
    first = []
    for i in range(len(regions.sizes)):
        product = 1.0
        for side in regions.sides:
            ranks = [sum(row[side]) for row in ranking]
            product *= 1 - (ranks[i] - min(ranks)) / (max(ranks) - min(ranks))
        first.append(product)
    query = np.array(first) > np.mean(first)
    ranks = ranking @ query
    expected = (ranks - ranks.min()) / np.ptp(ranks)
    np.testing.assert_allclose(method(image), expected[regions.labels], atol=1e-4)


def test_colour_contrast_by_hand():
    # Region 0 is half black and half white, region 1 grey at L = 50: all black and white are 50 or 100 apart.
    labels, codes = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 2, 2]])
    colours = np.array([[[0, 0, 0], [100, 0, 0], [50, 0, 0], [50, 0, 0]]], np.float32)
    np.testing.assert_allclose(_colour_contrast(labels, codes, colours), [[50, 50], [50, 0]])


def test_weighted_contrast_against_loops(regions):
    contrast = np.random.default_rng(0).random((len(regions.sizes), len(regions.sizes)))
    expected = [
        sum(
            math.exp(-math.dist(here, there) / 0.4) * regions.sizes[i] * contrast[k, i]
            for i, there in enumerate(regions.centres)
            if i != k
        )
        for k, here in enumerate(regions.centres)
    ]
    np.testing.assert_allclose(_weighted(regions, contrast, 0.4), expected)


def test_region_contrast_by_hand():
    # Three stripes of 16, 32 and 16 columns: black, grey, white, at L = 0, 50 and 100. Centres at 7.5,
    # 31.5 and 55.5 of 64, so neighbours are 24 / 64 apart and the outer ones 48 / 64.
    image = blocks([[0, 0, 119, 119, 119, 119, 255, 255]] * 8)
    step, two = math.exp(-24 / 64 / 0.4), math.exp(-48 / 64 / 0.4)
    outer = step * 32 * 50 + two * 16 * 100
    inner = step * 16 * 50 + step * 16 * 50
    assert outer > inner
    contrast = RegionContrast(size=64, blur=0)
    found = contrast(image)
    np.testing.assert_allclose(found[:, [4, 60]], 1, atol=2e-2)
    np.testing.assert_allclose(found[:, 20:44], 0, atol=2e-2)
    # A second scene fixes the middle of the scale: a fourth, smaller stripe.
    image = blocks([[0, 0, 0, 119, 119, 119, 255, 255]] * 8)
    centres, sizes, lights = np.array([11.5, 35.5, 55.5]) / 64, np.array([24, 24, 16]), np.array([0, 50, 100])
    near = np.exp(-np.abs(centres[:, None] - centres) / 0.4)
    expected = (near * np.abs(lights[:, None] - lights) * sizes).sum(axis=1)
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(contrast(image)[32, [8, 36, 60]], expected, atol=3e-2)
