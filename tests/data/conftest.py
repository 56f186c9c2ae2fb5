import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesioncare.data import Columns, ImageTable, load_table

WIDTH, HEIGHT = 20, 10


def _save(path: Path, seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def save_image() -> Callable[[Path], None]:
    """Write a random image of 20 x 10 pixels."""
    return _save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the images a.png, b.png, c.png and d.png of 20 x 10 pixels."""
    for seed, name in enumerate("abcd"):
        _save(tmp_path / f"{name}.png", seed)
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Callable[..., ImageTable]:
    """Write text as table.csv into the folder and load it, its columns guessed."""

    def write_and_load(text: str, columns: Columns | None = None, **options: object) -> ImageTable:
        path = folder / "table.csv"
        path.write_bytes(text.encode())
        header = text.splitlines()[0].split(",") if text else []
        return load_table(path, columns or Columns.guess(header), **options)

    return write_and_load


@pytest.fixture
def many(tmp_path: Path) -> Callable[..., ImageTable]:
    """A table of given labels and groups, whose images need not exist."""

    def build(labels: list[str], groups: list[str], splits: list[str] | None = None) -> ImageTable:
        names = [f"{i}.png" for i in range(len(labels))]
        for name in names:
            (tmp_path / name).touch()
        sides = splits or ["train"] * len(labels)
        lines = [",".join(line) for line in zip(names, labels, groups, sides, strict=True)]
        path = tmp_path / "many.csv"
        path.write_text("\n".join(["image,label,group,split", *lines]), encoding="utf-8")
        return load_table(path, Columns(group="group", split="split" if splits else None))

    return build


@pytest.fixture(scope="session")
def skin7() -> Path:
    default = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("LESIONCARE_DATA", default)) / "skin7_200x150" / "labels.csv"
    if not path.is_file():
        pytest.skip(f"HAM10000 is not at {path}; set LESIONCARE_DATA")
    return path
