"""Images with a known answer."""

import numpy as np

SKIN, MOLE = (225, 185, 165), (90, 50, 40)


def disc(inside, outside, *, shape=(120, 160), centre=(70, 55), radius=25, noise=4.0):
    """An RGB image with a disc around (x, y), and the disc's box."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = (columns - centre[0]) ** 2 + (rows - centre[1]) ** 2 <= radius**2
    image = np.where(mask[..., None], inside, outside) + np.random.default_rng(0).normal(
        0, noise, (*shape, 3)
    )
    x, y = centre
    box = (float(x - radius), float(y - radius), float(x + radius + 1), float(y + radius + 1))
    return np.clip(image, 0, 255).astype(np.uint8), box


def blocks(rows):
    """An RGB image of grey squares of 8 x 8 pixels."""
    grey = np.kron(np.array(rows, np.uint8), np.ones((8, 8), np.uint8))
    return np.repeat(grey[..., None], 3, axis=2)
