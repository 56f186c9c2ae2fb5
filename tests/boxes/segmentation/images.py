"""Images for the tests."""

import numpy as np
from PIL import Image

SKIN, MOLE = (225, 185, 165), (90, 50, 40)


def mole(seed, shape=(60, 80)):
    """An image with a mole at a place that the seed decides."""
    rng = np.random.default_rng(seed)
    x, y, radius = rng.integers(25, 55), rng.integers(20, 40), rng.integers(8, 15)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    pixels = np.where(mask[..., None], MOLE, SKIN) + rng.normal(0, 4, (*shape, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def folder_of_moles(folder, count):
    """Paths by id."""
    paths = {f"mole_{number:02}": folder / f"mole_{number:02}.png" for number in range(count)}
    for number, path in enumerate(paths.values()):
        Image.fromarray(mole(number)).save(path)
    return paths
