"""How often the 95 % interval holds the true value, on simulated predictions whose truth is known.

    python benchmarks/coverage.py

writes `coverage.csv` beside this file. Each simulated data set has classes of very different size, lesions
with one to six images (most with one or two, as in HAM10000), and two arms. Whether an arm names an image
right follows a probit model: a part that the lesion's images share and both arms see, one that the lesion's
images share for this arm alone, one of the image that both arms see, and one of its own,

    right = [mu_class,arm + lesion + lesion_arm + image + image_arm > 0],

so that the true recall is Phi(mu / sqrt(sum of the variances)), whatever the sizes of the lesions. For AUROC
and average precision the logits are drawn in the same way, the true class's raised by a strength; their true
values come from one data set of a million lesions. The draws, the sums and the percentiles are the library's;
100 data sets at a time share their lesion sizes and draws.

Ways: "groups" is what the library does; "groups, plain" the same draws with the 2.5th and 97.5th percentile;
"images" draws images in place of lesions. In the first two scenarios four equally good arms are
compared in all six pairs too: "no false claim" says in how many data sets none of the differences is shown.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from lesioncare.evaluation import Predictions, evaluate
from lesioncare.evaluation.correction import SIGNIFICANCE, bootstrap_p, holm
from lesioncare.evaluation.ranking import RankingSums
from lesioncare.evaluation.ratios import Ratio, RatioSums
from lesioncare.evaluation.resampling import Draws, draw_groups, percentile_interval

HERE = Path(__file__).parent
SIZES = (0.55, 0.25, 0.10, 0.05, 0.03, 0.02)
"""Share of the lesions with 1, 2, ... 6 images."""
LESION, LESION_ARM, IMAGE, IMAGE_ARM = 1.0, 0.3, 0.5, 0.3  # variances
STRENGTHS = (1.5, 1.8)
BATCH = 100

Floats = NDArray[np.float64]
Key = TypeVar("Key")
Truth = dict[str, tuple[float, float]]
"""Metric -> its true value with the first arm, and the true difference."""
Found = tuple[tuple[str, str, str], bool, float]
"""Metric, quantity and way of drawing; whether the interval holds the truth; its width."""


@dataclass(frozen=True)
class Scenario:
    """Lesions of each class, and each class's true recall with either arm; the last two classes are rare."""

    name: str
    lesions: tuple[int, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]


RECALLS = ((0.85, 0.70, 0.58, 0.50), (0.86, 0.75, 0.68, 0.64))
SCENARIOS = (
    Scenario("main", (400, 120, 60, 40), *RECALLS),
    Scenario("25 lesions in the rarest", (400, 120, 40, 25), *RECALLS),
    Scenario("10 lesions in the rarest", (400, 120, 25, 10), *RECALLS),
)
PARTS = {
    "balanced accuracy": slice(None),
    "rare recall": slice(-2, None),
    "recall of the rarest class": slice(-1, None),
    "recall of the most common class": slice(1),
}
"""Metric -> the classes whose mean recall it is."""


def lesions(scenario: Scenario, rng: np.random.Generator, times: int = 1) -> tuple[NDArray, NDArray]:
    """Group and class of each image."""
    label = np.repeat(np.arange(len(scenario.lesions)), np.array(scenario.lesions) * times)
    group = np.repeat(np.arange(len(label)), 1 + rng.choice(len(SIZES), p=SIZES, size=len(label)))
    return group, label[group]


def effects(group: NDArray, rng: np.random.Generator, width: int, n_arms: int = 2) -> list[Floats]:
    """What each arm adds to a margin or logit, [N, width]: lesion and image, shared and own."""

    def effect(n: int, variance: float) -> Floats:
        return np.sqrt(variance) * rng.standard_normal((n, width), dtype=np.float32)

    n_lesions = group[-1] + 1
    shared = effect(n_lesions, LESION)[group] + effect(len(group), IMAGE)
    return [
        shared + effect(n_lesions, LESION_ARM)[group] + effect(len(group), IMAGE_ARM) for _ in range(n_arms)
    ]


def right(recall: tuple[float, ...], target: NDArray, noise: Floats) -> NDArray[np.bool_]:
    """Which images an arm names right in each data set, [N, width]."""
    total = np.sqrt(LESION + LESION_ARM + IMAGE + IMAGE_ARM)
    return (norm.ppf(recall)[target] * total)[:, None] + noise > 0


def logits(target: NDArray, group: NDArray, rng: np.random.Generator) -> list[Predictions]:
    """For each arm the predictions of one data set."""
    width = target.max() + 1
    names, nowhere = group.astype(str), np.full(len(target), np.nan)
    places = dict.fromkeys(("energy", "pointing", "area_share", "centre_energy"), nowhere)
    boxes, classes = (np.empty((0, 4)),) * len(target), tuple(f"c{i}" for i in range(width))
    return [
        Predictions(
            names, names, names, target, noise + strength * np.eye(width)[target], classes, boxes, **places
        )
        for noise, strength in zip(effects(group, rng, width), STRENGTHS, strict=True)
    ]


def ratios(right_: NDArray, target: NDArray) -> dict[tuple[str, int], Ratio]:
    """(metric, data set) -> ratio, written as the library writes it."""
    member = (target[:, None] == np.arange(target.max() + 1)).astype(np.float64)
    return {
        (name, place): Ratio(member[:, part] * right_[:, [place]], member[:, part])
        for name, part in PARTS.items()
        for place in range(right_.shape[1])
    }


def drawn(group: NDArray, target: NDArray, rng: np.random.Generator, n_resamples: int) -> dict[str, Draws]:
    """Way -> draws."""
    units = (("groups", group), ("images", np.arange(len(group))))
    return {
        way: draw_groups(unit.astype(str), target, n_resamples, int(rng.integers(2**32)))
        for way, unit in units
    }


def resample(sums: Callable[[Floats], dict[Key, Floats]], draws: Draws) -> dict[Key, Floats]:
    blocks = [sums(weights) for weights in draws.blocks()]
    return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}


def judged(
    way: str, metric: str, arms: tuple[Floats, Floats], truth: Truth, smallest: int
) -> Iterator[Found]:
    """The interval of the first arm and of the difference; of groups also the plain percentiles."""
    for quantity, values, true in zip(
        ("first arm", "difference"), (arms[0], arms[1] - arms[0]), truth[metric], strict=True
    ):
        bounds = {way: percentile_interval(values, smallest)}
        if way == "groups":
            bounds["groups, plain"] = tuple(np.percentile(values, [2.5, 97.5]))
        for name, (low, high) in bounds.items():
            yield (metric, quantity, name), low <= true <= high, high - low


def recalls(scenario: Scenario, rng: np.random.Generator, n_resamples: int) -> Iterator[Found]:
    """One batch of data sets, the recalls."""
    values = np.array(scenario.a), np.array(scenario.b)
    means = {name: [value[part].mean() for value in values] for name, part in PARTS.items()}
    truth = {name: (a, b - a) for name, (a, b) in means.items()}
    group, target = lesions(scenario, rng)
    arms = [
        ratios(right(recall, target, noise), target)
        for recall, noise in zip((scenario.a, scenario.b), effects(group, rng, BATCH), strict=True)
    ]
    for way, draws in drawn(group, target, rng, n_resamples).items():
        a, b = (resample(RatioSums(arm, draws), draws) for arm in arms)
        units = np.array(scenario.lesions) if way == "groups" else np.bincount(target)
        for key in a:
            yield from judged(way, key[0], (a[key], b[key]), truth, units[PARTS[key[0]]].min())


def rankings(scenario: Scenario, rng: np.random.Generator, n_resamples: int, truth: Truth) -> Iterator[Found]:
    """One batch of data sets, AUROC and average precision."""
    group, target = lesions(scenario, rng)
    ways = drawn(group, target, rng, n_resamples)
    for _ in range(BATCH):
        predictions = logits(target, group, rng)
        for way, draws in ways.items():
            sums = [RankingSums(arm, arm.classes[-2:], draws) for arm in predictions]
            a, b = (resample(one, draws) for one in sums)
            for metric in a:
                yield from judged(way, metric, (a[metric], b[metric]), truth, sums[0].support[metric][1])


def ranking_truth(scenario: Scenario, rng: np.random.Generator) -> Truth:
    """In a data set of a million lesions."""
    group, target = lesions(scenario, rng, times=1_000_000 // sum(scenario.lesions))
    a, b = (evaluate(arm, arm.classes[-2:], {}) for arm in logits(target, group, rng))
    return {
        name: (getattr(a, name), getattr(b, name) - getattr(a, name))
        for name in ("macro_auroc", "rare_average_precision")
    }


def families(scenario: Scenario, rng: np.random.Generator, n_resamples: int) -> Iterator[Found]:
    """One batch of data sets with four equally good arms: is none of the six differences shown?"""
    group, target = lesions(scenario, rng)
    noises = effects(group, rng, BATCH, n_arms=4)
    draws = drawn(group, target, rng, n_resamples)["groups"]
    arms = [
        resample(RatioSums(ratios(right(scenario.a, target, noise), target), draws), draws)
        for noise in noises
    ]
    for key in arms[0]:
        smallest = np.array(scenario.lesions)[PARTS[key[0]]].min()
        differences = [b[key] - a[key] for a, b in combinations(arms, 2)]
        bounds = [percentile_interval(one, smallest) for one in differences]
        excluded = [low > 0 or high < 0 for low, high in bounds]
        corrected = holm([bootstrap_p(one, int(smallest)) for one in differences])
        shown = [p < SIGNIFICANCE and out for p, out in zip(corrected, excluded, strict=True)]
        quantity = "no false claim among 6 pairs"
        yield (key[0], quantity, "groups"), not any(shown), np.nan
        yield (key[0], quantity, "groups, not corrected"), not any(excluded), np.nan


def run(name: str, batches: Iterator[Iterator[Found]]) -> list[list[object]]:
    """Rows of the table."""
    held: dict[tuple[str, str, str], list[bool]] = {}
    width: dict[tuple[str, str, str], list[float]] = {}
    for batch in batches:
        for key, hit, size in batch:
            held.setdefault(key, []).append(bool(hit))
            width.setdefault(key, []).append(size)
    rows: list[list[object]] = []
    for key, hits in sorted(held.items()):
        bounds = binomtest(sum(hits), len(hits)).proportion_ci(0.95, "wilson")
        shares = (sum(hits) / len(hits), bounds.low, bounds.high, np.mean(width[key]))
        rows.append([name, *key, len(hits), *("" if np.isnan(one) else f"{one:.4f}" for one in shares)])
        print(*rows[-1], sep=", ", flush=True)
    return rows


def everything(simulations: int, n_resamples: int, seed: int) -> list[list[object]]:
    """Rows of all scenarios; the ranking metrics take longer, so the first and at most 1000 data sets."""
    rows = []
    for place, scenario in enumerate(SCENARIOS):
        rng = np.random.default_rng(seed + place)
        count = range(simulations // BATCH)
        rows += run(scenario.name, (recalls(scenario, rng, n_resamples) for _ in count))
        if place == 0:
            truth = ranking_truth(scenario, rng)
            rows += run(scenario.name, (rankings(scenario, rng, n_resamples, truth) for _ in count[:10]))
        if place < 2:
            same = replace(scenario, b=scenario.a)
            rows += run(scenario.name, (families(same, rng, n_resamples) for _ in count))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=4000, help="a multiple of 100")
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=HERE / "coverage.csv")
    options = parser.parse_args()
    start = time.process_time()
    rows = everything(options.simulations, options.resamples, options.seed)
    print(f"{time.process_time() - start:.0f} s")
    with options.output.open("w", newline="") as file:
        writer = csv.writer(file)
        names = ("scenario", "metric", "quantity", "drawn", "simulations")
        writer.writerow([*names, "coverage", "coverage_low", "coverage_high", "mean_width"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
