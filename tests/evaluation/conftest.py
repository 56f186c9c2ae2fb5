from collections.abc import Callable

import numpy as np
import pytest

from lesioncare.evaluation import Predictions


def build(target, logits, classes=None, *, group=None, energy=None, **numbers) -> Predictions:
    """Predictions of len(target) images; every image has a box unless its energy is None."""
    n, width = len(target), np.asarray(logits).shape[1]
    energy = np.full(n, np.nan) if energy is None else np.asarray(energy, dtype=float)
    names = [f"{i}.jpg" for i in range(n)]
    return Predictions(
        image=np.array(names, dtype=str),
        path=np.array([f"images/{name}" for name in names], dtype=str),
        group=np.array(names if group is None else group, dtype=str),
        target=np.asarray(target),
        logits=np.asarray(logits, dtype=float),
        classes=tuple(classes or [f"c{i}" for i in range(width)]),
        boxes=tuple(np.empty((0, 4)) for _ in range(n)),
        energy=energy,
        pointing=np.asarray(numbers.get("pointing", np.where(np.isnan(energy), np.nan, 1.0))),
        area_share=np.asarray(numbers.get("area_share", np.where(np.isnan(energy), np.nan, 0.25))),
        centre_energy=np.asarray(numbers.get("centre_energy", np.where(np.isnan(energy), np.nan, 0.5))),
    )


@pytest.fixture
def make() -> Callable[..., Predictions]:
    return build


@pytest.fixture
def random_predictions() -> Predictions:
    """200 images of four classes, two images to a group, better than chance."""
    rng = np.random.default_rng(5)
    target = np.repeat(rng.choice(4, size=100, p=[0.6, 0.2, 0.1, 0.1]), 2)
    logits = rng.normal(size=(200, 4)) + 1.2 * np.eye(4)[target] + np.log([0.6, 0.2, 0.1, 0.1])
    return build(
        target,
        logits,
        ["common", "less", "rare", "rarer"],
        group=[f"g{i // 2}" for i in range(200)],
        energy=rng.uniform(size=200),
    )
